// Runs the AI SDK of Vercel on a model of a server on this machine, with the traces of OpenTelemetry; see
// `making.py`. The first argument is the folder of the package.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';

const [packageFolder, folder, count, first] = process.argv.slice(2);
const load = createRequire(path.join(packageFolder, 'package.json'));
const { generateText, stepCountIs, tool } = load('ai');
const { createOpenAI } = load('@ai-sdk/openai');
const { z } = load('zod');
const { NodeTracerProvider } = load('@opentelemetry/sdk-trace-node');
const { JsonTraceSerializer } = load('@opentelemetry/otlp-transformer');

let spans = [];
const processor = {
  onStart() {},
  onEnd: (span) => spans.push(span),
  forceFlush: async () => {},
  shutdown: async () => {},
};
const provider = new NodeTracerProvider({ spanProcessors: [processor] });
provider.register();
const tracer = provider.getTracer('ai');

let tokens = 0;
const server = createServer(async (request, response) => {
  let text = '';
  for await (const chunk of request) text += chunk;
  const { model, messages } = JSON.parse(text);
  response.setHeader('content-type', 'application/json');
  if (text.includes('refuse this')) {
    response.statusCode = 400;
    response.end(JSON.stringify({ error: { message: 'the prompt was refused', type: 'invalid_request_error' } }));
    return;
  }
  const [prompt, completion] = [100 + (text.length % 1_000), 10 + (text.length % 70)];
  tokens += prompt + completion;
  const call = { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } };
  const choice =
    messages.at(-1).role === 'tool'
      ? { message: { role: 'assistant', content: 'It is 21 degrees in Paris.' }, finish_reason: 'stop' }
      : { message: { role: 'assistant', content: null, tool_calls: [call] }, finish_reason: 'tool_calls' };
  const usage = {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: 64 },
    completion_tokens_details: { reasoning_tokens: 7 },
  };
  const id = `chatcmpl-${tokens}`;
  response.end(JSON.stringify({ id, object: 'chat.completion', created: 1_790_000_000, model, choices: [{ index: 0, ...choice }], usage }));
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const openai = createOpenAI({ baseURL: `http://127.0.0.1:${server.address().port}/v1`, apiKey: 'none' });

/** Returns the scenario's id for a prompt; see `making.py`. */
function scenario(agent, prompt) {
  const hash = createHash('sha256');
  for (const text of [agent, prompt]) {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(Buffer.byteLength(text)));
    hash.update(length).update(text);
  }
  return `scenario-${hash.digest('hex').slice(0, 20)}`;
}

async function make(seed) {
  spans = [];
  const before = tokens;
  const prompts = Array.from({ length: 1 + (seed % 3) }, (_, run) => `How warm is it in city ${run}?`);
  if (seed % 2) prompts.push('How warm is it in city 9? And refuse this.');
  let failed = 0;
  for (const prompt of prompts) {
    try {
      await generateText({
        model: openai.chat('gpt-4o-mini'),
        prompt,
        maxRetries: 0,
        stopWhen: stepCountIs(3),
        tools: { get_weather: tool({ inputSchema: z.object({ city: z.string() }), execute: async () => '21 degrees' }) },
        experimental_telemetry: { isEnabled: true, functionId: 'weather', tracer },
      });
    } catch {
      failed += 1;
    }
  }
  const log = `vercel-${seed}.json`;
  const text = Buffer.from(JsonTraceSerializer.serializeRequest(spans)).toString();
  // Exceptions name the folders of this machine.
  fs.writeFileSync(path.join(folder, log), text.replaceAll(fs.realpathSync(path.join(packageFolder, '../..')), '/folder').replaceAll(import.meta.dirname, '/folder'));
  const scenarios = prompts.map((prompt) => scenario('weather', prompt)).sort();
  return { log, status: 'completed', results: prompts.length, failed, scenarios, tokens: tokens - before, metrics: {}, figures: [] };
}

const expected = [];
for (let seed = +first; seed < +first + +count; seed += 1) expected.push(JSON.stringify(await make(seed)) + '\n');
fs.writeFileSync(path.join(folder, 'expected.jsonl'), expected.join(''));
server.close();
server.closeAllConnections();
