// Runs evaluations of promptfoo with random assertions, on the provider of the fixtures and `echo`; see
// `making.py`. The first argument is the folder of the package.
import fs from 'node:fs';
import path from 'node:path';

const [packageFolder, folder, count, first] = process.argv.slice(2);
Object.assign(process.env, {
  PROMPTFOO_CONFIG_DIR: path.join(folder, 'home'),
  PROMPTFOO_DISABLE_REMOTE_GENERATION: '1',
  PROMPTFOO_DISABLE_SHARING: '1',
  PROMPTFOO_DISABLE_TELEMETRY: '1',
  PROMPTFOO_DISABLE_UPDATE: '1',
});
const { default: promptfoo } = await import(path.join(packageFolder, 'dist/src/index.js'));
const genuine = path.join(import.meta.dirname, '../fixtures/formats/promptfoo/genuine');
const provider = path.join(genuine, 'provider.js');
const grader = path.join(genuine, 'grader.js');

/** Returns a generator of numbers from 0 to 1 (mulberry32). */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function configuration(seed) {
  const next = random(seed);
  const choice = (...values) => values[Math.floor(next() * values.length)];
  const some = (most, make) => Array.from({ length: Math.floor(next() * (most + 1)) }, make);
  const assertion = () => {
    const metric = choice(undefined, 'style', 'tone', '{{q}}');
    const weight = choice(undefined, undefined, 0, 0.5, 3);
    const score = choice(next(), next() * 10, -next(), 0, 1);
    return choice(
      { type: 'equals', value: 'a', metric, weight },
      { type: 'contains', value: 'b', metric, weight },
      { type: 'llm-rubric', value: 'is short', provider: `file://${grader}`, metric, weight },
      { type: 'javascript', value: `({ pass: ${next() < 0.7}, score: ${score}, reason: 'random' })`, metric, weight },
      { type: 'javascript', value: `({ pass: true, score: ${score}, reason: 'random', namedScores: { depth: ${next()} } })` },
    );
  };
  const test = () => ({
    vars: { q: choice('a', 'b', 'fail', 'throw', 'nothing', 'cached', 'no usage', 'kinds') },
    assert: some(3, assertion),
    threshold: choice(undefined, undefined, 0.5),
  });
  return {
    prompts: choice(['{{q}}'], ['{{q}}', 'Repeat {{q}}']),
    providers: choice(['echo'], [`file://${provider}`], [`file://${provider}`, 'echo']),
    tests: [test(), ...some(4, test)],
    evaluateOptions: { repeat: choice(1, 1, 2), maxConcurrency: choice(1, 4) },
  };
}

/** Returns the values of the results of each metric. */
function metrics(results) {
  const values = {};
  const add = (name, value) => (values[name] ??= []).push(value);
  for (const result of results) {
    add('pass', Number(result.success));
    add('score', result.score);
    for (const [name, value] of Object.entries(result.namedScores)) {
      add(name, value);
    }
  }
  return values;
}

/** Returns the tokens of the agent and of the graders: uncached, read from a cache, written, output, all. */
function roles({ prompt, completion, cached, total, completionDetails, assertions }) {
  const { cacheReadInputTokens: read, cacheCreationInputTokens: written } = completionDetails;
  const agent = [prompt - read - written, read + cached, written, completion, total];
  const found = { agent, scorer: [assertions.prompt, assertions.cached, 0, assertions.completion, assertions.total] };
  return Object.fromEntries(Object.entries(found).filter(([, kinds]) => kinds.at(-1) > 0));
}

const expected = fs.openSync(path.join(folder, 'expected.jsonl'), 'w');
for (let seed = Number(first); seed < Number(first) + Number(count); seed += 1) {
  const log = `eval-${seed}.json`;
  const { evaluateOptions, ...suite } = configuration(seed);
  const evaluation = await promptfoo.evaluate(
    { ...suite, outputPath: path.join(folder, log), writeLatestResults: true }, { ...evaluateOptions, cache: false });
  const { results } = await evaluation.toEvaluateSummary();
  const stats = evaluation.getStats();
  const figures = ['successes', 'failures', 'errors'].map((name) => ['pass', name, stats[name]]);
  fs.writeSync(expected, `${JSON.stringify({
    log, status: 'completed', results: results.length, tokens: stats.tokenUsage.total,
    usage: { model: {}, role: roles(stats.tokenUsage) },
    cost: results.reduce((sum, result) => sum + (result.cost ?? 0), 0), metrics: metrics(results), figures,
  })}\n`);
}
process.exit(0);
