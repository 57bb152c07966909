"""The build backend of the Python package: checks for Rust, then calls maturin.

Without Rust, maturin would download a compiler, of another version than the one that this project is built with,
or fail with a traceback.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import maturin

NO_RUST = """
Building arc-recorder needs Rust, and there is no cargo on the PATH.
Install rustup (https://rustup.rs), which installs the version that the build requires, or install a
wheel that was built on another machine: python3 -m pip install PATH-OF-THE-WHEEL
"""

Settings = Optional[Mapping[str, Any]]


def _need_rust() -> None:
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    if shutil.which("cargo") is None and (home / "bin" / "cargo").is_file():
        # Rust was installed after this shell was started.
        os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), str(home / "bin")])
    if shutil.which("cargo") is None:
        sys.stderr.write(NO_RUST)
        sys.exit(1)


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    _need_rust()
    return list(maturin.get_requires_for_build_wheel(config_settings))


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    _need_rust()
    return list(maturin.get_requires_for_build_editable(config_settings))


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    _need_rust()
    return list(maturin.get_requires_for_build_sdist(config_settings))


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: Settings = None
) -> str:
    _need_rust()
    return str(maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings))


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: Optional[str] = None
) -> str:
    _need_rust()
    # The wheel's name states the required glibc, so that pip does not install it on a system that cannot load it.
    os.environ.setdefault("MATURIN_PEP517_ARGS", "--compatibility pypi")
    return str(maturin.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: Optional[str] = None
) -> str:
    _need_rust()
    return str(maturin.build_editable(wheel_directory, config_settings, metadata_directory))


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    _need_rust()
    return str(maturin.build_sdist(sdist_directory, config_settings))
