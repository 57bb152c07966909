"""The options, variables and settings of a recorded run."""

from __future__ import annotations

import dataclasses
import os
import platform
import uuid
from typing import cast

import pytest

#: The key under which the processes of pytest-xdist exchange data.
NAME = "arc_recorder"


def add_options(parser: pytest.Parser) -> None:
    """Declares the options and settings."""
    group = parser.getgroup("arc", "recording agent evaluations (arc-recorder)")
    group.addoption(
        "--arc-record",
        action="store_true",
        dest="arc_record",
        default=None,
        help="Record this run as a simulation (also ARC_RECORD=1, or arc_record = true).",
    )
    group.addoption(
        "--no-arc-record", action="store_false", dest="arc_record", help="Do not record this run."
    )
    parser.addini("arc_record", "Record every run as a simulation.", type="bool", default=False)

    def setting(name: str, metavar: str, text: str) -> None:
        option = "--arc-" + name.replace("_", "-")
        group.addoption(option, dest="arc_" + name, metavar=metavar, default=None, help=text)
        parser.addini("arc_" + name, text, default="")

    setting(
        "database_url",
        "URL",
        "The database (default: ARC_DATABASE_URL, TIMESCALE_SERVICE_URL, the embedded one).",
    )
    setting("simulation_name", "NAME", "The simulation's name (default: the project's folder).")
    setting("config", "FILE", "The agent's configuration, a YAML or JSON file, kept with the run.")
    setting("config_name", "NAME", "The configuration's name (default: the project's folder).")
    setting("trials", "N", "Run and record each test N times.")
    group.addoption(
        "--arc-metadata",
        action="append",
        dest="arc_metadata",
        metavar="KEY=VALUE",
        default=[],
        help="Metadata of the simulation, such as commit=$SHA. Can be repeated.",
    )
    group.addoption(
        "--arc-record-strict",
        action="store_true",
        dest="arc_record_strict",
        default=False,
        help="Fail the run if a result cannot be recorded, before the first test if possible.",
    )
    parser.addini(
        "arc_record_strict", "Fail a run that cannot be recorded.", type="bool", default=False
    )
    parser.addini(
        "arc_only_marked",
        "Record only the tests that are marked with @pytest.mark.arc.",
        type="bool",
        default=False,
    )
    parser.addini(
        "arc_score_from_outcome",
        "A test that attaches no score gets 1 if it passes and 0 if it fails.",
        type="bool",
        default=True,
    )


def wanted(config: pytest.Config) -> bool:
    """Returns whether this run is recorded: by the option, else the variable, else the setting."""
    if config.getoption("collectonly") or config.getoption("setuponly", False):
        return False
    option = config.getoption("arc_record")
    if option is not None:
        return bool(option)
    value = os.environ.get("ARC_RECORD", "").strip().lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    if value:
        raise pytest.UsageError(f"ARC_RECORD is {value!r}; set it to 1 or 0")
    return bool(config.getini("arc_record"))


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a recorded run, the same in every worker."""

    simulation_id: str
    simulation_name: str
    database_url: str | None
    config_name: str
    config_text: str
    metadata: dict[str, str]
    trials: int
    strict: bool
    only_marked: bool
    score_from_outcome: bool

    @staticmethod
    def read(config: pytest.Config) -> Settings:
        """Reads the options and settings; an invalid one ends the run at once."""

        def setting(name: str) -> str:
            return str(config.getoption("arc_" + name) or config.getini("arc_" + name)).strip()

        project = config.rootpath.name or "pytest"
        metadata = {
            "runner": "pytest",
            "pytest_version": pytest.__version__,
            "python_version": platform.python_version(),
        }
        for pair in cast("list[str]", config.getoption("arc_metadata") or []):
            key, equals, value = pair.partition("=")
            if not key or not equals:
                raise pytest.UsageError(f"--arc-metadata takes KEY=VALUE, not {pair!r}")
            metadata[key] = value
        trials = setting("trials") or "1"
        if not trials.isdecimal() or not 1 <= int(trials) <= 10_000:
            raise pytest.UsageError(f"--arc-trials takes a number from 1 to 10000, not {trials!r}")
        return Settings(
            simulation_id=str(uuid.uuid4()),
            simulation_name=setting("simulation_name") or project,
            database_url=setting("database_url") or None,
            config_name=setting("config_name") or project,
            config_text=_config_text(config),
            metadata=metadata,
            trials=int(trials),
            strict=bool(
                config.getoption("arc_record_strict") or config.getini("arc_record_strict")
            ),
            only_marked=bool(config.getini("arc_only_marked")),
            score_from_outcome=bool(config.getini("arc_score_from_outcome")),
        )


def _config_text(config: pytest.Config) -> str:
    """Returns the text of the configuration file. An option's path is relative to the working directory, a
    setting's to the root of the project."""
    option = config.getoption("arc_config")
    if option:
        path = config.invocation_params.dir / str(option)
    elif config.getini("arc_config"):
        path = config.rootpath / str(config.getini("arc_config"))
    else:
        return "{}"
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise pytest.UsageError(f"could not read the configuration {path}: {error}") from None
