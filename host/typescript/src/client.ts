import type {
  BatchVerdicts,
  ConfigurationCreated,
  FailureList,
  ItemVerdict,
  ListedResults,
  MetricDeclaration,
  Stats,
  Outcome,
  OutcomeList,
  OutcomeStatus,
  Performance,
  RejectedList,
  RemovedSimulation,
  ResolvedSimulation,
  ResultList,
  ResultVerdict,
  RevisionList,
  AnnotationList,
  MissingList,
  NewAnnotation,
  SelectRevisionRequest,
  ServiceHealth,
  SimulationCompleted,
  SimulationEnded,
  SimulationLabels,
  SimulationList,
  SimulationProgress,
  SimulationStarted,
  SimulationStatus,
  StartSimulationRequest,
  TagChange,
} from './bodies.js';
import { ArcError, RejectedError } from './errors.js';
import { RequestLimits, ResultBatcher, failed } from './batching.js';
import type { Item } from './batching.js';
import { Http, sleep } from './http.js';
import type { Call } from './http.js';
import type { ClientOptions } from './options.js';
import type { Signal, UrlObject } from './platform.js';
import { events } from './streams.js';
import { Submission, jsonText, summaryText } from './submission.js';
import type { Result } from './submission.js';

/** Options of every call. */
export interface CallOptions {
  /** Aborts the call. Results that were sent can be recorded nevertheless; sending them again is safe. */
  signal?: Signal;
}

/** Selects outcomes. */
export interface OutcomeQuery extends CallOptions {
  /** Only outcomes of this scenario. */
  scenarioId?: string;
  /** Only outcomes with this status. */
  status?: OutcomeStatus;
  /** Includes the documents as text. */
  documents?: boolean;
  /** Includes the documents' trajectories as objects. */
  trajectories?: boolean;
  /** The maximum number, from 1 to 1,000. */
  limit?: number;
  /** The cursor of the previous page. */
  cursor?: string | null;
}

/** Selects a page. */
export interface PageQuery extends CallOptions {
  /** The maximum number, from 1 to 1,000. */
  limit?: number;
  /** The cursor of the previous page. */
  cursor?: string | null;
}

/** Selects simulations. */
export interface SimulationQuery extends CallOptions {
  /** Only simulations with this status. */
  status?: SimulationStatus;
  /** Only those whose name contains this text, in any case; if it has `*` or `?`, those whose whole name matches it. */
  name?: string;
  /** Only those of this project. */
  project?: string;
  /** Only those with this tag. */
  tag?: string;
  /** Only those whose evaluation began then or later: a date or a time (RFC 3339), or a duration such as 7d. */
  since?: string;
  /** Only those one of whose models contains this text, as `name`. */
  model?: string;
  /** Only those whose provider contains this text, as `name`. */
  provider?: string;
  /** Only those whose agent contains this text, as `name`. */
  agent?: string;
  /** Only those whose task contains this text, as `name`. */
  task?: string;
  /** Only those whose data set contains this text, as `name`. */
  dataset?: string;
  /** Only those whose tool contains this text, as `name`. */
  tool?: string;
  /** The maximum number, from 1 to 10,000. */
  limit?: number;
  /** The cursor of the previous page. */
  cursor?: string | null;
}

/** The longest ids in a URL, in characters. Longer ids are sent in the body. */
const URL_IDS_CHARACTERS = 4_096;

/** The statuses of errors in a single request's body or URL. */
const REQUEST_ERROR_STATUSES = new Set([400, 413, 414, 422, 431]);

/** The pause before the event stream is opened again, in milliseconds. */
const EVENTS_PAUSE_MS = 1_000;

/**
 * A client of the service. Every call can be repeated after an error or a lost answer, and the client
 * retries it automatically for {@link ClientOptions.retryTimeoutSeconds}: ids are derived from content, so
 * nothing is recorded twice. A call returns after the commit, or with the verdict `spooled`.
 *
 * Calls throw {@link ArcError}; its `retryable` is true if a retry of the call can succeed.
 */
export class ArcClient {
  readonly #http: Http;
  readonly #limits = new RequestLimits();

  /** @param url `https://host` or `http://host:port`, with a path if the service is below one. */
  constructor(url: string | UrlObject, options: ClientOptions = {}) {
    this.#http = new Http(url, options);
  }

  /** Stores a version of an agent's configuration. The same content has the same id. */
  createConfiguration(
    name: string,
    config: unknown,
    options: CallOptions & { userId?: string } = {},
  ): Promise<ConfigurationCreated> {
    const body = { name, config, user_id: options.userId };
    return this.#post('v1/configurations', body, options);
  }

  /** Starts a simulation. Its id is created here unless it is set, so that a retry does not start a second one. */
  startSimulation(start: StartSimulationRequest, options: CallOptions = {}): Promise<SimulationStarted> {
    return this.#post('v1/simulations', { ...start, simulation_id: start.simulation_id ?? newId() }, options);
  }

  /**
   * Declares metrics of a simulation, before or after its results are recorded, and returns its status with
   * the new figures. Their members replace earlier ones; no result changes.
   */
  declareMetrics(
    simulationId: string,
    declaration: MetricDeclaration,
    options: CallOptions = {},
  ): Promise<SimulationProgress> {
    const { metrics = [], score_scale: highest } = declaration;
    // The metric with the empty name is the results' own score.
    const all = highest == null ? metrics : [...metrics, { name: '', lowest: 0, highest }];
    if (all.length === 0) {
      throw new ArcError('nothing is declared (expected metrics or score_scale)', 'invalid_call', false);
    }
    return this.#post(`${path(simulationId)}/metrics`, { metrics: all }, options);
  }

  /**
   * Records one result.
   *
   * @throws RejectedError if it is not valid; the service stores it with the violations.
   */
  recordOutcome(simulationId: string, result: Result, options: CallOptions = {}): Promise<ResultVerdict> {
    return this.#recordOne(simulationId, Submission.of(result), options);
  }

  /** Records results, and returns a verdict for each, in order. One that is not valid does not fail the others. */
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
   * Records a stream of any number of results. A result is sent at once if no request is in flight, and
   * otherwise together with the results that arrive until then, so its verdict does not wait for others.
   * The source is read no faster than results are recorded.
   *
   * An error of the source is thrown after the verdicts on its earlier results. The source is closed when
   * the verdicts are no longer read, or when the call is aborted; it is undefined whether results without a
   * verdict are recorded.
   */
  async *recordAll(
    simulationId: string,
    results: Iterable<Result> | AsyncIterable<Result>,
    options: CallOptions = {},
  ): AsyncGenerator<ItemVerdict, void, void> {
    options.signal?.throwIfAborted();
    const send = (items: Item[], verdicts: ItemVerdict[]) => this.#sendItems(simulationId, items, verdicts, options);
    const batcher = new ResultBatcher(results, this.#limits, send, options.signal);
    let position = 0;
    for await (const verdict of batcher.verdicts()) yield { ...verdict, position: position++ };
  }

  /**
   * Completes a simulation, with the suite's own figures if it has any. A figure that is `NaN` or infinite is
   * absent, with a warning in the answer.
   */
  completeSimulation(
    simulationId: string,
    suite?: object | string | null,
    options: CallOptions = {},
  ): Promise<SimulationCompleted | SimulationEnded> {
    const summary = typeof suite === 'object' && suite !== null ? summaryText(suite) : suite;
    return this.#post(`${path(simulationId)}/complete`, summary ?? null, options);
  }

  /** Marks a simulation as failed. */
  failSimulation(simulationId: string, reason = '', options: CallOptions = {}): Promise<SimulationEnded> {
    return this.#post(`${path(simulationId)}/fail`, { reason }, options);
  }

  /** Marks a simulation as stopped on purpose. */
  cancelSimulation(simulationId: string, reason = '', options: CallOptions = {}): Promise<SimulationEnded> {
    return this.#post(`${path(simulationId)}/cancel`, { reason }, options);
  }

  /** Returns a page of simulations, newest first. */
  simulations(query: SimulationQuery = {}): Promise<SimulationList> {
    const { signal, ...rest } = query;
    return this.#http.json({ path: 'v1/simulations', query: rest, signal });
  }

  /**
   * Returns the id of the simulation that a text refers to: its id, a unique prefix of it of at least 4
   * characters, its name, or `latest`. All calls for an existing simulation accept these, except those that
   * record results.
   */
  resolveSimulation(simulation: string, options: CallOptions = {}): Promise<ResolvedSimulation> {
    return this.#http.json({ path: 'v1/resolve', query: { simulation }, signal: options.signal });
  }

  /** Renames a simulation. */
  renameSimulation(simulationId: string, name: string, options: CallOptions = {}): Promise<SimulationLabels> {
    return this.#post(`${path(simulationId)}/rename`, { simulation_name: name }, options);
  }

  /** Adds and removes tags of a simulation. */
  tagSimulation(simulationId: string, change: Partial<TagChange>, options: CallOptions = {}): Promise<SimulationLabels> {
    return this.#post(`${path(simulationId)}/tags`, change, options);
  }

  /**
   * Removes a simulation permanently, with all its data. Later calls for it are refused as
   * `simulation_removed`. It requires a token with the scope `admin`, and is safe to repeat.
   */
  removeSimulation(simulationId: string, options: CallOptions = {}): Promise<RemovedSimulation> {
    return this.#post(`${path(simulationId)}/remove`, {}, options);
  }

  /** Returns a simulation's status, progress and figures. */
  simulationStatus(simulationId: string, options: CallOptions = {}): Promise<SimulationProgress> {
    return this.#get(path(simulationId), options);
  }

  /**
   * Yields a simulation's status now and after every change, until it ends. A lost connection is
   * established again.
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

  /**
   * Returns the results of a simulation that have several revisions or are superseded, with each revision, in
   * order of scenario, key and revision: at most 10,000.
   */
  revisions(simulationId: string, options: CallOptions = {}): Promise<RevisionList> {
    return this.#get(`${path(simulationId)}/revisions`, options);
  }

  /**
   * Selects the revision of a result that counts, and returns all its revisions: the one with this number, or
   * the one that was made last. Every selection is kept, and the newest one is valid.
   */
  selectRevision(
    simulationId: string,
    selection: SelectRevisionRequest,
    options: CallOptions = {},
  ): Promise<RevisionList> {
    return this.#post(`${path(simulationId)}/revisions`, selection, options);
  }

  /**
   * Annotates results, all or none, and returns the annotations that were made: notes, tags, invalidations,
   * other scores and failure classes, and their undoing. Nothing is overwritten: of the annotations about the
   * same, the newest that is not undone counts.
   */
  annotate(
    simulationId: string,
    annotations: NewAnnotation[],
    options: CallOptions = {},
  ): Promise<AnnotationList> {
    return this.#post(`${path(simulationId)}/annotations`, { annotations }, options);
  }

  /** Returns the annotations of a simulation, or of the result of one outcome, oldest first: at most 10,000. */
  annotations(
    simulationId: string,
    query: { outcome_id?: string } = {},
    options: CallOptions = {},
  ): Promise<AnnotationList> {
    return this.#http.json({ path: `${path(simulationId)}/annotations`, query, signal: options.signal });
  }

  /** Returns the trials of a simulation that have no valid outcome; recording them completes the run. */
  missing(simulationId: string, options: CallOptions = {}): Promise<MissingList> {
    return this.#get(`${path(simulationId)}/missing`, options);
  }

  /**
   * Compares a list of recorded results with those of their simulation. A result that the tool's final list
   * lacks is superseded: it stays recorded, and is in no figure.
   */
  compareResults(simulationId: string, list: ResultList, options: CallOptions = {}): Promise<ListedResults> {
    return this.#post(`${path(simulationId)}/result-list`, list, options);
  }

  /** Returns a page of a simulation's outcomes, in order of scenario, trial and attempt. */
  outcomes(simulationId: string, query: OutcomeQuery = {}): Promise<OutcomeList> {
    const { signal, scenarioId, ...rest } = query;
    const all = { scenario_id: scenarioId, ...rest };
    return this.#http.json({ path: `${path(simulationId)}/outcomes`, query: all, signal });
  }

  /** Yields all of a simulation's outcomes, in the same order, up to `limit`. */
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

  /** Returns a page of a simulation's rejected results and their violations, in order of receipt. */
  rejected(simulationId: string, query: PageQuery = {}): Promise<RejectedList> {
    const { signal, ...rest } = query;
    return this.#http.json({ path: `${path(simulationId)}/rejected`, query: rest, signal });
  }

  /** Yields all of a simulation's rejected results, in the same order, up to `limit`. */
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

  /** Returns a simulation's figures by the hour; `range` is a duration such as 90m, 24h, 7d or 2w. */
  performance(simulationId: string, options: CallOptions & { range?: string } = {}): Promise<Performance> {
    const { range, signal } = options;
    return this.#http.json({ path: `${path(simulationId)}/performance`, query: { range }, signal });
  }

  /** Returns the latest failures of all simulations, newest first. */
  failures(options: CallOptions & { limit?: number } = {}): Promise<FailureList> {
    const { limit, signal } = options;
    return this.#http.json({ path: 'v1/failures', query: { limit }, signal });
  }

  /** Returns the service's verdict on a result as JSON text, without recording it. */
  async extract(document: string | object, options: CallOptions = {}): Promise<string> {
    const { text } = new Submission(document);
    const call: Call = { method: 'POST', path: 'v1/extract', body: text, ...options };
    return (await this.#http.send(call)).text();
  }

  /** Returns the state of the service, its database and its spool. An unavailable database is not an error. */
  health(options: CallOptions = {}): Promise<ServiceHealth> {
    return this.#get('v1/health', options);
  }

  /** Returns the service's counters since its start. */
  stats(options: CallOptions = {}): Promise<Stats> {
    return this.#get('v1/stats', options);
  }

  #get<T>(path: string, options: CallOptions): Promise<T> {
    return this.#http.json({ path, signal: options.signal });
  }

  #post<T>(path: string, body: object | string | null, options: CallOptions): Promise<T> {
    const text = typeof body === 'string' || body === null ? (body ?? 'null') : jsonText('the body', body);
    return this.#http.json({ method: 'POST', path, body: text, signal: options.signal });
  }

  /** Sends the items of one request, in more requests if the service's limits are lower. */
  async #sendItems(
    simulationId: string,
    items: Item[],
    verdicts: ItemVerdict[],
    options: CallOptions,
  ): Promise<void> {
    const [first] = items;
    if (first === undefined) return;
    if (!(first instanceof Submission)) return void verdicts.push(first);
    if (!first.fitsAList()) return void verdicts.push(await this.#recordSeparately(simulationId, first, options));
    const part = items as Submission[];
    try {
      return void verdicts.push(...(await this.#list(simulationId, part, options)));
    } catch (error) {
      if (!(error instanceof ArcError && error.status === 413)) throw error;
      // A single result that is too large has the verdict `failed`.
      if (part.length === 1) return void verdicts.push(failed(error));
      this.#limits.tooLarge(part, error);
    }
    const left = [...items];
    while (left.length > 0) {
      await this.#sendItems(simulationId, this.#limits.take(left), verdicts, options);
    }
  }

  /** Sends results as a list, with their documents byte for byte. */
  async #list(simulationId: string, part: Submission[], { signal }: CallOptions): Promise<ResultVerdict[]> {
    if (part.length === 0) return [];
    const lists = JSON.stringify(attributeLists(part));
    const body = `{"results":[${part.map(({ text }) => text).join(',')}]${lists === '{}' ? '' : ','}${lists.slice(1)}`;
    const call: Call = { method: 'POST', path: `${path(simulationId)}/outcomes`, body, signal };
    const { verdicts } = await this.#http.json<BatchVerdicts>(call);
    // The answer can be from a server that is not an Arc Recorder service.
    const count = (verdicts as ResultVerdict[] | undefined)?.length ?? 0;
    if (count !== part.length) {
      throw new ArcError(
        `the service returned ${count} verdicts for ${part.length} results`,
        'foreign_answer',
        false,
        { hint: 'check its version' },
      );
    }
    return verdicts;
  }

  async #recordOne(simulationId: string, submission: Submission, { signal }: CallOptions): Promise<ResultVerdict> {
    const { trial, modalCallId, sandboxId } = submission.options;
    const longIds = (modalCallId?.length ?? 0) + (sandboxId?.length ?? 0) > URL_IDS_CHARACTERS;
    if (submission.notFinite.length > 0 || (longIds && submission.fitsAList())) {
      // Non-finite numbers, and ids that are too long for a URL, are sent as lists in the body.
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
      path: `${path(simulationId)}/outcomes`,
      query: { trial, modal_call_id: modalCallId, sandbox_id: sandboxId },
      type: 'application/octet-stream',
      body: submission.text,
      signal,
    });
  }

  /** Records one of many results that cannot be in a list, and turns an error of the request into its verdict. */
  async #recordSeparately(simulationId: string, submission: Submission, options: CallOptions): Promise<ItemVerdict> {
    try {
      return await this.#recordOne(simulationId, submission, options);
    } catch (error) {
      if (!(error instanceof RejectedError)) {
        if (error instanceof ArcError && REQUEST_ERROR_STATUSES.has(error.status ?? 0)) return failed(error);
        throw error;
      }
      const { outcomeId, violations } = error;
      return { position: 0, outcome_id: outcomeId, verdict: 'rejected', violations: [...violations] };
    }
  }
}

/** Returns the lists of attributes parallel to the results, without the lists in which none has a value. */
function attributeLists(part: Submission[]): Record<string, unknown> {
  const some = (attribute: (submission: Submission) => unknown) => {
    const all = part.map((submission) => attribute(submission) ?? null);
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

/** Returns a UUIDv7. It does not use `crypto.randomUUID`, which pages without TLS do not have. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const time = Date.now().toString(16).padStart(12, '0');
  const variant = (8 + ((bytes[8] ?? 0) & 3)).toString(16);
  return [time.slice(0, 8), time.slice(8), `7${hex.slice(13, 16)}`, variant + hex.slice(17, 20), hex.slice(20)].join('-');
}
