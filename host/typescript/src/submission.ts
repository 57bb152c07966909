import { ArcError } from './errors.js';

/**
 * A result: JSON text, which is stored byte for byte; any other value, which is serialized by
 * `JSON.stringify`; or a submission of either with attributes.
 */
export type Result = string | object | Submission;

/** The attributes of a result that are not part of its document. */
export interface SubmissionOptions {
  /** The trial of its scenario, from 1. It is part of the outcome's identity. */
  trial?: number | undefined;
  /** The Modal function call of the run. */
  modalCallId?: string | undefined;
  /** The sandbox of the run. */
  sandboxId?: string | undefined;
}

/** A number that JSON cannot represent: the document has `null` in its place. */
export interface NotFinite {
  /** Its position in the document, in bytes. */
  offset: number;
  /** Its position as a JSON Pointer. */
  path: string;
  number: string;
}

/** A result with its attributes, ready to be sent. */
export class Submission {
  /** The document as JSON text. */
  readonly text: string;
  readonly options: Readonly<SubmissionOptions>;
  /** The numbers that JSON cannot represent, which are absent. The service adds a warning for each. */
  readonly notFinite: readonly NotFinite[];
  /** Whether the text was generated here, and so is valid JSON. */
  readonly #generated: boolean;
  #fitsAList: boolean | undefined;
  #bodyBytes: number | undefined;

  /**
   * @throws ArcError with the code `invalid_call` if the result cannot be converted to JSON, or has a lone
   * surrogate, which UTF-8 cannot represent.
   */
  constructor(result: string | object, options: SubmissionOptions = {}) {
    check(options);
    this.options = options;
    this.#generated = typeof result !== 'string';
    if (typeof result === 'string') {
      wellFormed('the result', result);
      this.text = result;
      this.notFinite = [];
    } else {
      ({ text: this.text, notFinite: this.notFinite } = written(result));
    }
  }

  /** Returns the argument of a recording call as a submission. */
  static of(result: Result): Submission {
    return result instanceof Submission ? result : new Submission(result);
  }

  /** Returns whether it can be in a list: the text must be exactly one JSON object. */
  fitsAList(): boolean {
    this.#fitsAList ??=
      this.text.startsWith('{') && this.text.endsWith('}') && (this.#generated || isJson(this.text));
    return this.#fitsAList;
  }

  /** Returns the number of bytes that it takes in a body, with its attributes in a list. */
  bodyBytes(): number {
    const { trial = null, modalCallId = null, sandboxId = null } = this.options;
    // Each value has a comma.
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

/** Returns the length of a text in UTF-8. */
function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Throws if an attribute cannot be recorded unchanged. */
function check({ trial, modalCallId, sandboxId }: SubmissionOptions): void {
  // The service would refuse the whole request because of an invalid trial.
  if (trial != null && !(Number.isInteger(trial) && trial >= 0 && trial < 2 ** 32)) {
    throw invalid(`invalid trial: ${trial} (expected an integer from 1)`);
  }
  for (const [name, id] of Object.entries({ modalCallId, sandboxId })) {
    if (id == null) continue;
    if (typeof id !== 'string') throw invalid(`${name} is a ${typeof id} (expected a string)`);
    wellFormed(name, id);
  }
}

/** Throws if UTF-8 cannot represent a text, because encoding it would replace characters. */
export function wellFormed(what: string, text: string): void {
  // Much faster, if the environment supports it.
  if ((text as { isWellFormed?(): boolean }).isWellFormed?.() === true) return;
  const at = text.search(/\p{Surrogate}/u);
  if (at >= 0) {
    throw invalid(`${what} has a lone surrogate at ${at}, which UTF-8 cannot represent; escape it in the JSON text`);
  }
}

function invalid(message: string): ArcError {
  return new ArcError(message, 'invalid_call', false);
}

/**
 * Returns a value as JSON text.
 *
 * @throws ArcError with the code `invalid_call` if JSON cannot represent it.
 */
export function jsonText(what: string, value: object): string {
  const { text, notFinite } = written(value, what);
  const [first] = notFinite;
  if (first !== undefined) {
    throw invalid(`${what} has ${first.number} at ${first.path}, which JSON cannot represent; omit it`);
  }
  return text;
}

/**
 * Returns a suite's summary as text. A number that JSON cannot represent keeps its name, as many programs write
 * it, so that the service reads it as absent, with a warning.
 *
 * @throws ArcError with the code `invalid_call` if JSON cannot represent the summary.
 */
export function summaryText(suite: object): string {
  const { parts, found } = marked(suite, "the suite's summary");
  return parts.reduce((text, part, index) => text + (found[index - 1]?.number ?? '') + part);
}

/** See {@link placeholder}. Cloudflare Workers have no random numbers while modules are loaded. */
let randomPlaceholder: string | undefined;

/** Returns a random placeholder, which no document contains, for numbers that JSON cannot represent. */
function placeholder(): string {
  randomPlaceholder ??= `\u0001${Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-')}\u0001`;
  return randomPlaceholder;
}

/** A number that JSON cannot represent, and its position as a JSON Pointer. */
type NotFiniteNumber = Omit<NotFinite, 'offset'>;

/** Returns the parts of the text around the numbers that JSON cannot represent, and these numbers. */
function marked(result: object, what: string): { parts: string[]; found: NotFiniteNumber[] } {
  const found: NotFiniteNumber[] = [];
  const paths = new Map<unknown, string>();
  function mark(this: unknown, key: string, value: unknown): unknown {
    const parent = paths.get(this);
    // JSON.stringify wraps the outermost value in an object.
    const path = parent === undefined ? '' : `${parent}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (typeof value === 'object' && value !== null) paths.set(value, path);
    if (typeof value !== 'number' || Number.isFinite(value)) return value;
    found.push({ path, number: String(value) });
    return placeholder();
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(result, mark);
  } catch (cause) {
    throw new ArcError(`${what} cannot be converted to JSON: ${(cause as Error).message}`, 'invalid_call', false, { cause });
  }
  if (text === undefined) {
    throw new ArcError(`${what} cannot be converted to JSON: it is a ${typeof result}`, 'invalid_call', false);
  }
  return { parts: found.length === 0 ? [text] : text.split(JSON.stringify(placeholder())), found };
}

function written(result: object, what = 'the result'): { text: string; notFinite: NotFinite[] } {
  const { parts, found } = marked(result, what);
  let offset = 0;
  const notFinite = found.map((number, index): NotFinite => {
    offset += byteLength(parts[index] ?? '');
    const entry = { offset, ...number };
    offset += 'null'.length;
    return entry;
  });
  return { text: parts.join('null'), notFinite };
}
