"""Makes `arc_recorder/sync.py`, the calls for threads, from `client.py` and `api.py`, which have them for event loops.

    python host/python/make_sync.py

The file is checked in, so that type checkers, editors and people read it; a test fails where it is not
what this makes. Change the calls and their documentation in the other two, never there.
"""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).parent / "python" / "arc_recorder"

HEAD = '''\
"""The same calls for threads: each blocks until its answer is there.

Made by `make_sync.py` from `client.py` and `api.py`: change those.
"""

from __future__ import annotations

'''

# What opening is for threads: there is nothing to be awaited.
OPENS = '''\
    run(Recording(client.calls, on_error).open())
    return SyncArcAPI(client, on_error=on_error)
'''

WORDS = [
    (r"\bArcDBClient\b", "SyncArcDBClient"),
    (r"\bArcAPI\b", "SyncArcAPI"),
    (r"\bEngine\b", "SyncEngine"),
    (r"\bEventLoop\b", "Thread"),
    (r"\bcreate_arc_api\b", "create_sync_arc_api"),
    (r"\basync def __a(enter|exit)__\b", r"def __\1__"),
    (r"\basync def\b", "def"),
    (r"Records evaluations\.", "Records evaluations, blocking the thread that calls."),
    (r" -> Opening:", " -> SyncArcAPI:"),
    (r"on it: `await` it, or use `async with`\.", "on it, which may be used with `with`."),
]


def split(text: str) -> tuple[list[str], list[str]]:
    """The imports of a module, and its classes and functions."""
    blocks = re.split(r"\n(?=(?:class|def) )", text)
    imports = re.findall(r"^from .*?import (?:\([^)]*\)|[^\n(]*)$", blocks[0], re.MULTILINE)
    return imports, blocks[1:]


def names(imports: list[str]) -> dict[str, set[str]]:
    """Which names come from which modules."""
    found: dict[str, set[str]] = {}
    for line in imports:
        module, _, listed = line.removeprefix("from ").partition(" import ")
        taken = {name.strip() for name in listed.strip("()").split(",")} - {""}
        found.setdefault(module, set()).update(taken)
    return found


def written(module: str, taken: set[str]) -> str:
    """An import, over several lines where it is long."""
    # As people sort them: constants before classes before functions.
    listed = sorted(taken, key=lambda name: (not name[0].isupper(), name))
    line = f"from {module} import {', '.join(listed)}\n"
    if len(line) <= 101:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in listed) + ")\n"


def blocking(code: str) -> str:
    """Code that waits by blocking, where it waits for an event loop."""
    for pattern, replacement in WORDS:
        code = re.sub(pattern, replacement, code)
    while (found := code.find("await ")) >= 0:
        start = found + len("await ")
        end = code.index("(", start)
        depth = 0
        for end in range(end, len(code)):
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            if depth == 0:
                break
        call = code[start : end + 1]
        # Entering and leaving call what blocks itself.
        if not call.startswith("self.close("):
            call = f"run({call})"
        code = code[:found] + call + code[end + 1 :]
    return code


def make() -> str:
    """The module's text."""
    modules = [split((PACKAGE / name).read_text()) for name in ("client.py", "api.py")]
    taken = names([line for imports, _ in modules for line in imports])
    blocks = [block for _, blocks in modules for block in blocks if not block.startswith("class Opening")]
    *classes, opening = (blocking(block) for block in blocks)
    opening = opening[: opening.index("    return Opening(")] + OPENS
    code = "\n\n".join(block.strip("\n") + "\n" for block in [*classes, opening])
    for not_needed in ("__future__", ".client"):
        del taken[not_needed]
    taken["._waiting"] = {"Thread", "run"}
    taken["collections.abc"].discard("Generator")
    own = [module for module in sorted(taken) if module.startswith(".")]
    others = [module for module in sorted(taken) if not module.startswith(".")]
    imports = ["".join(written(module, taken[module]) for module in part) for part in (others, own)]
    return HEAD + "\n".join(imports) + "\n\n" + code


if __name__ == "__main__":
    (PACKAGE / "sync.py").write_text(make())
