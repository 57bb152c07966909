import type { ItemVerdict } from './bodies.js';
import { ArcError } from './errors.js';
import { sleep } from './http.js';
import { Submission } from './submission.js';
import type { Result } from './submission.js';

/** A result to be sent, or the verdict on one that cannot be. */
export type Item = Submission | ItemVerdict;

/** How much goes into one request. As much again is gathered while it is under way. */
const REQUEST_RESULTS = 250;
const REQUEST_BYTES = 4 << 20;

/** What a body has besides: the names of its members and its brackets. */
const BODY_BYTES = 128;

/** How long what a source has at once is gathered before the first of it is sent, in milliseconds. */
const AT_ONCE_MS = 10;

/** After how long others have their turn, while a source is never waited for, in milliseconds. */
const TURN_MS = 20;

/** How much a request may have. A service that takes less says so, and is asked for no more again. */
export class Portions {
  #results = REQUEST_RESULTS;
  #bytes = REQUEST_BYTES;

  /** Takes the next items that go in one request: one at least, where there is any. */
  take(items: Item[]): Item[] {
    let bytes = BODY_BYTES;
    let count = 0;
    for (const item of items) {
      // What would break a list goes apart, and what cannot be sent does not go at all.
      const apart = !(item instanceof Submission && item.fitsAList());
      bytes += size(item);
      if (count > 0 && (apart || count >= this.#results || bytes > this.#bytes)) break;
      count += 1;
      if (apart) break;
    }
    return items.splice(0, count);
  }

  /** Whether nothing more is gathered. */
  full(items: Item[], bytes: number): boolean {
    return items.length >= REQUEST_RESULTS || bytes >= REQUEST_BYTES;
  }

  /** Learns that these were too many for one request, so that fewer go in the next. */
  tooLarge(sent: Submission[], { code, problem }: ArcError): void {
    const limit = problem?.limit ?? Infinity;
    if (code === 'too_many_results') {
      this.#results = Math.max(1, Math.min(this.#results, sent.length - 1, limit));
      return;
    }
    const bytes = sent.reduce((sum, submission) => sum + size(submission), BODY_BYTES);
    // Something before the service may have said it, which names no limit.
    const fewer = code === 'body_too_large' && limit < bytes ? limit : Math.floor(bytes / 2);
    this.#bytes = Math.min(this.#bytes, fewer);
  }
}

/** How many bytes of a body an item takes. */
export function size(item: Item): number {
  return item instanceof Submission ? item.bodyBytes() : 0;
}

/** What a source has given: a result, its end, or an error. */
type Given = { value: Result } | { end: true } | { error: unknown };

/** Results as they come, from whatever gives them. */
class Source {
  readonly #iterator: Iterator<Result | PromiseLike<Result>> | AsyncIterator<Result>;
  /** What was asked for, has come, and is not taken yet. */
  #given: Given | undefined;
  #asked = false;
  #over = false;
  /** Whether asking for a result keeps everything else from going on. */
  blocks = false;

  constructor(results: Iterable<Result> | AsyncIterable<Result>) {
    const iterable = results as Partial<AsyncIterable<Result>> & Iterable<Result>;
    this.#iterator = iterable[Symbol.asyncIterator]?.() ?? iterable[Symbol.iterator]();
  }

  /** Asks for the next result, unless that was done. `come` is called when it comes later. */
  ask(come: () => void): void {
    if (this.#asked || this.#over) return;
    this.#asked = true;
    const begun = Date.now();
    try {
      const answer = this.#iterator.next();
      if (isPromise(answer)) this.#later(answer, come);
      else if (answer.done === true) this.#given = { end: true };
      else if (isPromise(answer.value)) {
        const value = answer.value;
        this.#later(Promise.resolve(value).then((value) => ({ done: false, value })), come);
      } else this.#given = { value: answer.value };
    } catch (error) {
      this.#given = { error };
    }
    this.blocks = Date.now() - begun > AT_ONCE_MS;
  }

  /** What has come, once. */
  take(): Given | undefined {
    const given = this.#given;
    if (given !== undefined) {
      [this.#given, this.#asked] = [undefined, false];
      this.#over = !('value' in given);
    }
    return given;
  }

  /** Says that nothing more is wanted. What is still awaited is not waited for. */
  async stop(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    const awaited = this.#asked && this.#given === undefined;
    try {
      const returned = Promise.resolve(this.#iterator.return?.());
      if (awaited) returned.catch(() => undefined);
      else await returned;
    } catch {
      // Why nothing more is wanted is what counts.
    }
  }

  #later(answer: PromiseLike<IteratorResult<Result>>, come: () => void): void {
    const given = (given: Given) => {
      this.#given = given;
      come();
    };
    answer.then(
      (answer) => {
        try {
          const { done, value } = answer;
          given(done === true ? { end: true } : { value: value as Result });
        } catch (error) {
          // What has come is no answer of an iterator, or is one that throws.
          given({ error });
        }
      },
      (error: unknown) => given({ error }),
    );
  }
}

function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as Partial<PromiseLike<T>> | null)?.then === 'function';
}

/**
 * What sends a request's worth of items, and adds the verdict on each. An error after some of them
 * leaves their verdicts there.
 */
export type Send = (items: Item[], verdicts: ItemVerdict[]) => Promise<void>;

/** The verdicts on a request's worth of items, or on the first of them, and why there are no more. */
type Answer = { verdicts: ItemVerdict[]; failed?: { error: unknown } };

/**
 * Sends results as they come: at once while no request is under way, and together with what has come
 * meanwhile when one was. Gives the verdicts in the results' order. What a source has given before it
 * failed is sent before its error is thrown.
 */
export class Gathering {
  readonly #source: Source;
  readonly #portions: Portions;
  readonly #send: Send;
  readonly #signal: AbortSignal | undefined;
  readonly #items: Item[] = [];
  #bytes = 0;
  /** How the source has ended. */
  #end: Given | undefined;
  #underWay = false;
  /** The answer to what was under way. */
  #answer: Answer | undefined;
  /** What goes on when something has happened: racing long-lived promises would keep something of each race. */
  #wake = (): void => undefined;

  constructor(
    results: Iterable<Result> | AsyncIterable<Result>,
    portions: Portions,
    send: Send,
    signal: AbortSignal | undefined,
  ) {
    this.#source = new Source(results);
    this.#portions = portions;
    this.#send = send;
    this.#signal = signal;
  }

  /** The verdicts. */
  async *verdicts(): AsyncGenerator<ItemVerdict, void, void> {
    const signal = this.#signal;
    const woken = () => this.#wake();
    signal?.addEventListener('abort', woken);
    let turn = Date.now();
    try {
      for (;;) {
        signal?.throwIfAborted();
        const verdicts = this.#answered();
        // Verdicts do not wait for a source that keeps everything else from going on.
        if (verdicts.length === 0 || !this.#source.blocks) {
          this.#gather(woken);
          this.#sendNext();
        }
        if (verdicts.length > 0) {
          yield* verdicts;
        } else if (this.#end !== undefined && !this.#underWay) {
          if ('error' in this.#end) throw this.#end.error;
          return;
        } else if (Date.now() - turn > TURN_MS) {
          await sleep(0, undefined);
          turn = Date.now();
        } else {
          await new Promise<void>((resolve) => (this.#wake = resolve));
        }
      }
    } finally {
      signal?.removeEventListener('abort', woken);
      const stopped = this.#source.stop();
      // Whoever stops everything waits for nothing.
      if (signal?.aborted !== true) await stopped;
    }
  }

  /** The verdicts on what was under way, if they are there. */
  #answered(): ItemVerdict[] {
    const answer = this.#answer;
    if (answer === undefined) return [];
    const { verdicts, failed } = answer;
    if (failed !== undefined) {
      if (verdicts.length === 0) throw failed.error;
      // The error follows what was recorded before it.
      this.#answer = { verdicts: [], failed };
      return verdicts;
    }
    this.#answer = undefined;
    this.#underWay = false;
    return verdicts;
  }

  /** Takes what the source has, as far as there is room for it. */
  #gather(woken: () => void): void {
    const begun = Date.now();
    while (this.#end === undefined && !this.#portions.full(this.#items, this.#bytes)) {
      // What keeps everything else from going on is asked between requests.
      if (this.#source.blocks && (this.#underWay || this.#items.length > 0)) return;
      this.#source.ask(woken);
      const given = this.#source.take();
      if (given === undefined) return;
      if (!('value' in given)) {
        this.#end = given;
        return;
      }
      const item = asItem(given.value);
      this.#items.push(item);
      this.#bytes += size(item);
      if (Date.now() - begun > AT_ONCE_MS) return;
    }
  }

  #sendNext(): void {
    if (this.#underWay || this.#items.length === 0) return;
    const part = this.#portions.take(this.#items);
    this.#bytes = this.#items.reduce((sum, item) => sum + size(item), 0);
    this.#underWay = true;
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

/** A result as a submission, or the verdict on one that cannot be sent. */
function asItem(result: Result): Item {
  try {
    return Submission.of(result);
  } catch (error) {
    if (!(error instanceof ArcError)) throw error;
    return failed(error);
  }
}

/** The verdict on a result that was not recorded, and would not be if it were sent again. */
export function failed({ message, hint }: ArcError): ItemVerdict {
  const why = hint === undefined ? { message } : { message, hint };
  return { position: 0, outcome_id: null, verdict: 'failed', retryable: false, ...why };
}
