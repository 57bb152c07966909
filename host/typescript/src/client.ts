import type {
  BatchVerdicts,
  ConfigurationCreated,
  FailureList,
  ItemVerdict,
  Stats,
  Outcome,
  OutcomeList,
  OutcomeStatus,
  Performance,
  RejectedList,
  ResultVerdict,
  ServiceHealth,
  SimulationCompleted,
  SimulationEnded,
  SimulationList,
  SimulationProgress,
  SimulationStarted,
  SimulationStatus,
  StartSimulationRequest,
} from './bodies.js';
import { ArcError, RejectedError } from './errors.js';
import { Gathering, Portions, failed } from './gathering.js';
import type { Item } from './gathering.js';
import { Http, sleep } from './http.js';
import type { Call, ClientOptions } from './http.js';
import { events } from './streams.js';
import { Submission, jsonText } from './submission.js';
import type { Result } from './submission.js';

export type { ClientOptions } from './http.js';

/** What every call takes besides. */
export interface CallOptions {
  /** Stops the call. What was sent may be recorded all the same; sending it again is safe. */
  signal?: AbortSignal;
}

/** Which outcomes. */
export interface OutcomeQuery extends CallOptions {
  /** Only those of this scenario. */
  scenarioId?: string;
  /** Only those with this status. */
  status?: OutcomeStatus;
  /** With the documents' texts. */
  documents?: boolean;
  /** With the documents' own trajectory objects. */
  trajectories?: boolean;
  /** How many at most, from 1 to 1,000. */
  limit?: number;
  /** Where the page before ended. */
  cursor?: string | null;
}

/** Which page. */
export interface PageQuery extends CallOptions {
  /** How many at most, from 1 to 1,000. */
  limit?: number;
  /** Where the page before ended. */
  cursor?: string | null;
}

/** Which simulations. */
export interface SimulationQuery extends CallOptions {
  /** Only those with this status. */
  status?: SimulationStatus;
  /** How many at most, from 1 to 10,000. */
  limit?: number;
  /** Where the page before ended. */
  cursor?: string | null;
}

/** Longer ids than these, in characters, do not go in a URL. */
const URL_IDS_CHARACTERS = 4_096;

/** The statuses of answers that are about one request's own body or URL. */
const ABOUT_THE_REQUEST = new Set([400, 413, 414, 422, 431]);

/** How long to wait before events are asked for again, in milliseconds. */
const EVENTS_PAUSE_MS = 1_000;

/**
 * A client of the service. Every call may be repeated after an error or a lost answer, and does so
 * by itself for {@link ClientOptions.retryTimeoutSeconds}: ids are made from content, so nothing is
 * recorded twice. An answer comes after the commit, or says that it is `spooled`.
 *
 * Calls throw {@link ArcError}; its `retryable` says whether the same call again may work.
 */
export class ArcClient {
  readonly #http: Http;
  readonly #portions = new Portions();

  /** @param url `https://host` or `http://host:port`, with a path where the service lies under one. */
  constructor(url: string | URL, options: ClientOptions = {}) {
    this.#http = new Http(url, options);
  }

  /** Keeps a version of an agent's configuration. The same content has the same id. */
  createConfiguration(
    name: string,
    config: unknown,
    options: CallOptions & { userId?: string } = {},
  ): Promise<ConfigurationCreated> {
    const body = { name, config, user_id: options.userId };
    return this.#post('v1/configurations', body, options);
  }

  /** Starts a simulation. Its id is made here unless it is given, so that a retry makes no other. */
  startSimulation(start: StartSimulationRequest, options: CallOptions = {}): Promise<SimulationStarted> {
    return this.#post('v1/simulations', { ...start, simulation_id: start.simulation_id ?? newId() }, options);
  }

  /**
   * Records one result.
   *
   * @throws RejectedError where it is not valid; the service keeps it with the reasons.
   */
  recordOutcome(simulationId: string, result: Result, options: CallOptions = {}): Promise<ResultVerdict> {
    return this.#alone(simulationId, Submission.of(result), options);
  }

  /** Records results: a verdict for each, in order. One that is not valid does not fail its neighbours. */
  async recordBatch(
    simulationId: string,
    results: Iterable<Result> | AsyncIterable<Result>,
    options: CallOptions = {},
  ): Promise<ItemVerdict[]> {
    const verdicts: ItemVerdict[] = [];
    for await (const verdict of this.recordAll(simulationId, results, options)) verdicts.push(verdict);
    return verdicts;
  }

  /**
   * The same for any number of results, as they come. A result is sent at once where no request is under
   * way, and else with those that come meanwhile, so its verdict does not wait for others. Results are
   * asked for no faster than they are recorded.
   *
   * An error of the source is thrown after the verdicts on all that it has given. Who stops reading the
   * verdicts, or aborts, ends the source; results without a verdict may be recorded or not.
   */
  async *recordAll(
    simulationId: string,
    results: Iterable<Result> | AsyncIterable<Result>,
    options: CallOptions = {},
  ): AsyncGenerator<ItemVerdict, void, void> {
    options.signal?.throwIfAborted();
    const send = (items: Item[], verdicts: ItemVerdict[]) => this.#portion(simulationId, items, verdicts, options);
    const gathering = new Gathering(results, this.#portions, send, options.signal);
    let position = 0;
    for await (const verdict of gathering.verdicts()) yield { ...verdict, position: position++ };
  }

  /** Completes a simulation, with the suite's own figures where it has some. */
  completeSimulation(
    simulationId: string,
    suite?: object | string | null,
    options: CallOptions = {},
  ): Promise<SimulationCompleted | SimulationEnded> {
    return this.#post(`${path(simulationId)}/complete`, suite ?? null, options);
  }

  /** Marks a simulation as failed. */
  failSimulation(simulationId: string, reason = '', options: CallOptions = {}): Promise<SimulationEnded> {
    return this.#post(`${path(simulationId)}/fail`, { reason }, options);
  }

  /** Marks a simulation as stopped on purpose. */
  cancelSimulation(simulationId: string, reason = '', options: CallOptions = {}): Promise<SimulationEnded> {
    return this.#post(`${path(simulationId)}/cancel`, { reason }, options);
  }

  /** A page of simulations, newest first. */
  simulations(query: SimulationQuery = {}): Promise<SimulationList> {
    const { signal, ...rest } = query;
    return this.#http.json({ path: 'v1/simulations', query: rest, signal });
  }

  /** Where a simulation stands. */
  simulationStatus(simulationId: string, options: CallOptions = {}): Promise<SimulationProgress> {
    return this.#get(path(simulationId), options);
  }

  /**
   * Where a simulation stands, now and after every change, until it ends. A connection that is lost
   * is made again.
   */
  async *watchSimulation(
    simulationId: string,
    options: CallOptions = {},
  ): AsyncGenerator<SimulationProgress, void, void> {
    const call: Call = { path: `${path(simulationId)}/events`, accept: 'text/event-stream', ...options };
    let last = '';
    for (;;) {
      const body = await this.#http.stream(call);
      try {
        for await (const { event, data } of events(body)) {
          if (event === 'end') return;
          if (event !== 'progress' || data === last) continue;
          last = data;
          yield JSON.parse(data) as SimulationProgress;
        }
      } catch (error) {
        const lost = this.#http.unanswered(error, options.signal);
        if (!(lost instanceof ArcError)) throw lost;
      }
      await sleep(EVENTS_PAUSE_MS, options.signal);
    }
  }

  /** A page of a simulation's outcomes, in order of scenario, trial and attempt. */
  outcomes(simulationId: string, query: OutcomeQuery = {}): Promise<OutcomeList> {
    const { signal, scenarioId, ...rest } = query;
    const all = { scenario_id: scenarioId, ...rest };
    return this.#http.json({ path: `${path(simulationId)}/outcomes`, query: all, signal });
  }

  /** All of a simulation's outcomes, in the same order; `limit` is the most that is given. */
  async *allOutcomes(simulationId: string, query: OutcomeQuery = {}): AsyncGenerator<Outcome, void, void> {
    let [left, cursor] = [query.limit ?? Infinity, query.cursor];
    while (left > 0) {
      const page: OutcomeList = await this.outcomes(simulationId, {
        ...query,
        limit: Math.min(left, query.documents || query.trajectories ? 100 : 1_000),
        ...(cursor ? { cursor } : {}),
      });
      yield* page.outcomes;
      left -= page.outcomes.length;
      cursor = page.cursor;
      if (!cursor) return;
    }
  }

  /** A page of what was rejected in a simulation, and why, in order of receipt. */
  rejected(simulationId: string, query: PageQuery = {}): Promise<RejectedList> {
    const { signal, ...rest } = query;
    return this.#http.json({ path: `${path(simulationId)}/rejected`, query: rest, signal });
  }

  /** All that was rejected in a simulation, in the same order; `limit` is the most that is given. */
  async *allRejected(
    simulationId: string,
    query: PageQuery = {},
  ): AsyncGenerator<RejectedList['rejected'][number], void, void> {
    let [left, cursor] = [query.limit ?? Infinity, query.cursor];
    while (left > 0) {
      const page: RejectedList = await this.rejected(simulationId, {
        ...query,
        limit: Math.min(left, 1_000),
        ...(cursor ? { cursor } : {}),
      });
      yield* page.rejected;
      left -= page.rejected.length;
      cursor = page.cursor;
      if (!cursor) return;
    }
  }

  /** A simulation by the hour; `range` is like 90m, 24h, 7d or 2w. */
  performance(simulationId: string, options: CallOptions & { range?: string } = {}): Promise<Performance> {
    const { range, signal } = options;
    return this.#http.json({ path: `${path(simulationId)}/performance`, query: { range }, signal });
  }

  /** The latest failures of all simulations, newest first. */
  failures(options: CallOptions & { limit?: number } = {}): Promise<FailureList> {
    const { limit, signal } = options;
    return this.#http.json({ path: 'v1/failures', query: { limit }, signal });
  }

  /** The service's own verdict on a result, as JSON text; nothing is recorded. */
  async extract(document: string | object, options: CallOptions = {}): Promise<string> {
    const { text } = new Submission(document);
    const call: Call = { method: 'POST', path: 'v1/extract', body: text, ...options };
    return (await this.#http.send(call)).text();
  }

  /** How the service, its database and its spool are. A database that is unavailable is an answer, too. */
  health(options: CallOptions = {}): Promise<ServiceHealth> {
    return this.#get('v1/health', options);
  }

  /** What the service has done since it was started. */
  stats(options: CallOptions = {}): Promise<Stats> {
    return this.#get('v1/stats', options);
  }

  #get<T>(where: string, options: CallOptions): Promise<T> {
    return this.#http.json({ path: where, signal: options.signal });
  }

  #post<T>(where: string, body: object | string | null, options: CallOptions): Promise<T> {
    const text = typeof body === 'string' || body === null ? (body ?? 'null') : jsonText('the body', body);
    return this.#http.json({ method: 'POST', path: where, body: text, signal: options.signal });
  }

  /** A request's worth of items, in as many requests as the service wants. */
  async #portion(
    simulationId: string,
    items: Item[],
    verdicts: ItemVerdict[],
    options: CallOptions,
  ): Promise<void> {
    const [first] = items;
    if (first === undefined) return;
    if (!(first instanceof Submission)) return void verdicts.push(first);
    if (!first.fitsAList()) return void verdicts.push(await this.#apart(simulationId, first, options));
    const part = items as Submission[];
    try {
      return void verdicts.push(...(await this.#list(simulationId, part, options)));
    } catch (error) {
      if (!(error instanceof ArcError && error.status === 413)) throw error;
      // What is wrong with one result is its own verdict.
      if (part.length === 1) return void verdicts.push(failed(error));
      this.#portions.tooLarge(part, error);
    }
    const left = [...items];
    while (left.length > 0) {
      await this.#portion(simulationId, this.#portions.take(left), verdicts, options);
    }
  }

  /** A list of results that fit one, their documents byte for byte. */
  async #list(simulationId: string, part: Submission[], { signal }: CallOptions): Promise<ResultVerdict[]> {
    if (part.length === 0) return [];
    const beside = JSON.stringify(besides(part));
    const body = `{"results":[${part.map(({ text }) => text).join(',')}]${beside === '{}' ? '' : ','}${beside.slice(1)}`;
    const call: Call = { method: 'POST', path: `${path(simulationId)}/outcomes`, body, signal };
    const { verdicts } = await this.#http.json<BatchVerdicts>(call);
    // Whatever has answered may be no service.
    const given = (verdicts as ResultVerdict[] | undefined)?.length ?? 0;
    if (given !== part.length) {
      throw new ArcError(
        `the service gave ${given} verdicts on ${part.length} results; its version may be another`,
        'foreign_answer',
        false,
      );
    }
    return verdicts;
  }

  async #alone(simulationId: string, submission: Submission, { signal }: CallOptions): Promise<ResultVerdict> {
    const where = `${path(simulationId)}/outcomes`;
    const { trial, modalCallId, sandboxId } = submission.options;
    const longIds = (modalCallId?.length ?? 0) + (sandboxId?.length ?? 0) > URL_IDS_CHARACTERS;
    if (submission.notFinite.length > 0 || (longIds && submission.fitsAList())) {
      // What JSON cannot hold, and what is too long for a URL, is told beside a list.
      const [verdict] = await this.#list(simulationId, [submission], signal === undefined ? {} : { signal });
      if (verdict?.verdict !== 'rejected') return verdict as ResultVerdict;
      const { outcome_id, violations = [] } = verdict;
      const detail = `the result is not valid, and is kept as rejected under ${outcome_id}`;
      throw new RejectedError(detail, violations, {
        type: 'about:blank',
        title: 'The document is not valid',
        status: 422,
        code: 'rejected',
        retryable: false,
        detail,
        outcome_id,
        violations,
      });
    }
    return this.#http.json({
      method: 'POST',
      path: where,
      query: { trial, modal_call_id: modalCallId, sandbox_id: sandboxId },
      type: 'application/octet-stream',
      body: submission.text,
      signal,
    });
  }

  /** One of many that would break a list: what is wrong with it is its verdict. */
  async #apart(simulationId: string, submission: Submission, options: CallOptions): Promise<ItemVerdict> {
    try {
      return await this.#alone(simulationId, submission, options);
    } catch (error) {
      if (!(error instanceof RejectedError)) {
        if (error instanceof ArcError && ABOUT_THE_REQUEST.has(error.status ?? 0)) return failed(error);
        throw error;
      }
      const { outcomeId, violations } = error;
      return { position: 0, outcome_id: outcomeId, verdict: 'rejected', violations: [...violations] };
    }
  }
}

/** What stands beside the results, where any of them says it. */
function besides(part: Submission[]): Record<string, unknown> {
  const some = (said: (submission: Submission) => unknown) => {
    const all = part.map((submission) => said(submission) ?? null);
    return all.some((value) => value !== null) ? all : undefined;
  };
  return {
    modal_call_ids: some(({ options }) => options.modalCallId),
    sandbox_ids: some(({ options }) => options.sandboxId),
    trials: some(({ options }) => options.trial),
    not_finite: part.some(({ notFinite }) => notFinite.length > 0)
      ? part.map(({ notFinite }) => notFinite)
      : undefined,
  };
}

function path(simulationId: string): string {
  return `v1/simulations/${encodeURIComponent(simulationId)}`;
}

/** A UUIDv7, also where `crypto.randomUUID` is not, as on a page without TLS. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const time = Date.now().toString(16).padStart(12, '0');
  const variant = (8 + ((bytes[8] ?? 0) & 3)).toString(16);
  return [time.slice(0, 8), time.slice(8), `7${hex.slice(13, 16)}`, variant + hex.slice(17, 20), hex.slice(20)].join('-');
}
