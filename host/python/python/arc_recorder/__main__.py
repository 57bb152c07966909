"""`arc-host`: the command line, run by Python."""

from __future__ import annotations

import sys

from . import _native
from ._postgres import program_folders, this_program


def main() -> int:
    """Runs the command line with the arguments of this process, and returns its exit code."""
    executable, before = this_program()
    return _native.run_program(
        ["arc-host", *sys.argv[1:]], executable, before, program_folders()
    )


if __name__ == "__main__":
    sys.exit(main())
