// The checks in Node, and those that only Node can run.
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type Socket, connect, createServer } from 'node:net';
import { after, test } from 'node:test';
import { ArcClient, ArcError, Submission, loadExtractor } from 'arc-recorder';
import { type Context, type Documents, all, holds, same, thrown } from './checks.js';
import { checks as extraction } from './extraction.js';
import { startRedirects } from './redirects.js';
import { checks as service } from './service.js';

const given = JSON.parse(readFileSync('documents.json', 'utf8')) as Documents;
const redirects = await startRedirects();
after(() => redirects.close());
const urls = { service: process.env.ARC_TEST_SERVICE ?? '', redirects: redirects.url };
const context: Context = { ...given, ...urls, load: loadExtractor };

for (const [name, check] of Object.entries({ ...extraction, ...service })) {
  test(name, async () => check(context));
}

test('a call whose connection is lost is retried, and recorded once', async () => {
  const { hostname, port } = new URL(context.service);
  let connections = 0;
  // A proxy to the service that forwards requests and drops the first two answers.
  const proxy = createServer((client: Socket) => {
    connections += 1;
    const drops = connections <= 2;
    const upstream = connect(Number(port), hostname);
    client.pipe(upstream);
    upstream.on('data', (answer) => (drops ? client.destroy() : client.write(answer)));
    for (const [one, other] of [[client, upstream], [upstream, client]] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
  const address = proxy.address();
  if (typeof address !== 'object' || address === null) throw new Error('the proxy does not listen');
  const arc = new ArcClient(context.service);
  const { simulation_id } = await arc.startSimulation({ scenarios: [{ id: 'a' }] });
  const lossy = new ArcClient(`http://127.0.0.1:${address.port}`);
  const { verdict } = await lossy.recordOutcome(simulation_id, { scenario: { id: 'a' } });
  same([verdict, connections], ['duplicate', 3]);
  same((await arc.outcomes(simulation_id)).outcomes.length, 1);
  proxy.close();
});

test('a result that is longer than the limit of the service does not affect others', async () => {
  const arc = new ArcClient(process.env.ARC_TEST_SMALL_SERVICE ?? '', { compress: false });
  const { simulation_id } = await arc.startSimulation({ scenarios: [{ id: 'a' }] });
  const long = 'x'.repeat(1 << 20);
  const text = (place: number, more = '') => `{"scenario":{"id":"s${place}"},"more":"${more}"}`;
  const results = [
    text(0),
    text(1, long),
    // This one cannot be in a list, so it is always sent separately.
    `${text(2, long)} `,
    text(3),
    // Its document is short, but its id is not.
    new Submission(text(4), { modalCallId: long }),
    // It cannot be in a list, and its id is too long for a URL.
    new Submission(`${text(5)} `, { sandboxId: long }),
    text(6, 'é'.repeat(1 << 18)),
    text(7, 'é'.repeat(1 << 18)),
    ...Array.from({ length: 250 }, (_, place) => new Submission(text(8 + place), { modalCallId: `fc-${'y'.repeat(9_000)}${place}` })),
  ];
  const expected = ['stored', 'failed', 'failed', 'stored', 'failed', 'failed', 'stored', 'stored', ...Array(250).fill('stored')];
  const verdicts = await arc.recordBatch(simulation_id, results);
  same(verdicts.map(({ verdict }) => verdict), expected);
  same(verdicts.map(({ position }) => position), results.map((_, index) => index));
  holds(verdicts.filter(({ verdict }) => verdict === 'failed').every(({ retryable, message }) => retryable === false && message !== ''), 'a failed verdict has no message');
  same((await all(arc.allOutcomes(simulation_id))).length, 254);
  const calls = (await all(arc.allOutcomes(simulation_id))).filter(({ modal_call_id }) => modal_call_id?.startsWith('fc-y'));
  same(new Set(calls.map(({ modal_call_id }) => modal_call_id)).size, 250);
  // The same as a stream.
  async function* stream() {
    yield* results;
  }
  const again = await all(arc.recordAll(simulation_id, stream()));
  same(again.map(({ verdict }) => verdict), expected.map((verdict) => (verdict === 'stored' ? 'duplicate' : verdict)));
});

test('a source that blocks all other tasks has its verdicts between its results', async () => {
  const arc = new ArcClient(context.service);
  const { simulation_id } = await arc.startSimulation({ scenarios: [{ id: 'a' }] });
  // Each result blocks other tasks for a while, like a synchronous evaluation.
  let yielded = 0;
  function* busy() {
    for (; yielded < 5; yielded += 1) {
      for (const until = Date.now() + 50; Date.now() < until; );
      yield { scenario: { id: `s${yielded}` } };
    }
  }
  let verdicts = 0;
  for await (const { verdict } of arc.recordAll(simulation_id, busy())) {
    same(verdict, 'stored');
    verdicts += 1;
    holds(yielded - verdicts <= 1, `${yielded} results were read before ${verdicts} verdicts`);
  }
  same(verdicts, 5);
});

test('an error that no retry can resolve is reported at once', async () => {
  // Retries would last a minute, longer than the limit below.
  const options = { retryTimeoutSeconds: 60 };
  for (const [url, reason] of [
    // A port that the Fetch standard forbids.
    ['http://127.0.0.1:9', 'port'],
    [process.env.ARC_TEST_SECRET_SERVICE ?? '', 'certificate'],
  ] as const) {
    const begun = Date.now();
    const error = await thrown(() => new ArcClient(url, options).health());
    if (!(error instanceof ArcError)) throw error;
    same([error.code, error.retryable, error.message.includes(reason)], ['not_connectable', false, true], error.message);
    holds(Date.now() - begun < 30_000, 'it was retried');
  }
});

test('an iterator with an invalid answer ends with an error', async () => {
  const arc = new ArcClient(process.env.ARC_TEST_SERVICE ?? '');
  const simulationId = crypto.randomUUID();
  for (const answer of [undefined, null]) {
    const broken = { [Symbol.asyncIterator]: () => ({ next: async () => answer }) };
    const error = await thrown(() => all(arc.recordAll(simulationId, broken as unknown as AsyncIterable<object>)));
    holds(error instanceof TypeError, String(error));
  }
});

test('verdicts before an error are returned before it', async () => {
  // Accepts one result a request, and answers 404 after the first of them.
  const bodies: number[] = [];
  const server = createHttpServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      const { results } = JSON.parse(text);
      bodies.push(results.length);
      const [status, body] =
        results.length > 1
          ? [413, { code: 'too_many_results', limit: 1, retryable: false, detail: 'too many', status: 413 }]
          : bodies.filter((count) => count === 1).length === 1
            ? [200, { verdicts: [{ position: 0, outcome_id: crypto.randomUUID(), verdict: 'stored' }] }]
            : [404, { code: 'not_found', retryable: false, detail: 'it is gone', status: 404 }];
      const type = status === 200 ? 'application/json' : 'application/problem+json';
      response.writeHead(status as number, { 'content-type': type }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const arc = new ArcClient(`http://127.0.0.1:${port}`, { retryTimeoutSeconds: 0 });
  const verdicts: string[] = [];
  const error = await thrown(async () => {
    const results = ['a', 'b', 'c'].map((id) => ({ scenario: { id } }));
    for await (const { verdict } of arc.recordAll(crypto.randomUUID(), results)) verdicts.push(verdict);
  });
  server.close();
  holds(error instanceof ArcError && error.status === 404, String(error));
  same([verdicts, bodies], [['stored'], [3, 1, 1]], 'the verdict and the requests');
});
