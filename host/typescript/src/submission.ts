import { ArcError } from './errors.js';

/**
 * A result: JSON as text, which is kept byte for byte; any other value, which becomes JSON as
 * `JSON.stringify` makes it; or either with what belongs to it.
 */
export type Result = string | object | Submission;

/** What belongs to a result, where the result does not say it itself. */
export interface SubmissionOptions {
  /** Which trial of its scenario it is, from 1. Part of the outcome's identity. */
  trial?: number | undefined;
  /** The Modal function call of the run. */
  modalCallId?: string | undefined;
  /** The sandbox of the run. */
  sandboxId?: string | undefined;
}

/** A number that JSON cannot hold: the document has `null` in its place. */
export interface NotFinite {
  /** Where, in bytes. */
  offset: number;
  /** The same as a JSON Pointer. */
  path: string;
  number: string;
}

/** A result with what belongs to it, ready to be sent. */
export class Submission {
  /** The document: JSON text. */
  readonly text: string;
  readonly options: Readonly<SubmissionOptions>;
  /** The numbers that JSON cannot hold; the service warns of them, or refuses them as a score. */
  readonly notFinite: readonly NotFinite[];
  /** Whether the text was made here, and so is JSON. */
  readonly #made: boolean;
  #fitsAList: boolean | undefined;
  #bodyBytes: number | undefined;

  /**
   * @throws ArcError with the code `invalid_call` where the result cannot be JSON, or cannot be sent as
   * it is: half of a surrogate pair is no text in UTF-8.
   */
  constructor(result: string | object, options: SubmissionOptions = {}) {
    check(options);
    this.options = options;
    this.#made = typeof result !== 'string';
    if (typeof result === 'string') {
      wellFormed('the result', result);
      this.text = result;
      this.notFinite = [];
    } else {
      ({ text: this.text, notFinite: this.notFinite } = written(result));
    }
  }

  /** What is given to a call that records, as a submission. */
  static of(result: Result): Submission {
    return result instanceof Submission ? result : new Submission(result);
  }

  /** Whether it is found again as it is among others: an object from the first byte to the last. */
  fitsAList(): boolean {
    this.#fitsAList ??=
      this.text.startsWith('{') && this.text.endsWith('}') && (this.#made || isJson(this.text));
    return this.#fitsAList;
  }

  /** How many bytes of a body it takes, with what stands beside it in a list. */
  bodyBytes(): number {
    const { trial = null, modalCallId = null, sandboxId = null } = this.options;
    // Each has a comma.
    this.#bodyBytes ??=
      byteLength(this.text) + byteLength(JSON.stringify([trial, modalCallId, sandboxId, this.notFinite])) + 4;
    return this.#bodyBytes;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** How many bytes a text has in UTF-8. */
function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Refuses what belongs to a result and could not be recorded as it is. */
function check({ trial, modalCallId, sandboxId }: SubmissionOptions): void {
  // A service refuses a whole request with a trial that is no number of one.
  if (trial != null && !(Number.isInteger(trial) && trial >= 0 && trial < 2 ** 32)) {
    throw invalid(`trial is ${trial}; it must be a whole number from 1`);
  }
  for (const [name, id] of Object.entries({ modalCallId, sandboxId })) {
    if (id == null) continue;
    if (typeof id !== 'string') throw invalid(`${name} is a ${typeof id}; it must be a string`);
    wellFormed(name, id);
  }
}

/** Refuses text that UTF-8 cannot hold: what sends it would put another character in its place. */
export function wellFormed(what: string, text: string): void {
  // Much faster, where it is known.
  if ((text as { isWellFormed?(): boolean }).isWellFormed?.() === true) return;
  const at = text.search(/\p{Surrogate}/u);
  if (at >= 0) {
    throw invalid(`${what} has half of a surrogate pair at ${at}, which is no character; write it as an escape of JSON`);
  }
}

function invalid(message: string): ArcError {
  return new ArcError(message, 'invalid_call', false);
}

/**
 * A value as JSON text, where there is nothing in it that JSON cannot hold.
 *
 * @throws ArcError with the code `invalid_call` where there is.
 */
export function jsonText(what: string, value: object): string {
  const { text, notFinite } = written(value, what);
  const [first] = notFinite;
  if (first !== undefined) {
    throw invalid(`${what} has ${first.number} at ${first.path}, which JSON cannot hold; leave it out`);
  }
  return text;
}

/** Stands for a number that JSON cannot hold until the text is there; no document has it. */
const MARK = `\u0001${Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-')}\u0001`;

function written(result: object, what = 'the result'): { text: string; notFinite: NotFinite[] } {
  const found: Omit<NotFinite, 'offset'>[] = [];
  const paths = new Map<unknown, string>();
  function mark(this: unknown, key: string, value: unknown): unknown {
    const above = paths.get(this);
    // The outermost value is in an object of JSON.stringify's own.
    const path = above === undefined ? '' : `${above}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (typeof value === 'object' && value !== null) paths.set(value, path);
    if (typeof value !== 'number' || Number.isFinite(value)) return value;
    found.push({ path, number: String(value) });
    return MARK;
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(result, mark);
  } catch (cause) {
    throw new ArcError(`${what} cannot be JSON: ${(cause as Error).message}`, 'invalid_call', false, { cause });
  }
  if (text === undefined) {
    throw new ArcError(`${what} cannot be JSON: it is a ${typeof result}`, 'invalid_call', false);
  }
  if (found.length === 0) return { text, notFinite: [] };
  const [first = '', ...rest] = text.split(JSON.stringify(MARK));
  const length = (part: string) => new TextEncoder().encode(part).length;
  let offset = length(first);
  const notFinite = rest.map((part, place): NotFinite => {
    const { path, number } = found[place] as Omit<NotFinite, 'offset'>;
    const here = { offset, path, number };
    offset += 'null'.length + length(part);
    return here;
  });
  return { text: [first, ...rest].join('null'), notFinite };
}
