#!/usr/bin/env python3
"""Records the same results in the same PostgreSQL with different tools, and shows the speed, the stored rows, and
the effect of sending everything twice.

    python3 tests/comparison/compare.py                                    # everything
    python3 tests/comparison/compare.py --only arc,asyncpg --documents 2000
    python3 tests/comparison/compare.py --json results.json --plot results.svg

The first run creates an environment for each tool in target/comparison (MLflow and Phoenix need about 900 MB
each) and builds a wheel of the recorder if target/wheels has none. It starts a temporary PostgreSQL with default
durability. A tool that cannot be installed or fails is skipped, with the reason.
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
import environments
import measurement
import picture
import subject_list
import table


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    groups = ", ".join(dict.fromkeys(subject.group for subject in subject_list.SUBJECTS))
    parser.add_argument("--only", metavar="NAMES", help=f"some of {groups}, with commas between")
    parser.add_argument(
        "--documents", type=int, default=20_000, metavar="N",
        help="how many results (20,000); slow tools get fewer, see --list",
    )  # fmt: skip
    parser.add_argument("--bytes", type=int, default=8_700, help="approximate size of a document (8,700)")
    parser.add_argument("--rounds", type=int, default=3, help="number of runs, of which the best counts (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes all figures")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="writes a picture (SVG)")
    parser.add_argument("--wheel", type=Path, help="the recorder's wheel; default: the newest in target/wheels")
    parser.add_argument(
        "--python", type=Path, help="an interpreter that has the packages, for all tools; nothing is installed then"
    )
    parser.add_argument("--postgres-bin", type=Path, help="the folder of PostgreSQL's programs")
    parser.add_argument("--list", action="store_true", help="lists what would run, and ends")
    parser.add_argument("--show", type=Path, metavar="FILE", help="the table (and --plot) of an earlier --json, and ends")
    parser.add_argument("--markdown", action="store_true", help="the table as Markdown")
    options = parser.parse_args()
    if options.documents < 2 or options.rounds < 1:
        parser.error("--documents is at least 2, --rounds at least 1")
    try:
        options.subjects = subject_list.select(options.only)
    except ValueError as error:
        parser.error(str(error))
    return options


def interpreters(options: argparse.Namespace) -> tuple[dict[str, Path], dict[str, str]]:
    """Returns an interpreter for each required environment, and the reasons for the missing ones."""
    wanted = dict.fromkeys(subject.environment for subject in options.subjects)
    if any(subject.tables for subject in options.subjects):
        wanted["arc"] = None
    if options.python is not None:
        # Not resolved: the link determines the environment.
        return dict.fromkeys(wanted, options.python.absolute()), {}
    found: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for name in wanted:
        try:
            found[name] = environments.interpreter(name, options.wheel)
        except environments.CannotInstall as error:
            missing[name] = f"not installed: {error}"
    return found, missing


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Runs everything and returns all figures."""
    found, missing = interpreters(options)
    answer: dict[str, Any] = {"subjects": {}, "skipped": {}}
    load_before = os.getloadavg()[0]
    with servers.running(options.postgres_bin) as cluster, tempfile.TemporaryDirectory() as folder:
        documents = measurement.Documents(Path(folder), options.documents, options.bytes)
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
        answer["rounds"] = options.rounds
        # In rounds, so that other load of the machine affects all tools
        # equally.
        for number in range(options.rounds):
            for subject in options.subjects:
                for needed in (subject.environment, *(["arc"] if subject.tables else [])):
                    if needed in missing:
                        answer["skipped"][subject.name] = missing[needed]
                if subject.name in answer["skipped"]:
                    continue
                count = min(options.documents, subject.most)
                python = found[subject.environment]
                try:
                    run = measurement.measure_subject(cluster, subject, python, found.get("arc"), documents, count)
                except measurement.SubjectFailed as error:
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
    # A tool that failed in one round has no figures.
    for name in answer["skipped"]:
        answer["subjects"].pop(name, None)
    return answer


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def main() -> None:
    options = arguments()
    if options.list:
        for subject in options.subjects:
            print(f"{subject.name:22}{min(options.documents, subject.most):7,} results   {subject.does}")
        return
    # Also on a signal, the processes that were started are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    answer = json.loads(options.show.read_text()) if options.show else compare(options)
    print(table.markdown(answer) if options.markdown else table.text(answer))
    if options.json:
        options.json.write_text(json.dumps(answer, indent=1, ensure_ascii=False) + "\n")
    if options.plot:
        options.plot.write_text(picture.svg(answer))
    if not answer["subjects"]:
        sys.exit("nothing was measured")


if __name__ == "__main__":
    main()
