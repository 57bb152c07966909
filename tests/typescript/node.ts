// The checks in Node, and what only Node can show.
import { readFileSync } from 'node:fs';
import { type Socket, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { ArcClient } from 'arc-recorder';
import { type Context, same } from './checks.js';
import { checks as extraction } from './extraction.js';
import { checks as service } from './service.js';

const given = JSON.parse(readFileSync('given.json', 'utf8')) as Omit<Context, 'service'>;
const context: Context = { ...given, service: process.env.ARC_TEST_SERVICE ?? '' };

for (const [name, check] of Object.entries({ ...extraction, ...service })) {
  test(name, async () => check(context));
}

test('a call whose connection is lost is sent again, and recorded once', async () => {
  const { hostname, port } = new URL(context.service);
  let connections = 0;
  // What leads to the service takes the request and loses the first two answers.
  const between = createServer((client: Socket) => {
    connections += 1;
    const loses = connections <= 2;
    const upstream = connect(Number(port), hostname);
    client.pipe(upstream);
    upstream.on('data', (answer) => (loses ? client.destroy() : client.write(answer)));
    for (const [one, other] of [[client, upstream], [upstream, client]] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((listening) => between.listen(0, '127.0.0.1', listening));
  const address = between.address();
  if (typeof address !== 'object' || address === null) throw new Error('it does not listen');
  const arc = new ArcClient(context.service);
  const { simulation_id } = await arc.startSimulation({ scenarios: [{ id: 'a' }] });
  const lossy = new ArcClient(`http://127.0.0.1:${address.port}`);
  const { verdict } = await lossy.recordOutcome(simulation_id, { scenario: { id: 'a' } });
  same([verdict, connections], ['duplicate', 3]);
  same((await arc.outcomes(simulation_id)).outcomes.length, 1);
  between.close();
});
