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

  /** @throws ArcError with the code `invalid_call` where the result cannot be JSON. */
  constructor(result: string | object, options: SubmissionOptions = {}) {
    this.options = options;
    this.#made = typeof result !== 'string';
    if (typeof result === 'string') {
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
    if (!this.text.startsWith('{') || !this.text.endsWith('}')) return false;
    if (this.#made) return true;
    try {
      JSON.parse(this.text);
      return true;
    } catch {
      return false;
    }
  }
}

/** Stands for a number that JSON cannot hold until the text is there; no document has it. */
const MARK = `\u0001${Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-')}\u0001`;

function written(result: object): { text: string; notFinite: NotFinite[] } {
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
    throw new ArcError(`the result cannot be JSON: ${(cause as Error).message}`, 'invalid_call', false, { cause });
  }
  if (text === undefined) {
    throw new ArcError(`the result cannot be JSON: it is a ${typeof result}`, 'invalid_call', false);
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
