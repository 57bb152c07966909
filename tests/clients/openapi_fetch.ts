// Records with openapi-fetch and the types of openapi-typescript: `openapi_fetch.js URL RESULTS`.
import { readFile } from 'node:fs/promises';

import createClient from 'openapi-fetch';

import type { components, paths } from './service.js';

const [url, path] = process.argv.slice(2) as [string, string];
const bytes = await readFile(path);
const results: components['schemas']['ResultDocument'][] = JSON.parse(bytes.toString());
const client = createClient<paths>({ baseUrl: url });

/** Returns the answer's body, or throws the problem. */
function data<Body>(answer: { data?: Body; error?: components['schemas']['Problem'] }): Body {
  if (answer.data === undefined) throw new Error(answer.error?.detail);
  return answer.data;
}

const scenarios = results.map((result) => result.scenario);
const started = data(await client.POST('/v1/simulations', { body: { scenarios } }));
const params = { path: { simulation_id: started.simulation_id } };
const outcomes = '/v1/simulations/{simulation_id}/outcomes';

const one = data(await client.POST(outcomes, { params, body: results[0] }));
if (!('verdict' in one)) throw new Error(JSON.stringify(one));

const many = data(await client.POST(outcomes, { params, body: { results } }));
if (!('verdicts' in many)) throw new Error(JSON.stringify(many));

const status = data(await client.GET('/v1/simulations/{simulation_id}', { params }));
const sent = await client.POST('/v1/files', {
  params: { query: { file_name: 'openapi_fetch.json' } },
  headers: { 'Content-Type': 'application/octet-stream' },
  // The types have a binary string as `string`, and the serializer sends it unchanged.
  body: bytes as unknown as string,
  bodySerializer: (body) => body as unknown as BodyInit,
});
const answer = {
  simulation: started.simulation_id,
  one: one.verdict,
  many: { stored: many.stored, duplicate: many.duplicate },
  completed: status.completed_scenarios,
  file: data(sent).stored,
};
console.log(JSON.stringify(answer));
