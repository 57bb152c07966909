#!/usr/bin/env python3
"""Compares the recorded figures of fresh logs with those of the tools' own libraries.

Installs each tool in a temporary environment, makes logs of random results with it, records every log
as a simulation of its own, and compares status, results, tokens, cost, the values of each metric and
each figure of the run, and the tokens of each role, model and kind,
with those of the tool's own library. CI has a few logs of each tool under
tests/fixtures/formats; this command makes as many as wanted, also with the newest release of a tool.

The exit code is 1 if anything differs; the differing logs are kept then. The database is that of
ARC_DATABASE_URL, or an embedded one in the temporary folder. It needs Python with `venv` (3.12 or
newer for harbor, 3.11 for openai-evals; others are looked for) and, for promptfoo, Node 20.20 or newer
with npm.
"""

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PROGRAM = HERE.parent.parent / "target" / "release" / "arc-host"


KINDS = ("uncached_input", "cache_read", "cache_write", "output", "total")


class Tool(NamedTuple):
    """A tool as its registry names it, the oldest Python that it runs on (`None`: it runs on Node), the
    arguments of each installation, and the script that makes logs, with its first argument. The newest
    release is installed without the versions."""

    name: str
    python: tuple[int, int] | None
    installations: list[list[str]]
    script: list[str]


def instrumentation(name, tool, *others):
    """Returns an instrumentation of OpenTelemetry, which `otel_instrumentations.py` names so."""
    exporter = "opentelemetry-exporter-otlp-json-file" + ("" if name == "adk" else "==0.66b1")
    script = ["otel_instrumentations.py", name]
    return Tool(re.split(r"==|\[", tool)[0], (3, 10), [[tool, *others, exporter]], script)


TOOLS = {
    "inspect": Tool("inspect_ai", (3, 10), [["inspect_ai==0.3.285", "numpy==2.4.6"]], ["inspect_logs.py"]),
    "lm-eval": Tool("lm_eval", (3, 10), [["lm_eval==0.4.13"]], ["lm_eval_logs.py"]),
    "harbor": Tool("harbor", (3, 12), [["harbor==0.26.0"]], ["harbor_logs.py"]),
    "openai-evals": Tool("evals", (3, 11), [
        ["backoff", "blobfile", "filelock", "lz4", "numpy", "openai<2", "pandas", "pydantic", "PyYAML",
         "requests", "snowflake-connector-python", "tiktoken", "tqdm", "zstandard"],
        # Most of its requirements belong to evals that do not run here.
        ["--no-deps", "evals==3.0.1.post1"]], ["openai_evals_logs.py"]),
    "otel": Tool("pydantic-ai-slim", (3, 10), [
        ["pydantic-ai-slim==2.68.0", "opentelemetry-sdk==1.45.2", "opentelemetry-exporter-otlp-json-file==0.66b1"]],
        ["otel_logs.py"]),
    # Later releases of its utilities do not have a module that it needs.
    "otel-openai-v2": instrumentation("openai_v2", "opentelemetry-instrumentation-openai-v2==2.4b0",
                                      "opentelemetry-util-genai<=0.4b0", "openai==3.57.0", "httpx"),
    "otel-openllmetry": instrumentation("openllmetry", "opentelemetry-instrumentation-openai==0.62.4", "openai==3.57.0"),
    "otel-openllmetry-anthropic": instrumentation(
        "openllmetry_anthropic", "opentelemetry-instrumentation-anthropic==0.62.4", "anthropic==2.14.0"),
    "otel-openinference": instrumentation(
        "openinference", "openinference-instrumentation-openai==0.1.66", "openai==3.57.0"),
    "otel-openinference-anthropic": instrumentation(
        "openinference_anthropic", "openinference-instrumentation-anthropic==3.1.0", "anthropic==2.14.0"),
    "otel-langchain": instrumentation(
        "langchain", "openinference-instrumentation-langchain==0.1.80", "langchain-openai==1.7.4"),
    "otel-langgraph": instrumentation("langgraph", "openinference-instrumentation-langchain==0.1.80",
                                      "langchain-openai==1.7.4", "langgraph==1.2.24"),
    "otel-litellm": instrumentation("litellm", "openinference-instrumentation-litellm==0.1.51", "litellm==1.110.2"),
    "otel-langfuse": instrumentation("langfuse", "langfuse==5.0.4", "openai==3.57.0"),
    "otel-smolagents": instrumentation(
        "smolagents", "openinference-instrumentation-smolagents==0.1.43", "smolagents[openai]==1.26.0"),
    "otel-openai-agents": instrumentation(
        "openai_agents", "openinference-instrumentation-openai-agents==2.6.0", "openai-agents==0.24.0"),
    "otel-agno": instrumentation(
        "agno", "openinference-instrumentation-agno==1.0.15", "agno==3.1.10", "openai==3.57.0"),
    "otel-pydantic-ai": instrumentation("pydantic_ai", "pydantic-ai-slim[openai]==2.68.0"),
    "otel-pydantic-evals": instrumentation(
        "pydantic_evals", "pydantic-evals==2.62.0", "pydantic-ai-slim[openai]==2.62.0", "logfire==5.4.0"),
    "otel-strands": instrumentation("strands", "strands-agents==1.62.0", "openai==3.57.0"),
    "otel-adk": instrumentation("adk", "google-adk==2.13.0", "litellm==1.110.2"),
    "otel-vercel": Tool("ai", None, [["ai@6.0.326", "@ai-sdk/openai@3.0.141", "zod@4.6.7",
                                      "@opentelemetry/sdk-trace-node@2.12.1", "@opentelemetry/otlp-transformer@0.223.1"]],
                        ["vercel_logs.mjs"]),
    "promptfoo": Tool("promptfoo", None, [["promptfoo@0.121.20"]], ["promptfoo_logs.mjs"]),
}


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", action="append", choices=TOOLS, metavar="NAME", dest="formats",
                        help="a format; can be repeated (default: all: %s)" % ", ".join(TOOLS))
    parser.add_argument("--count", type=int, default=100, metavar="N", help="logs of each tool (default: 100)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the first seed (default: 0)")
    parser.add_argument("--newest", action="store_true",
                        help="the newest release of each tool, instead of the one that the fixtures were made with")
    parser.add_argument("--program", type=Path, default=PROGRAM, metavar="FILE",
                        help="arc-host (default: target/release/arc-host)")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="a folder in which the logs are kept")
    parser.add_argument("--tools", type=Path, metavar="DIR",
                        help="a folder in which the installed tools are kept and found again")
    return parser.parse_args()


def python(oldest):
    """Returns a Python that is new enough: this one, one of the PATH, or one of pyenv."""
    minors = range(oldest[1], oldest[1] + 4)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    names = [sys.executable, *(f"python3.{minor}" for minor in minors)]
    names += [str(path) for minor in minors for path in sorted(pyenv.glob(f"3.{minor}.*/bin/python3"))]
    for name in filter(shutil.which, names):
        version = subprocess.run(
            [name, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True)
        if version.returncode == 0 and tuple(map(int, version.stdout.split())) >= oldest:
            return name
    raise SystemExit(f"no Python {'.'.join(map(str, oldest))} or newer was found")


def install(tool, folder, newest):
    """Installs a tool if it is not in the folder, and returns its version."""
    done = folder / "installed"
    is_new = not done.exists()
    if is_new:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    if tool.python is None:
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder]
        code = ["node", "-p", f"require('{folder}/node_modules/{tool.name}/package.json').version"]
    else:
        if is_new:
            subprocess.run([python(tool.python), "-m", "venv", folder], check=True)
        interpreter = folder / "bin" / "python"
        command = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        code = [interpreter, "-c", f"import importlib.metadata as all; print(all.version({tool.name!r}))"]
    for packages in tool.installations if is_new else []:
        packages = [re.split("==|(?<!^)@", package)[0] for package in packages] if newest else packages
        subprocess.run([*command, *packages], check=True)
    done.touch()
    return subprocess.run(code, capture_output=True, text=True, check=True).stdout.strip()


def maker(tool, folder):
    """Returns the command that makes logs with the tool in a folder."""
    script, *arguments = tool.script
    if tool.python is None:
        return ["node", HERE / script, folder / "node_modules" / tool.name]
    return [folder / "bin" / "python", HERE / script, *arguments]


def close(one, other):
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


class Comparison:
    """The comparison of a log; `compared` figures, of which some are `different`."""

    def __init__(self, expected, recorded, status, outcomes, usage):
        self.compared, self.different = 0, []
        self.equal("rejected or failed results", 0, recorded["rejected"] + recorded["failed"])
        for name, key in (("status", "status"), ("results", "recorded_outcomes"), ("failed", "failed_outcomes"),
                          ("tokens", "total_tokens")):
            if expected.get(name) is not None:
                self.equal(name, expected[name], status[key])
        if expected.get("cost") is not None:
            self.equal("cost", expected["cost"], status["total_cost_usd"], close)
        if expected.get("scenarios") is not None:
            unknown = expected["scenarios"].count(None)
            found = sorted(outcome["scenario_id"] for outcome in outcomes)
            self.equal("scenarios", sorted(filter(None, expected["scenarios"])),
                       [one for one in found if one in expected["scenarios"]])
            self.equal("scenarios without a prompt", unknown, sum(one not in expected["scenarios"] for one in found))
        metrics = {metric["name"]: metric for metric in status["metrics"]}
        for name, values in expected["metrics"].items():
            scored = [value for value in values if value is not None]
            found = metrics.get(name, {"scored": 0, "sum": None, "mean": None})
            self.equal(f"{name}: number of values", len(scored), found["scored"])
            total = math.fsum(scored) if scored else None
            self.equal(f"{name}: sum", total, found["sum"], close)
            self.equal(f"{name}: mean", total / len(scored) if scored else None, found["mean"], close)
        reconciliation = status["reconciliation"] or {"figures": []}
        kept = {(figure["metric"], figure["figure"]): figure for figure in reconciliation["figures"]}
        for metric, name, value in expected["figures"]:
            figure = kept.get((metric, name), {"reported": "absent"})
            # Figures are numbers of the log, kept to the last digit.
            self.equal(f"figure {name} of {metric}", value, figure["reported"])
        for figure in kept.values():
            if figure["result"] == "different":
                name = f"figure {figure['figure']} of {figure['metric']}, computed"
                self.equal(name, figure["reported"], figure["computed"], close)

        for of, names in expected.get("usage", {}).items():
            found = usage[of]
            for name, kinds in names.items():
                for kind, tokens in zip(KINDS, kinds, strict=True):
                    self.equal(f"{kind} of the {of} {name}", tokens, found.get(name, {}).get(kind, 0))

    def equal(self, what, expected, found, are_equal=lambda one, other: one == other):
        self.compared += 1
        if not are_equal(expected, found):
            self.different.append(f"{what}: {expected} by the tool, {found} recorded")


def usage(outcomes):
    """Returns the tokens of tries that were not discarded, by model and by role, and by kind."""
    found = {"model": defaultdict(Counter), "role": defaultdict(Counter)}
    for calls in (calls for outcome in outcomes for calls in outcome["usage"] if not calls["discarded"]):
        kinds = {"uncached_input": calls["uncached_input_tokens"], "cache_read": calls["cache_read_tokens"],
                 "cache_write": calls["cache_write_tokens"], "total": calls["total_tokens"],
                 "output": calls["output_tokens"] + calls["reasoning_tokens"]}
        for of, name in (("model", calls["model"]), ("role", calls["role"] or "agent")):
            found[of][name].update(kinds)
    return found


def run(program, *arguments):
    """Runs arc-host, and returns the lines of JSON that it writes."""
    # Exit code 2: recorded, but what the log reports differs, which the comparison names.
    done = subprocess.run([program, "--json", *arguments], capture_output=True, text=True)
    if done.returncode not in (0, 2):
        raise SystemExit(f"arc-host {' '.join(map(str, arguments[:2]))} … failed: {done.stdout}{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(format, options, scratch):
    folder = (options.tools or scratch / "tools").resolve() / (format + ("-newest" if options.newest else ""))
    version = install(TOOLS[format], folder, options.newest)
    logs = (options.logs or scratch).resolve() / format
    logs.mkdir(parents=True)
    begun = time.monotonic()
    with open(logs / "maker.txt", "w") as output:
        made = subprocess.run([*maker(TOOLS[format], folder), logs, str(options.count), str(options.seed)], stdout=output, stderr=output,
                              env=os.environ | {"HOME": str(scratch / "home")})
    if made.returncode != 0:
        raise SystemExit(f"making logs of {format} {version} failed: see {logs / 'maker.txt'}")
    # Each line has the path of a log in the folder, and its figures by the tool's library.
    expected = [json.loads(line) for line in (logs / "expected.jsonl").read_text().splitlines()]
    recorded = run(options.program, "record", "--new", *(logs / one["log"] for one in expected))
    compared, differing = 0, 0
    for one, record in zip(expected, recorded, strict=True):
        [status] = run(options.program, "status", record["simulation_id"])
        outcomes = run(options.program, "outcomes", record["simulation_id"])
        verdicts = run(options.program, "validate", logs / one["log"]) if one.get("usage") else []
        accepted = [verdict["outcome"] for verdict in verdicts if verdict["verdict"] == "accepted"]
        comparison = Comparison(one, record, status, outcomes, usage(accepted))
        compared += comparison.compared
        differing += bool(comparison.different)
        for difference in comparison.different:
            print(f"{logs / one['log']}: {difference}")
    return format, version, len(expected), compared, differing, f"{time.monotonic() - begun:.0f}"


def remove(folder):
    """Removes a folder as soon as the database in it has stopped."""
    for _ in range(100):
        try:
            return shutil.rmtree(folder)
        except OSError:
            time.sleep(0.1)


def main():
    options = arguments()
    scratch = Path(tempfile.mkdtemp(prefix="arc-genuine-"))
    # A database that root starts runs as another user.
    scratch.chmod(0o711)
    (scratch / "home").mkdir()
    options.program = options.program.resolve()
    os.environ.setdefault("ARC_DATA_DIR", str(scratch / "database"))
    rows = [check(format, options, scratch) for format in options.formats or TOOLS]
    titles = ("format", "version", "logs", "compared", "differing logs", "seconds")
    widths = [max(len(str(row[column])) for row in [titles, *rows]) for column in range(len(titles))]
    for row in [titles, *rows]:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
    if any(row[4] for row in rows):
        print(f"the logs are kept in {scratch}")
        return 1
    remove(scratch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
