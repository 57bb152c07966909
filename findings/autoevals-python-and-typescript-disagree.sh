#!/usr/bin/env bash
# The Python and the TypeScript package of autoevals return different scores for the same output and
# expected value: 0 in one and 1 in the other for booleans, null and false against 0.
#
# Versions: autoevals 0.4.1 (PyPI), autoevals 0.3.0 (npm), Node 20, Python 3.11.
# Seen:     2026-11-29, Linux x86-64.
#
# What happens: `ExactMatch` compares texts: Python writes True, False and None, TypeScript true,
# false and null. `JSONDiff` compares equal numbers, and in Python True is 1 and False is 0.
# `ValidJSON` uses each language's parser, of which only Python's takes NaN. Both read the same
# lines of JSON here.
#
# Output seen (score in Python, in TypeScript):
#   ExactMatch  true            "true"       0  1
#   ExactMatch  true            "True"       1  0
#   ExactMatch  null            "null"       0  1
#   ExactMatch  {"done":true}   {"done":1}   0  0
#   JSONDiff    {"done":true}   {"done":1}   1  0
#   JSONDiff    {"left":false}  {"left":0}   1  0
#   JSONDiff    {"a":null}      {}           1  1
#   ValidJSON   "[NaN]"         null         1  0
#
# Why it matters: one evaluation, run by a Python team and a TypeScript team on the same data set,
# has two results; and a model that writes "true" passes in one of them. The scorer's language
# belongs to the record of a score.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check autoevals==0.4.1
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund --ignore-scripts --save-exact autoevals@0.3.0

cat > cases.jsonl <<'JSON'
["ExactMatch", true, "true"]
["ExactMatch", true, "True"]
["ExactMatch", null, "null"]
["ExactMatch", {"done": true}, {"done": 1}]
["JSONDiff", {"done": true}, {"done": 1}]
["JSONDiff", {"left": false}, {"left": 0}]
["JSONDiff", {"a": null}, {}]
["ValidJSON", "[NaN]", null]
JSON

cat > observe.py <<'PYTHON'
import json

import autoevals

for line in open("cases.jsonl"):
    scorer, output, expected = json.loads(line)
    print(f"{getattr(autoevals, scorer)()(output, expected).score:g}")
PYTHON

cat > observe.mjs <<'NODE'
import { readFileSync } from 'node:fs';
import * as autoevals from 'autoevals';

for (const line of readFileSync('cases.jsonl', 'utf8').trim().split('\n')) {
  const [scorer, output, expected] = JSON.parse(line);
  console.log((await autoevals[scorer]({ output, expected })).score);
}
NODE

venv/bin/python observe.py > python.txt 2> log.txt || cat log.txt >&2
node observe.mjs > typescript.txt || true
cat > show.py <<'PYTHON'
import json

files = (open(name).read().splitlines() for name in ("cases.jsonl", "python.txt", "typescript.txt"))
for case, *scores in zip(*files, strict=True):
    scorer, *values = json.loads(case)
    output, expected = (json.dumps(value, separators=(",", ":")) for value in values)
    print(f"{scorer:<12}{output:<16}{expected:<13}{'  '.join(scores)}")
PYTHON
venv/bin/python show.py > seen.txt || true
cat > expected.txt <<'TEXT'
ExactMatch  true            "true"       0  1
ExactMatch  true            "True"       1  0
ExactMatch  null            "null"       0  1
ExactMatch  {"done":true}   {"done":1}   0  0
JSONDiff    {"done":true}   {"done":1}   1  0
JSONDiff    {"left":false}  {"left":0}   1  0
JSONDiff    {"a":null}      {}           1  1
ValidJSON   "[NaN]"         null         1  0
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: one of the two packages gives another score than described here" >&2
    exit 1
fi
