#!/usr/bin/env python3
"""Records the same results in the same PostgreSQL with different tools, and shows how fast, what was stored,
and what happens when the same is sent twice.

    python3 tests/comparison/compare.py                                    # everything
    python3 tests/comparison/compare.py --only arc,asyncpg --documents 2000
    python3 tests/comparison/compare.py --json results.json --plot results.svg

The first run makes an environment for each tool below target/comparison (MLflow and Phoenix take about 900 MB
each) and, where target/wheels has no wheel of the recorder, builds one. It starts a PostgreSQL of its own with
default durability, which is gone at the end. What cannot be installed or breaks is skipped, with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import cluster as servers
import contest
import environments
import line_up
import picture
import table


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    groups = ", ".join(dict.fromkeys(subject.group for subject in line_up.SUBJECTS))
    parser.add_argument("--only", metavar="NAMES", help=f"some of {groups}, with commas between")
    parser.add_argument(
        "--documents", type=int, default=20_000, metavar="N",
        help="how many results (20,000); slow tools get fewer, see --list",
    )  # fmt: skip
    parser.add_argument("--bytes", type=int, default=8_700, help="of about so many bytes (8,700)")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many runs counts (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes all figures")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="writes a picture (SVG)")
    parser.add_argument("--wheel", type=Path, help="the recorder's wheel; default: the newest in target/wheels")
    parser.add_argument(
        "--python", type=Path, help="an interpreter that has the packages, for all tools; nothing is installed then"
    )
    parser.add_argument("--postgres-bin", type=Path, help="the folder of PostgreSQL's programs")
    parser.add_argument("--list", action="store_true", help="says what would run, and ends")
    parser.add_argument("--show", type=Path, metavar="FILE", help="the table (and --plot) of an earlier --json, and ends")
    parser.add_argument("--markdown", action="store_true", help="the table as Markdown")
    given = parser.parse_args()
    if given.documents < 2 or given.rounds < 1:
        parser.error("--documents is at least 2, --rounds at least 1")
    try:
        given.subjects = line_up.chosen(given.only)
    except ValueError as error:
        parser.error(str(error))
    return given


def interpreters(given: argparse.Namespace) -> tuple[dict[str, Path], dict[str, str]]:
    """An interpreter for each environment that is wanted, and why some have none."""
    wanted = dict.fromkeys(subject.environment for subject in given.subjects)
    if any(subject.tables for subject in given.subjects):
        wanted["arc"] = None
    if given.python is not None:
        # Not resolved: the link in an environment is what makes it one.
        return dict.fromkeys(wanted, given.python.absolute()), {}
    found: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for name in wanted:
        try:
            found[name] = environments.interpreter(name, given.wheel)
        except environments.CannotInstall as error:
            missing[name] = f"not installed: {error}"
    return found, missing


def compare(given: argparse.Namespace) -> dict[str, Any]:
    """Runs everything, and gives all figures."""
    found, missing = interpreters(given)
    answer: dict[str, Any] = {"subjects": {}, "skipped": {}}
    load_before = os.getloadavg()[0]
    with servers.running(given.postgres_bin) as cluster, tempfile.TemporaryDirectory() as folder:
        documents = contest.Documents(Path(folder), given.documents, given.bytes)
        answer["machine"] = {
            "processor": processor(),
            "processors": os.cpu_count(),
            "system": platform.system(),
            "python": platform.python_version(),
            "postgres": cluster.sql("SHOW server_version"),
            "fsync": cluster.sql("SHOW fsync"),
            "synchronous_commit": cluster.sql("SHOW synchronous_commit"),
            "load_before": load_before,
        }
        answer["document_bytes"] = round(documents.bytes_each)
        answer["rounds"] = given.rounds
        # Round after round, so that what else the machine does meets all alike.
        for number in range(given.rounds):
            for subject in given.subjects:
                for needed in (subject.environment, *(["arc"] if subject.tables else [])):
                    if needed in missing:
                        answer["skipped"][subject.name] = missing[needed]
                if subject.name in answer["skipped"]:
                    continue
                count = min(given.documents, subject.most)
                python = found[subject.environment]
                try:
                    run = contest.once(cluster, subject, python, found.get("arc"), documents, count)
                except contest.Broken as error:
                    answer["skipped"][subject.name] = str(error)
                    print(f"{subject.name}: {error}", file=sys.stderr)
                    continue
                rate, load = run["results_per_second"], os.getloadavg()[0]
                print(
                    f"round {number + 1}: {subject.name:22}{rate:10,.0f} a second   (load {load:.1f})",
                    file=sys.stderr,
                )
                entry = answer["subjects"].setdefault(subject.name, {"rates": []})
                entry["rates"].append(round(rate, 1))
                if rate >= max(entry["rates"]) - 0.1:
                    entry.update(run, does=subject.does, group=subject.group, load=load)
    # A tool that broke in one round has no figure.
    for name in answer["skipped"]:
        answer["subjects"].pop(name, None)
    return answer


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def main() -> None:
    given = arguments()
    if given.list:
        for subject in given.subjects:
            print(f"{subject.name:22}{min(given.documents, subject.most):7,} results   {subject.does}")
        return
    # Ended by a signal, it still stops what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    answer = json.loads(given.show.read_text()) if given.show else compare(given)
    print(table.markdown(answer) if given.markdown else table.text(answer))
    if given.json:
        given.json.write_text(json.dumps(answer, indent=1, ensure_ascii=False) + "\n")
    if given.plot:
        given.plot.write_text(picture.svg(answer))
    if not answer["subjects"]:
        sys.exit("nothing was measured")


if __name__ == "__main__":
    main()
