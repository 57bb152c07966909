"""A Python environment for each tool, created once in `target/comparison`."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from subject_list import ENVIRONMENTS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "target" / "comparison"


class CannotInstall(Exception):
    """An environment that could not be created, with the reason; its subjects are skipped."""


def requirements(name: str, wheel: Path | None) -> list[str]:
    """Returns the packages that pip installs in an environment."""
    if name == "arc":
        return [str(wheel or newest_wheel() or ROOT / "host" / "python")]
    return ENVIRONMENTS[name]


def newest_wheel() -> Path | None:
    """Returns the newest wheel, if there is one."""
    wheels = sorted((ROOT / "target" / "wheels").glob("*.whl"), key=lambda wheel: wheel.stat().st_mtime)
    return wheels[-1] if wheels else None


def interpreter(name: str, wheel: Path | None) -> Path:
    """Returns the interpreter of an environment with its packages, which are installed if necessary.

    Raises:
        CannotInstall: with pip's last line.
    """
    folder = FOLDER / name
    python = folder / "bin" / "python"
    wanted = requirements(name, wheel)
    mark = json.dumps([wanted, *(digest(Path(one)) for one in wanted if one.endswith(".whl"))])
    marked = folder / "installed.json"
    if marked.exists() and marked.read_text() == mark:
        return python
    print(f"installing {name}: {' '.join(Path(one).name for one in wanted)}", file=sys.stderr)
    FOLDER.mkdir(parents=True, exist_ok=True)
    run([sys.executable, "-m", "venv", str(folder)])
    fresh = ["--force-reinstall", "--no-deps"] if name == "arc" else []
    run([str(python), "-m", "pip", "install", "-q", *fresh, *wanted])
    marked.write_text(mark)
    return python


def digest(wheel: Path) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        raise CannotInstall(errors[-1] if errors else f"{command[0]} ended with {done.returncode}")
