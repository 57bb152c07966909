"""Counts words that only this project would use, so that they do not come back.

    python tests/dialect/count.py            # fails if a count is above counts.txt, or a public name has such a word
    python tests/dialect/count.py --show away    # the places
    python tests/dialect/count.py --write    # writes counts.txt, after counts have fallen

The words are the left column of the style guide. They are counted as whole words in comments and strings of source
files, and in the text of Markdown files. Some of them are also plain English: a count does not have to be 0, but it
must not rise. Public names (settings, metrics, JSON members, WIT items, Python and TypeScript names, commands and
options) must not contain any of them.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TABLE = HERE / "counts.txt"

#: The counted words: a name, and the pattern of whole words.
WORDS = {
    "away": r"away",
    "aside": r"aside",
    "take back": r"(take|takes|taken|took) back",
    "is told": r"(is|are|was|were|be|been) told",
    "tells": r"tell|tells",
    "says": r"say|says|said",
    "gives": r"give|gives|gave|given",
    "was had": r"(is|was|were) had",
    "is none": r"(is|are) none",
    "does not do": r"(does|do|would|will) not do",
    "where": r"where|wherever",
    "whoever": r"whoever|whatever|whichever",
    "nobody": r"nobody|somebody|everybody",
    "what is": r"what (is|are|was|were|has|it|stands|comes|came)",
    "in vain": r"in vain",
    "boldly": r"boldly|cautious|cautiously",
    "the house": r"(in )?the house|its words",
    "as X has it": r"(has|have) it|as \S+ say",
    "broken off": r"(broken|break|breaks|broke|breaking) off",
    "is there": r"(is|are|was|were) (already )?there",
    "words": r"words?",
    "bears": r"bear|bears|bore",
    "stands": r"stand|stands|stood",
    "lies": r"lie|lies|lay",
    "goes on": r"(go|goes|going|went) on",
    "may": r"may",
    "alone": r"alone",
    "keeps for itself": r"by (itself|themselves)",
    "for good": r"for good",
    "so many": r"so many|so much|so long",
    "mended": r"mend|mends|mended",
    "under way": r"under way",
}

#: Words that no public name can contain.
NAMES = set(
    "away aside told tells says gives had whoever nobody somebody everybody vain boldly cautious house broken "
    "bears stands lies goes where wherever surroundings companion classified".split()
)

SKIP = re.compile(
    r"(^|/)(target|node_modules|fixtures|findings)/|^tests/(dialect|fuzz/corpus|comparison/results)|^host/typescript/src/service\.ts$"
)
RENAMED = "### Renamed before the first release"


def tracked() -> list[str]:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True, text=True)
    return [path for path in listed.stdout.split("\0") if path and not SKIP.search(path) and (ROOT / path).is_file()]


LEXED = {
    # Comments and strings; everything else is skipped.
    ".rs": r"//[^\n]*|(?<!\w)b?r(?P<h>#*)\"(?:.|\n)*?\"(?P=h)|\"(?:\\(?:.|\n)|[^\"\\])*\"|'(?:\\.|[^'\\\n])'",
    ".ts": r"//[^\n]*|/\*(?:.|\n)*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`",
    ".wit": r"//[^\n]*",
    ".sql": r"--[^\n]*",
}
LEXED[".mjs"] = LEXED[".js"] = LEXED[".ts"]


def prose(path: str, text: str) -> Iterator[tuple[int, str]]:
    """Yields the comments, strings and sentences of a file, each with its first line number."""
    kind = Path(path).suffix
    if kind in (".py", ".pyi"):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in (tokenize.COMMENT, tokenize.STRING):
                yield token.start[0], token.string
    elif kind == ".md":
        before, mark, after = text.partition(RENAMED)
        if mark:
            table, _, rest = after.partition("\n### ")
            text = before + "\n" * table.count("\n") + "\n" + rest
        yield 1, re.sub(r"(?ms)^```.*?^```", lambda block: "\n" * block.group().count("\n"), text)
    elif kind in LEXED:
        # Comments on consecutive lines are joined, so that a phrase can span two lines.
        joined: tuple[int, int, str] | None = None
        for found in re.finditer(LEXED[kind], text):
            line = text.count("\n", 0, found.start()) + 1
            part = found.group()
            if joined and part.startswith(("//", "--")) and not text[joined[1] : found.start()].strip():
                joined = (joined[0], found.end(), joined[2] + "\n" + part)
                continue
            if joined:
                yield joined[0], joined[2]
            joined = (line, found.end(), part)
        if joined:
            yield joined[0], joined[2]


def places() -> Iterator[tuple[str, str, int, str]]:
    """Yields each match: its name, the file, the line, and the text around it."""
    gap = r"[\s/!*#-]+"
    patterns = {
        name: re.compile(rf"(?<![\w-])(?:{pattern.replace(' ', gap)})(?![\w-])", re.IGNORECASE)
        for name, pattern in WORDS.items()
    }
    for path in tracked():
        if Path(path).suffix not in {".py", ".pyi", ".md", *LEXED}:
            continue
        for line, text in prose(path, (ROOT / path).read_text(encoding="utf-8")):
            for name, pattern in patterns.items():
                for found in pattern.finditer(text):
                    if found.group() == "WHERE":  # SQL's
                        continue
                    at = line + text.count("\n", 0, found.start())
                    around = text[max(0, found.start() - 40) : found.end() + 40]
                    yield name, path, at, " ".join(around.split())


def public_names() -> Iterator[tuple[str, str]]:
    """Yields the names that users write or read, and the file of each."""

    def matches(path: str, pattern: str) -> Iterator[tuple[str, str]]:
        text = (ROOT / path).read_text(encoding="utf-8")
        yield from ((path, name) for name in re.findall(pattern, text, re.MULTILINE))

    for path in tracked():
        if path.endswith(".wit"):
            yield from matches(path, r"^\s+(?:(?:record|enum|variant|type) )?%?([a-z][a-z0-9-]*)(?=[:(,]| \{| =)")
        elif re.match(r"host/python/python/arc(_recorder|/database)/(?!_)[\w/]+\.pyi?$", path):
            yield from matches(path, r"^(?:    )?(?:async )?def ([a-z]\w*)|^class ([A-Z]\w*)|^    ([a-z]\w*): ".replace("|", "|"))
        elif re.match(r"host/typescript/src/(?!service)\w+\.ts$", path):
            yield from matches(path, r"^  (?:async \*?|readonly )?([a-z]\w*)\??[(:]")
        elif re.match(r"migrations/.*\.sql$", path):
            yield from matches(path, r"^CREATE (?:TABLE|VIEW|FUNCTION) arc_recorder\.(\w+)|^    ([a-z_]+) (?:text|uuid|integer|bigint|jsonb?|boolean|timestamptz|double)")
    service = "host/typescript/src/service.ts"
    yield from matches(service, r"^\s+\"?([\w/{}.]+)\"?\??: ")
    yield from matches(service, r"(?<=[ |]) \"([a-z_]+)\"(?= \||;)")
    # Found by their content, because the files can be moved.
    for path in tracked():
        if path.startswith("host/src/") and path.endswith(".rs"):
            text = (ROOT / path).read_text(encoding="utf-8")
            if "settings! {\n" in text:
                yield from matches(path, r"^    ([a-z_]+): [\w<>]+ = ")
            if "Registry::with_prefix(\"arc\")" in text:
                yield from matches(path, r"^\s+\(?\"([a-z_]+)\",")
                yield from matches(path, r"register(?:_with_unit)?\(\s*\"([a-z_]+)\"")
            if "derive(Debug, Subcommand)" in text or "#[arg(long" in text:
                yield from matches(path, r"^    pub\(super\) ([a-z_]+): ")
                yield from matches(path, r"^    ([A-Z]\w+)(?:\(\w+\))?,$")


def parts(name: str) -> set[str]:
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def table() -> dict[str, int]:
    lines = TABLE.read_text(encoding="utf-8").splitlines() if TABLE.exists() else []
    rows = (line.rsplit(maxsplit=1) for line in lines if line and not line.startswith("#"))
    return {name: int(count) for name, count in rows}


def main() -> int:
    arguments = argparse.ArgumentParser(description="Counts words that only this project would use.")
    arguments.add_argument("--show", metavar="WORD", help="show the places of a word of the table")
    arguments.add_argument("--write", action="store_true", help="write the table")
    chosen = arguments.parse_args()
    counts = dict.fromkeys(WORDS, 0)
    for name, path, line, around in places():
        counts[name] += 1
        if chosen.show == name:
            print(f"{path}:{line}: {around}")
    if chosen.show:
        return 0
    if chosen.write:
        head = "# The maximum count of each word; see count.py. Lower a number when it falls.\n"
        TABLE.write_text(head + "".join(f"{name:<20}{count}\n" for name, count in counts.items()), encoding="utf-8")
    names = {(path, name) for path, found in public_names() for name in ([found] if isinstance(found, str) else found) if name}
    if len(names) < 400:
        print(f"only {len(names)} public names were found: the patterns do not fit the files any more", file=sys.stderr)
        return 1
    wrong = sorted(f"{path}: {name}" for path, name in names if parts(name) & NAMES)
    if wrong:
        print("public names with a word of the dialect:\n  " + "\n  ".join(wrong), file=sys.stderr)
    allowed = table()
    risen = [f"{name}: {count}, at most {allowed.get(name, 0)}" for name, count in counts.items() if count > allowed.get(name, 0)]
    if risen:
        print("more than before (--show WORD shows where):\n  " + "\n  ".join(risen), file=sys.stderr)
    fallen = [name for name, count in counts.items() if count < allowed.get(name, 0)]
    if fallen:
        print(f"fewer than before: {', '.join(fallen)}; --write lowers the table")
    print(f"{sum(counts.values())} words of the dialect, {len(names)} public names")
    return 1 if wrong or risen else 0


if __name__ == "__main__":
    sys.exit(main())
