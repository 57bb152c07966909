// Checks of the client against a running service.
import { ArcClient, ArcError, RejectedError, Submission } from 'arc-recorder';
import { type Check, all, holds, same, thrown } from './checks.js';

function result(id: string, more: object = {}): object {
  return { scenario: { id }, trajectory: { status: 'success' }, reliability_score: 0.5, ...more };
}

async function started(arc: ArcClient, ...ids: string[]): Promise<string> {
  const { simulation_id, scenario_count } = await arc.startSimulation({ scenarios: ids.map((id) => ({ id })) });
  same(scenario_count, ids.length);
  return simulation_id;
}

async function failure(call: () => Promise<unknown>): Promise<ArcError> {
  const error = await thrown(call);
  if (!(error instanceof ArcError)) throw error;
  return error;
}

/** The timeout of every wait in the checks, in milliseconds. */
const DEADLINE_MS = 30_000;

/** Awaits a promise, and fails if it takes too long. */
async function inTime<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`timeout: ${what}`)), DEADLINE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until a condition is true. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

export const checks: Record<string, Check> = {
  async 'an evaluation from start to end'({ service }) {
    const arc = new ArcClient(service);
    const config = await arc.createConfiguration('agent', { model: 'm-1' });
    same(config.config_version_id, (await arc.createConfiguration('agent', { model: 'm-1' })).config_version_id);
    const start = {
      simulation_id: crypto.randomUUID(),
      config_version_id: config.config_version_id,
      scenarios: [{ id: 'greet', task_prompt: 'Say hello.' }, { id: 'leave' }],
      simulation_name: 'from TypeScript',
      metadata: { agent: 'a' },
    };
    const simulation = await arc.startSimulation(start);
    same([simulation.simulation_id, simulation.status], [start.simulation_id, 'running']);
    // The same start again is the same simulation; another plan is not.
    same((await arc.startSimulation(start)).created_at, simulation.created_at);
    const other = await failure(() => arc.startSimulation({ ...start, scenarios: [{ id: 'x' }] }));
    same([other.code, other.status, other.retryable], ['conflict', 409, false]);

    const id = simulation.simulation_id;
    const greet = new Submission(result('greet'), { modalCallId: 'fc-1', sandboxId: 'sb-1' });
    const first = await arc.recordOutcome(id, greet);
    same(first.verdict, 'stored');
    const again = await arc.recordOutcome(id, greet);
    same([again.verdict, again.outcome_id], ['duplicate', first.outcome_id]);
    same((await arc.recordOutcome(id, JSON.stringify(result('leave')))).verdict, 'stored');

    const { outcomes } = await arc.outcomes(id, { documents: true });
    same(outcomes.map(({ scenario_id, modal_call_id }) => [scenario_id, modal_call_id]), [['greet', 'fc-1'], ['leave', null]]);
    same(outcomes[1]?.document, JSON.stringify(result('leave')));
    same((await all(arc.allOutcomes(id, { scenarioId: 'greet' }))).length, 1);

    const completed = await arc.completeSimulation(id, { average_reliability_score: 0.75 });
    holds('overall_score' in completed, 'the completion is not committed');
    same([completed.status, completed.overall_score, completed.computed.overall_score], ['completed', 0.75, 0.5]);
    const status = await arc.simulationStatus(id);
    same([status.progress_percentage, status.completed_scenarios], [100, 2]);
    const listed = await arc.simulations({ status: 'completed', limit: 1000 });
    holds(listed.simulations.some(({ simulation_id }) => simulation_id === id), 'the simulation is not listed');
  },

  async 'each result of a batch has its own verdict'({ service, documents, verdicts }) {
    const arc = new ArcClient(service);
    const id = await started(arc, 'a');
    // Texts that cannot be in a list, values that are not JSON, and valid results between them.
    const results = [...documents.slice(-80), ' {"scenario": {"id": "space"}}', result('a', { x: 1n }), result('a')];
    const recorded = await arc.recordBatch(id, results);
    same(recorded.map(({ position }) => position), results.map((_, index) => index));
    documents.slice(-80).forEach((document, index) => {
      const accepted = verdicts.at(index - 80)?.startsWith('{"verdict":"accepted"');
      const found = recorded[index];
      const expected = accepted ? ['stored', 'duplicate'] : ['rejected'];
      holds(expected.includes(found?.verdict ?? ''), `${document}: ${JSON.stringify(found)}`);
      holds(accepted || (found?.violations?.length ?? 0) > 0, `${document}: ${JSON.stringify(found)}`);
      holds(found?.outcome_id != null, `${document}: ${JSON.stringify(found)}`);
    });
    same(recorded.slice(-3).map(({ verdict }) => verdict), ['stored', 'failed', 'stored']);
    same([recorded.at(-2)?.outcome_id, recorded.at(-2)?.retryable], [null, false]);
    const rejected = [];
    for await (const one of arc.allRejected(id)) rejected.push(one);
    const first = await arc.rejected(id, { limit: 1 });
    same(first.rejected, rejected.slice(0, 1));
    holds(rejected.length === 1 || first.cursor != null, JSON.stringify(first));
    same(rejected.length, new Set(recorded.filter(({ verdict }) => verdict === 'rejected').map(({ outcome_id }) => outcome_id)).size);
    // A retry stores nothing.
    const again = await arc.recordBatch(id, results);
    holds(again.every(({ verdict }) => verdict !== 'stored'), JSON.stringify(again));
    same(again.map(({ outcome_id }) => outcome_id), recorded.map(({ outcome_id }) => outcome_id));
  },

  async 'a stream of many results'({ service }) {
    const arc = new ArcClient(service, { compress: true });
    const id = await started(arc, ...Array.from({ length: 1200 }, (_, index) => `s${index}`));
    let yielded = 0;
    async function* results() {
      for (; yielded < 1200; yielded += 1) yield result(`s${yielded}`);
    }
    let verdicts = 0;
    for await (const { position, verdict } of arc.recordAll(id, results())) {
      same([position, verdict], [verdicts, 'stored']);
      // Results are not read far ahead of their verdicts.
      holds(yielded - verdicts <= 501, `${yielded} results were read before ${verdicts} verdicts`);
      verdicts += 1;
    }
    same(verdicts, 1200);
    const first = await arc.outcomes(id, { limit: 1000 });
    same(first.outcomes.length, 1000);
    same((await arc.outcomes(id, { limit: 1000, cursor: first.cursor ?? '' })).outcomes.length, 200);
    same((await all(arc.allOutcomes(id))).length, 1200);
    same((await all(arc.allOutcomes(id, { limit: 1100 }))).length, 1100);
  },

  async 'a result is recorded as soon as it arrives'({ service }) {
    const arc = new ArcClient(service);
    const id = await started(arc, 'a', 'b', 'c');
    // The source yields a result only after the verdict on the previous one.
    const judged = new Map<number, () => void>();
    async function* results() {
      for (const [index, name] of ['a', 'b', 'c'].entries()) {
        if (index > 0) await inTime(`the verdict on result ${index - 1}`, new Promise<void>((done) => judged.set(index - 1, done)));
        yield result(name);
      }
    }
    let verdicts = 0;
    for await (const { position, verdict } of arc.recordAll(id, results())) {
      same([position, verdict], [verdicts, 'stored']);
      verdicts += 1;
      // The source can start to wait for it a moment later.
      await inTime('the source', until(() => position === 2 || judged.has(position)));
      judged.get(position)?.();
    }
    same([verdicts, (await arc.outcomes(id)).outcomes.length], [3, 3]);
  },

  async 'results before a failure of the source are recorded'({ service }) {
    const arc = new ArcClient(service);
    const id = await started(arc, 'a', 'b', 'c', 'd', 'e');
    for (const sources of [
      async function* () {
        for (const name of ['a', 'b', 'c', 'd', 'e']) yield result(name);
        throw new Error('the source is broken');
      },
      function* () {
        for (const name of ['a', 'b', 'c', 'd', 'e']) yield result(name);
        throw new Error('the source is broken');
      },
    ]) {
      const verdicts: string[] = [];
      const error = await thrown(async () => {
        for await (const { verdict } of arc.recordAll(id, sources())) verdicts.push(verdict);
      });
      same((error as Error).message, 'the source is broken');
      same(verdicts.length, 5);
      same((await arc.outcomes(id)).outcomes.length, 5);
    }
  },

  async 'stopping early closes the source'({ service }) {
    const arc = new ArcClient(service);
    const id = await started(arc, 'a');
    // A source that yields one result and then never answers.
    let returned = 0;
    const silent = (): AsyncIterable<object> => ({
      [Symbol.asyncIterator]() {
        let asked = 0;
        return {
          next: () => (asked++ === 0 ? Promise.resolve({ done: false, value: result('a') }) : new Promise(() => undefined)),
          return: () => {
            returned += 1;
            return new Promise(() => undefined);
          },
        };
      },
    });
    const stop = new AbortController();
    const recording = thrown(async () => {
      for await (const { verdict } of arc.recordAll(id, silent(), { signal: stop.signal })) {
        holds(['stored', 'duplicate'].includes(verdict), verdict);
        setTimeout(() => stop.abort(new Error('enough')), 1);
      }
    });
    same(((await inTime('the end', recording)) as Error).message, 'enough');
    same(returned, 1);
    // Leaving the loop closes the source.
    let closed = 0;
    async function* endless() {
      try {
        for (;;) yield result('a');
      } finally {
        closed += 1;
      }
    }
    for await (const _ of arc.recordAll(id, endless())) break;
    same(closed, 1);
  },

  async 'text that cannot be encoded is refused and not replaced'({ service }) {
    const arc = new ArcClient(service);
    const id = await started(arc, 'a');
    const half = '{"scenario": {"id": "a"}, "note": "\ud800"}';
    const verdicts = await arc.recordBatch(id, [result('a'), half, result('a', { note: '\ud800' })]);
    same(verdicts.map(({ verdict }) => verdict), ['stored', 'failed', 'stored']);
    for (const call of [
      async () => arc.recordOutcome(id, half),
      async () => new Submission(result('a'), { modalCallId: '\udc00' }),
      async () => new Submission(result('a'), { trial: 1.5 }),
      async () => arc.createConfiguration('agent', { temperature: NaN }),
      async () => arc.startSimulation({ scenarios: [{ id: 'a' }], metadata: { budget: Infinity } }),
      async () => arc.startSimulation({ scenarios: [{ id: 'a' }], score_scale: Infinity }),
      async () => arc.declareMetrics(id, { metrics: [{ name: 'judge', highest: NaN }] }),
      async () => arc.declareMetrics(id, { metrics: [] }),
    ]) {
      same((await failure(call)).code, 'invalid_call', String(call));
    }
    // The client creates a missing id, so that a retry does not start a second simulation.
    const start = { simulation_id: undefined, scenarios: [{ id: 'a' }] } as unknown as { scenarios: { id: string }[] };
    holds((await arc.startSimulation(start)).simulation_id.length === 36, 'the simulation has no id');
  },

  async 'an invalid result is reported with its path'({ service, load }) {
    const arc = new ArcClient(service);
    const id = await started(arc, 'a');
    const bad = await failure(() => arc.recordOutcome(id, result('a', { reliability_score: '850' })));
    holds(bad instanceof RejectedError, String(bad));
    same([bad.code, bad.status, bad.retryable], ['rejected', 422, false]);
    same(bad.violations.map(({ path, code }) => [path, code]), [['/reliability_score', 'wrong_type']]);
    const { rejected } = await arc.rejected(id);
    same(rejected.map(({ outcome_id }) => outcome_id), [bad.outcomeId]);
    // The local extractor returns the same violations before the result is sent.
    const extractor = await load();
    const verdict = extractor.verdict(JSON.stringify(result('a', { reliability_score: '850' })));
    same(verdict, { verdict: 'rejected', violations: bad.violations });
    const document = JSON.stringify(result('a'));
    same(await arc.extract(document), extractor.verdictJson(document));
  },

  async 'numbers that JSON cannot represent are reported'({ service }) {
    const arc = new ArcClient(service);
    const id = await started(arc, 'a');
    const shared = { 'é/~': NaN };
    const odd = result('a', { notes: ['é', { x: -Infinity }, shared, shared] });
    const { verdict, warnings } = await arc.recordOutcome(id, odd);
    same(verdict, 'stored');
    same(warnings?.map(({ path }) => path), ['/notes/1/x', '/notes/2/é~1~0', '/notes/3/é~1~0']);
    // A score that is not a number is absent, and the rest of the result counts.
    const score = await arc.recordOutcome(id, result('a', { reliability_score: NaN }));
    same(score.verdict, 'stored');
    const codes = score.warnings?.map(({ path, code }) => [path, code]);
    same(codes, [['/reliability_score', 'score_missing'], ['/reliability_score', 'not_finite']]);
    // The same is true of a summary.
    const suite = { total_cost_usd: NaN, notes: ['NaN', { é: -Infinity }], average_reliability_score: 0.25 };
    const completed = await arc.completeSimulation(id, suite);
    holds('overall_score' in completed, 'the completion is not committed');
    same([completed.overall_score, completed.total_cost_usd], [0.25, 0]);
    same(completed.warnings.map(({ path, code }) => [path, code]), [['/total_cost_usd', 'not_finite']]);
  },

  async 'a scale is declared at the start or afterwards'({ service }) {
    const arc = new ArcClient(service);
    const scored = [result('a', { reliability_score: 85 }), result('b', { reliability_score: 0.5 })];
    for (const atStart of [true, false]) {
      const start = { scenarios: [{ id: 'a' }, { id: 'b' }] };
      const { simulation_id: id } = await arc.startSimulation(atStart ? { ...start, score_scale: 100 } : start);
      await arc.recordBatch(id, scored);
      if (!atStart) {
        const unknown = await arc.simulationStatus(id);
        same([unknown.overall_score, unknown.score_scale], [42.75, null]);
        same((await arc.outcomes(id)).outcomes.map(({ reliability_score }) => reliability_score), [null, null]);
        same((await arc.declareMetrics(id, { score_scale: 100 })).overall_score, 0.4275);
      }
      const known = await arc.simulationStatus(id);
      same([known.overall_score, known.score_scale, known.headline?.value], [0.4275, 100, 42.75]);
      const { outcomes } = await arc.outcomes(id);
      same(outcomes.map(({ reliability_score, score }) => [reliability_score, score]), [[0.85, 85], [0.005, 0.5]]);
    }
  },

  async 'a judge is the score of a simulation'({ service }) {
    const arc = new ArcClient(service);
    const judge = { name: 'judge', unit: 'stars', lowest: 1, highest: 5, kind: 'number', headline: true } as const;
    const { simulation_id: id } = await arc.startSimulation({
      scenarios: [{ id: 'a' }, { id: 'b' }],
      metrics: [judge],
    });
    const rated = (stars: number) => ({ overall_score: 85, dimension_scores: { judge: stars } });
    await arc.recordBatch(id, [
      result('a', { reliability_score: rated(4) }),
      result('b', { reliability_score: rated(2) }),
    ]);
    const status = await arc.simulationStatus(id);
    same([status.overall_score, status.score_scale, status.headline?.metric], [0.5, 5, 'judge']);
    same(status.metric_definitions.map(({ name, highest }) => [name, highest]), [['judge', 5]]);
    same(status.metrics.map(({ name, mean }) => [name, mean]).sort(), [['judge', 3], ['reliability_score', 85]]);
    const { outcomes } = await arc.outcomes(id, { limit: 1 });
    same(outcomes[0]?.scores.map(({ name, value }) => [name, value]), [['reliability_score', 85], ['judge', 4]]);
    // A later definition replaces only the members that it has.
    const changed = await arc.declareMetrics(id, { metrics: [{ name: 'judge', highest: 9 }] });
    same([changed.overall_score, changed.metric_definitions[0]?.unit], [0.25, 'stars']);
    same([changed.headline?.higher_is_better, changed.headline?.higher_is_better_assumed], [true, true]);
    // Withdrawn, the results' own score counts again.
    const own = await arc.declareMetrics(id, { metrics: [{ name: 'judge', headline: false }] });
    same([own.overall_score, own.headline?.metric, own.warnings[0]?.code], [85, 'reliability_score', 'scale_unknown']);
    await arc.completeSimulation(id);
    const [listed] = (await arc.simulations({ limit: 1 })).simulations;
    const score = [listed?.overall_score, listed?.score_metric, listed?.score_figure, listed?.score_scale];
    same(score, [85, 'reliability_score', 'mean', null]);
    same((await arc.revisions(id)).revisions, []);
    for (const wrong of [
      { metrics: [{ name: 'judge', lowest: 5, highest: 1 }] },
      { metrics: [{ name: 'judge', kind: 'stars' as 'number' }] },
      { score_scale: -1 },
    ]) {
      const error = await failure(() => arc.declareMetrics(id, wrong));
      same([error.code, error.retryable], ['invalid_request', false], JSON.stringify(wrong));
    }
    const unknown = crypto.randomUUID();
    same((await failure(() => arc.declareMetrics(unknown, { score_scale: 5 }))).code, 'not_found');
    same((await failure(() => arc.revisions(unknown))).code, 'not_found');
  },

  async 'a simulation is found by its name, tagged and removed'({ service }) {
    const arc = new ArcClient(service);
    const name = `a/b?${crypto.randomUUID()}`;
    const start = { scenarios: [{ id: 'a' }], simulation_name: name, tags: ['b', 'a'] };
    const { simulation_id: id } = await arc.startSimulation(start);
    for (const reference of [id, name, 'latest']) {
      same((await arc.resolveSimulation(reference)).simulation_id, id);
      same((await arc.simulationStatus(reference)).tags, ['a', 'b']);
    }
    same((await arc.tagSimulation(name, { add: ['c'], remove: ['a'] })).tags, ['b', 'c']);
    const found = await arc.simulations({ name: name.toUpperCase().slice(4), tag: 'c', since: '1h', status: 'running' });
    same(found.simulations.map(({ simulation_id }) => simulation_id), [id]);
    holds(id.startsWith(found.simulations[0]?.short_id ?? 'none'), 'the short id is not the beginning of the id');
    same((await arc.simulations({ tag: id })).simulations, []);
    const renamed = await arc.renameSimulation(name, `${name} again`);
    same([renamed.simulation_id, renamed.simulation_name], [id, `${name} again`]);
    same((await failure(() => arc.simulationStatus(name))).code, 'not_found');
    await arc.startSimulation({ ...start, simulation_name: `${name} again` });
    const ambiguous = await failure(() => arc.simulationStatus(`${name} again`));
    same([ambiguous.code, ambiguous.retryable], ['ambiguous_simulation', false]);
    same(ambiguous.problem?.candidates?.map(({ simulation_id }) => simulation_id)[1], id);
    same((await arc.removeSimulation(id)).simulation_name, `${name} again`);
    for (const call of [
      () => arc.recordOutcome(id, result('a')),
      () => arc.completeSimulation(id),
      () => arc.startSimulation({ ...start, simulation_id: id }),
    ]) {
      const error = await failure(call);
      same([error.code, error.status, error.retryable], ['simulation_removed', 410, false]);
    }
  },

  async 'a result of an edited log has revisions'({ service }) {
    const arc = new ArcClient(service);
    const run = crypto.randomUUID();
    // A log of Inspect, and the same after a person has changed the score of its sample.
    const log = (day: number, value: string) => ({
      version: 2,
      status: 'success',
      eval: { created: `2026-01-0${day}T00:00:00+00:00`, task: 't', task_id: run, run_id: run, model: 'm' },
      samples: [{ id: 1, epoch: 1, input: 'x', target: 'y', uuid: `${run}/1`, scores: { match: { value } } }],
    });
    const ids = [];
    for (const body of [log(1, 'I'), log(2, 'C')]) {
      const url = `${service}/v1/files?file_name=log.json`;
      const headers = { 'Content-Type': 'application/octet-stream' };
      const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
      const { simulation_id, stored } = (await answer.json()) as { simulation_id: string; stored: number };
      same(stored, 1);
      ids.push(simulation_id);
    }
    const [id = ''] = ids;
    same(ids, [id, id]);
    const { revisions } = await arc.revisions(id);
    same(revisions.map(({ revision, counts, score }) => [revision, counts, score]), [[1, false, 0], [2, true, 1]]);
    same(new Set(revisions.map(({ result_key }) => result_key)).size, 1);
    same((await arc.simulationStatus(id)).overall_score, 1);
    const { outcomes } = await arc.outcomes(id);
    same(outcomes.map(({ outcome_id, scores }) => [outcome_id, scores[0]?.label]), [[revisions[1]?.outcome_id, 'C']]);
    // The first one is selected, and then the last one again.
    const selected = await arc.selectRevision(id, { revision: 1 });
    same(selected.revisions.map(({ counts, selected }) => [counts, selected]), [[true, true], [false, false]]);
    same((await arc.simulationStatus(id)).overall_score, 0);
    await arc.selectRevision(id, { revision: null, result_key: `${run}/1` });
    same((await arc.simulationStatus(id)).overall_score, 1);
    same((await failure(() => arc.selectRevision(id, { revision: 3 }))).code, 'not_found');
    // A final list without the result supersedes it, and one with it takes that back.
    const lists: [string[], [number, number]][] = [[[], [1, 0]], [[revisions[1]?.outcome_id ?? ''], [0, 1]]];
    for (const [listed, [superseded, restored]] of lists) {
      const answer = await arc.compareResults(id, { outcome_ids: listed, is_final: true });
      same(answer, { superseded, restored, selected: [] });
      const status = await arc.simulationStatus(id);
      same([status.superseded_outcomes, status.superseded_results.length], [superseded, superseded]);
    }
  },

  async 'watching a simulation'({ service }) {
    const arc = new ArcClient(service);
    const id = await started(arc, 'a', 'b');
    const seen = [];
    for await (const progress of arc.watchSimulation(id)) {
      seen.push(progress);
      if (seen.length === 1) await arc.recordOutcome(id, result('a'));
      if (progress.status === 'running' && progress.completed_scenarios === 1) await arc.cancelSimulation(id, 'enough');
    }
    same(seen[0]?.completed_scenarios, 0);
    same([seen.at(-1)?.status, seen.at(-1)?.completed_scenarios], ['cancelled', 1]);
  },

  async 'queries'({ service }) {
    const arc = new ArcClient(service);
    const id = await started(arc, 'a');
    await arc.recordOutcome(id, result('a', { trajectory: { status: 'error', error: 'rate limit' } }));
    same((await arc.failSimulation(id, 'broken')).status, 'failed');
    const { failures } = await arc.failures({ limit: 1000 });
    same(failures.find(({ simulation_id }) => simulation_id === id)?.error_category, 'rate_limit');
    same((await arc.performance(id, { range: '24h' })).summary.total_outcomes, 1);
    same((await arc.health()).status, 'ok');
    holds((await arc.stats()).total_queries > 0, 'queries are not counted');
  },

  async 'errors are retryable or not'({ service }) {
    const arc = new ArcClient(service);
    const unknown = await failure(() => arc.simulationStatus(crypto.randomUUID()));
    same([unknown.code, unknown.status, unknown.retryable], ['not_found', 404, false]);
    same(unknown.hint, 'list them with `arc-host simulations`');
    holds(!unknown.message.includes('list them'), unknown.message);
    const wrong = await failure(() => arc.simulations({ limit: 50_000 }));
    same([wrong.code, wrong.retryable], ['invalid_request', false]);
    // A port that browsers and Node allow, and on which no program listens.
    const unavailable = await failure(() => new ArcClient('http://127.0.0.1:2', { retryTimeoutSeconds: 0 }).health());
    same([unavailable.code, unavailable.retryable, unavailable.status], ['unanswered', true, undefined]);
    holds(unavailable.hint?.startsWith('check the URL') === true, String(unavailable.hint));
    for (const url of ['arc.example', 'ftp://arc.example', 'http://user:secret@arc.example']) {
      const error = await failure(async () => new ArcClient(url));
      same([error.code, error.message.includes('secret')], ['invalid_call', false]);
    }
    for (const token of ['arc_hidden\nx: y', 'arc_hiddené', 'arc hidden', 'arc_hidden\u0000']) {
      const error = await failure(async () => new ArcClient(service, { token }));
      same([error.code, error.message.includes('hidden')], ['invalid_call', false]);
    }
    same((await new ArcClient(service, { token: ' arc_padded\n' }).health()).status, 'ok');
    const stop = new AbortController();
    stop.abort(new Error('enough'));
    const stopped = await thrown(() => arc.health({ signal: stop.signal }));
    same((stopped as Error).message, 'enough');
  },

  async 'a redirect is not followed'({ redirects }) {
    const arc = new ArcClient(redirects, { token: 'arc_secret', retryTimeoutSeconds: 60 });
    for (const call of [() => arc.health(), () => arc.startSimulation({ scenarios: [{ id: 'a' }] })]) {
      const error = await inTime('the error', failure(call));
      same([error.code, error.retryable], ['foreign_answer', false], error.message);
      holds(error.message.includes(' redirects to '), error.message);
      // Only browsers hide the target.
      same(error.message.includes('/target'), error.status !== undefined, error.message);
      holds(error.hint?.startsWith('use the URL') === true, String(error.hint));
    }
    same(await (await fetch(new URL('followed', redirects))).text(), '0', 'the number of followed redirects');
  },

  async 'requests can be sent by another function'({ service }) {
    const sent: string[] = [];
    const arc = new ArcClient(new URL(service), {
      fetch: (url, init) => {
        sent.push(`${init?.method} ${url}`);
        return fetch(url, init as RequestInit);
      },
    });
    same((await arc.health()).status, 'ok');
    same(sent, [`GET ${new URL('v1/health', service).href}`]);
  },
};
