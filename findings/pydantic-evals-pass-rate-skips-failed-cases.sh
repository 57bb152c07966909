#!/usr/bin/env bash
# Pydantic Evals reports a pass rate of 100 % for a run in which two of three cases raised an
# exception: the averages and the trace's `assertion_pass_rate` are over the cases that came
# through.
#
# Versions: pydantic-evals 2.62.0, logfire 5.4.0.
# Seen:     2026-11-29, Linux x86-64, Python 3.11.
#
# What happens: a task that raises makes its case a "failure", which is kept in a list apart and is
# left out of the averages. The span of the experiment has `n_cases` 3 and `assertion_pass_rate`
# 1.0, its status is not an error, and none of its attributes counts failures; only the two spans of
# the cases have the status ERROR.
#
# Output seen:
#   cases: 1, failures: 2
#   averages: assertions 1.0
#   span of the experiment: n_cases 3, assertion_pass_rate 1.0, status UNSET
#   spans of cases: UNSET, ERROR, ERROR
#
# Why it matters: a dashboard that reads the experiment's span shows an agent that fails two times
# of three as perfect, and an agent that crashes instead of being wrong gets a better rate. The rate
# has to be taken over the cases' spans.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pydantic-evals==2.62.0 logfire==5.4.0

cat > observe.py <<'PYTHON'
import logfire
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import EqualsExpected

spans = InMemorySpanExporter()
logfire.configure(
    send_to_logfire=False, console=False, additional_span_processors=[SimpleSpanProcessor(spans)]
)


def capital(country):
    return {"France": "Paris"}[country]


countries = {"France": "Paris", "Norway": "Oslo", "Japan": "Tokyo"}
dataset = Dataset(
    name="capitals",
    cases=[Case(name=key, inputs=key, expected_output=value) for key, value in countries.items()],
    evaluators=[EqualsExpected()],
)
report = dataset.evaluate_sync(capital, progress=False, max_concurrency=1)
print(f"cases: {len(report.cases)}, failures: {len(report.failures)}")
print(f"averages: assertions {report.averages().assertions}")

finished = spans.get_finished_spans()
experiment = next(span for span in finished if span.name.startswith("evaluate"))
figures = [f"{name} {experiment.attributes[name]}" for name in ("n_cases", "assertion_pass_rate")]
print(f"span of the experiment: {', '.join(figures)}, status {experiment.status.status_code.name}")
cases = [span.status.status_code.name for span in finished if span.name.startswith("case")]
print(f"spans of cases: {', '.join(cases)}")
PYTHON

HOME="$folder" venv/bin/python observe.py > seen.txt 2> log.txt || cat log.txt >&2
cat > expected.txt <<'TEXT'
cases: 1, failures: 2
averages: assertions 1.0
span of the experiment: n_cases 3, assertion_pass_rate 1.0, status UNSET
spans of cases: UNSET, ERROR, ERROR
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: cases that raise are counted, or shown, in another way than described here" >&2
    exit 1
fi
