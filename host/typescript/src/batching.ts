import type { ItemVerdict } from './bodies.js';
import { ArcError } from './errors.js';
import { sleep } from './http.js';
import type { Signal } from './platform.js';
import { Submission } from './submission.js';
import type { Result } from './submission.js';

/** A result to send, or the verdict on one that cannot be sent. */
export type Item = Submission | ItemVerdict;

/** The limits of one request. As much again is buffered while it is in flight. */
const REQUEST_RESULTS = 250;
const REQUEST_BYTES = 4 << 20;

/** The bytes of a body besides its results: the names of its members and its brackets. */
const BODY_OVERHEAD_BYTES = 128;

/** How long results of a synchronous source are gathered before the first of them is sent, in milliseconds. */
const GATHER_MS = 10;

/** How often other tasks can run while a source is synchronous, in milliseconds. */
const YIELD_INTERVAL_MS = 20;

/** The limits of a request. They are lowered when the service refuses a request as too large. */
export class RequestLimits {
  #results = REQUEST_RESULTS;
  #bytes = REQUEST_BYTES;

  /** Takes the next items for one request: at least one, if there are any. */
  take(items: Item[]): Item[] {
    let bytes = BODY_OVERHEAD_BYTES;
    let count = 0;
    for (const item of items) {
      // A result that cannot be in a list is sent separately, and a verdict is not sent at all.
      const separate = !(item instanceof Submission && item.fitsAList());
      bytes += size(item);
      if (count > 0 && (separate || count >= this.#results || bytes > this.#bytes)) break;
      count += 1;
      if (separate) break;
    }
    return items.splice(0, count);
  }

  /** Returns whether the buffer is full. */
  full(items: Item[], bytes: number): boolean {
    return items.length >= REQUEST_RESULTS || bytes >= REQUEST_BYTES;
  }

  /** Lowers the limits after a request that was too large. */
  tooLarge(sent: Submission[], { code, problem }: ArcError): void {
    const limit = problem?.limit ?? Infinity;
    if (code === 'too_many_results') {
      this.#results = Math.max(1, Math.min(this.#results, sent.length - 1, limit));
      return;
    }
    const bytes = sent.reduce((sum, submission) => sum + size(submission), BODY_OVERHEAD_BYTES);
    // The error can be from a proxy in front of the service, which reports no limit.
    const lower = code === 'body_too_large' && limit < bytes ? limit : Math.floor(bytes / 2);
    this.#bytes = Math.min(this.#bytes, lower);
  }
}

/** Returns the number of bytes that an item takes in a body. */
export function size(item: Item): number {
  return item instanceof Submission ? item.bodyBytes() : 0;
}

/** The next event of a source: a result, its end, or an error. */
type SourceEvent = { value: Result } | { end: true } | { error: unknown };

/** Reads results from a synchronous or asynchronous iterable. */
class Source {
  readonly #iterator: Iterator<Result | PromiseLike<Result>> | AsyncIterator<Result>;
  /** The event that was requested, has arrived, and is not taken yet. */
  #event: SourceEvent | undefined;
  #requested = false;
  #ended = false;
  /** Whether reading a result blocks all other tasks. */
  blocks = false;

  constructor(results: Iterable<Result> | AsyncIterable<Result>) {
    const iterable = results as Partial<AsyncIterable<Result>> & Iterable<Result>;
    this.#iterator = iterable[Symbol.asyncIterator]?.() ?? iterable[Symbol.iterator]();
  }

  /** Requests the next result, unless it was already requested. Calls `onEvent` if it arrives later. */
  request(onEvent: () => void): void {
    if (this.#requested || this.#ended) return;
    this.#requested = true;
    const begun = Date.now();
    try {
      const answer = this.#iterator.next();
      if (isPromise(answer)) this.#later(answer, onEvent);
      else if (answer.done === true) this.#event = { end: true };
      else if (isPromise(answer.value)) {
        const value = answer.value;
        this.#later(Promise.resolve(value).then((value) => ({ done: false, value })), onEvent);
      } else this.#event = { value: answer.value };
    } catch (error) {
      this.#event = { error };
    }
    this.blocks = Date.now() - begun > GATHER_MS;
  }

  /** Takes the event that has arrived, if any. */
  take(): SourceEvent | undefined {
    const event = this.#event;
    if (event !== undefined) {
      [this.#event, this.#requested] = [undefined, false];
      this.#ended = !('value' in event);
    }
    return event;
  }

  /** Closes the source. It does not wait for a result that was requested. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const awaited = this.#requested && this.#event === undefined;
    try {
      const returned = Promise.resolve(this.#iterator.return?.());
      if (awaited) returned.catch(() => undefined);
      else await returned;
    } catch {
      // The reason for which the source is closed takes precedence.
    }
  }

  #later(answer: PromiseLike<IteratorResult<Result>>, onEvent: () => void): void {
    const arrived = (event: SourceEvent) => {
      this.#event = event;
      onEvent();
    };
    answer.then(
      (answer) => {
        try {
          const { done, value } = answer;
          arrived(done === true ? { end: true } : { value: value as Result });
        } catch (error) {
          // The answer is not an iterator result, or its members throw.
          arrived({ error });
        }
      },
      (error: unknown) => arrived({ error }),
    );
  }
}

function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as Partial<PromiseLike<T>> | null)?.then === 'function';
}

/**
 * Sends the items of one request, and appends the verdict on each. If it throws after some of them, their
 * verdicts are kept.
 */
export type Send = (items: Item[], verdicts: ItemVerdict[]) => Promise<void>;

/** The verdicts on the items of one request, or on the first of them and the error of the others. */
type Answer = { verdicts: ItemVerdict[]; failed?: { error: unknown } };

/**
 * Sends the results of a source in batches: at once while no request is in flight, and otherwise together
 * with the results that have arrived meanwhile. Yields the verdicts in the order of the results. The results
 * that a source has yielded before it failed are sent before its error is thrown.
 */
export class ResultBatcher {
  readonly #source: Source;
  readonly #limits: RequestLimits;
  readonly #send: Send;
  readonly #signal: Signal | undefined;
  readonly #items: Item[] = [];
  #bytes = 0;
  /** The last event of the source. */
  #end: SourceEvent | undefined;
  #inFlight = false;
  /** The answer to the request in flight. */
  #answer: Answer | undefined;
  /** Resumes the loop after an event. `Promise.race` on long-lived promises would leak memory in each race. */
  #wake = (): void => undefined;

  constructor(
    results: Iterable<Result> | AsyncIterable<Result>,
    limits: RequestLimits,
    send: Send,
    signal: Signal | undefined,
  ) {
    this.#source = new Source(results);
    this.#limits = limits;
    this.#send = send;
    this.#signal = signal;
  }

  /** Yields the verdicts. */
  async *verdicts(): AsyncGenerator<ItemVerdict, void, void> {
    const signal = this.#signal;
    const woken = () => this.#wake();
    signal?.addEventListener('abort', woken);
    let yielded = Date.now();
    try {
      for (;;) {
        signal?.throwIfAborted();
        const verdicts = this.#answered();
        // Verdicts do not wait for a source that blocks all other tasks.
        if (verdicts.length === 0 || !this.#source.blocks) {
          this.#gather(woken);
          this.#sendNext();
        }
        if (verdicts.length > 0) {
          yield* verdicts;
        } else if (this.#end !== undefined && !this.#inFlight) {
          if ('error' in this.#end) throw this.#end.error;
          return;
        } else if (Date.now() - yielded > YIELD_INTERVAL_MS) {
          await sleep(0, undefined);
          yielded = Date.now();
        } else {
          await new Promise<void>((resolve) => (this.#wake = resolve));
        }
      }
    } finally {
      signal?.removeEventListener('abort', woken);
      const stopped = this.#source.stop();
      // An aborted call does not wait.
      if (signal?.aborted !== true) await stopped;
    }
  }

  /** Returns the verdicts on the request in flight, if it has an answer. */
  #answered(): ItemVerdict[] {
    const answer = this.#answer;
    if (answer === undefined) return [];
    const { verdicts, failed } = answer;
    if (failed !== undefined) {
      if (verdicts.length === 0) throw failed.error;
      // The verdicts before the error are returned first.
      this.#answer = { verdicts: [], failed };
      return verdicts;
    }
    this.#answer = undefined;
    this.#inFlight = false;
    return verdicts;
  }

  /** Takes results from the source until the buffer is full. */
  #gather(woken: () => void): void {
    const begun = Date.now();
    while (this.#end === undefined && !this.#limits.full(this.#items, this.#bytes)) {
      // A source that blocks all other tasks is read between requests.
      if (this.#source.blocks && (this.#inFlight || this.#items.length > 0)) return;
      this.#source.request(woken);
      const event = this.#source.take();
      if (event === undefined) return;
      if (!('value' in event)) {
        this.#end = event;
        return;
      }
      const item = asItem(event.value);
      this.#items.push(item);
      this.#bytes += size(item);
      if (Date.now() - begun > GATHER_MS) return;
    }
  }

  #sendNext(): void {
    if (this.#inFlight || this.#items.length === 0) return;
    const part = this.#limits.take(this.#items);
    this.#bytes = this.#items.reduce((sum, item) => sum + size(item), 0);
    this.#inFlight = true;
    const verdicts: ItemVerdict[] = [];
    const answered = (answer: Answer) => {
      this.#answer = answer;
      this.#wake();
    };
    this.#send(part, verdicts).then(
      () => answered({ verdicts }),
      (error: unknown) => answered({ verdicts, failed: { error } }),
    );
  }
}

/** Returns a result as a submission, or the verdict on one that cannot be sent. */
function asItem(result: Result): Item {
  try {
    return Submission.of(result);
  } catch (error) {
    if (!(error instanceof ArcError)) throw error;
    return failed(error);
  }
}

/** Returns the verdict on a result that was not recorded and that no retry can record. */
export function failed({ message, hint }: ArcError): ItemVerdict {
  const reason = hint === undefined ? { message } : { message, hint };
  return { position: 0, outcome_id: null, verdict: 'failed', retryable: false, ...reason };
}
