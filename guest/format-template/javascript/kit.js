// The common code of all formats: the exports of the world `arc:recording/extractor` made from a few functions, and a
// reader of JSON that collects violations. There is seldom a reason to change it; start with format.js.

import { elementSpans, findSpan, isDeeper, utf8Length, withNullForNaN } from './spans.js';

/** The longest accepted document, in bytes, and the deepest nesting; the same limits as the host's. */
const MAX_DOCUMENT_BYTES = 16 << 20;
const MAX_DEPTH = 128;

/** The longest id of a scenario and the longest error code, in bytes of UTF-8. */
const MAX_ID_BYTES = 512;
const MAX_CODE_BYTES = 128;

/** The defaults of each record of `wit/types.wit`, so that a format returns only the members that it has. */
const PLANNED = { trial: undefined, runId: undefined, place: undefined, revisedAt: undefined };

const SCORE = { value: undefined, label: undefined, lowest: undefined, highest: undefined, explanation: undefined };

const INVALIDATION = { author: undefined, reason: undefined, at: undefined };

const ORIGIN = {
  models: [], provider: undefined, agent: undefined, agentVersion: undefined, task: undefined, taskVersion: undefined,
  dataset: undefined, datasetVersion: undefined, tool: undefined, toolVersion: undefined,
};

const TOKEN_USAGE = {
  role: undefined, model: undefined, uncachedInputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, outputTokens: 0,
  reasoningTokens: 0, totalTokens: 0, costUsd: undefined, discarded: false,
};

const OUTCOME = {
  trial: undefined, scores: [], headline: undefined, grade: undefined, invalidation: undefined,
  executionTime: undefined, executionTimeMs: 0, tokensUsed: 0, promptTokens: 0, completionTokens: 0, costUsd: 0,
  usage: [], eventCount: 0, errorCode: undefined, errorMessage: undefined, errorCategory: undefined,
  failureClass: undefined, failureRule: undefined, modalCallId: undefined,
  sandboxId: undefined, trajectory: undefined, detailedTrajectory: undefined, dimensions: undefined,
  key: undefined, place: undefined, revisedAt: undefined, discardedTokens: 0, discardedCostUsd: 0,
};

const METRIC = {
  unit: undefined, lowest: undefined, highest: undefined, higherIsBetter: undefined, kind: undefined,
  passThreshold: undefined, headline: false,
};

const FIGURE = {
  value: undefined, standardError: undefined, aggregation: 'not-comparable', missing: 'exclude', tolerance: undefined,
  headline: false,
};

const RUN = {
  runId: undefined, status: undefined, statusReason: undefined, createdAt: undefined, revisedAt: undefined,
  startedAt: undefined, completedAt: undefined, plannedResults: undefined, reportedResults: undefined, totalTokens: undefined,
  totalCostUsd: undefined, metrics: [], figures: [],
};

const SUITE = {
  averageReliabilityScore: undefined, totalCostUsd: undefined, executionTimeMs: undefined, successfulRuns: undefined,
  totalTokensUsed: undefined, averageExecutionTimeMs: undefined, averageDimensionScores: [], speedupFactor: undefined,
};

/** A document with its violations, and with its warnings about assumed or replaced values. */
export class Reader {
  constructor(text) {
    this.json = text;
    this.violations = [];
    this.warnings = [];
    // The engine's stack is small, and a document that overflows it ends the component.
    if (isDeeper(text, MAX_DEPTH)) {
      throw [{ path: '', code: 'too_deep', message: `objects and arrays are nested deeper than ${MAX_DEPTH}` }];
    }
    try {
      this.value = JSON.parse(text);
    } catch (error) {
      // Python and others write `NaN` as a number; it is read as null, which means absent.
      const [clean, count] = withNullForNaN(text);
      try {
        if (count === 0) throw error;
        this.value = JSON.parse(clean);
      } catch {
        throw [{ path: '', code: 'malformed_json', message: `the text is not JSON: ${error.message}` }];
      }
      this.warning('', 'not_finite', `${count} numbers that are not finite are read as absent; the document is unchanged`);
    }
  }

  violation(path, code, message) {
    this.violations.push({ path, code, message });
  }

  warning(path, code, message) {
    this.warnings.push({ path, code, message });
  }

  /** Returns the value at a JSON Pointer; undefined if it is missing or null. */
  at(path) {
    let value = this.value;
    for (const name of segments(path)) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
      value = value[name];
    }
    return value ?? undefined;
  }

  /** Reads a text; characters that PostgreSQL cannot store (NUL, half a surrogate pair) are replaced, with a warning. */
  text(path) {
    const found = this.#typed(path, 'string', 'a string');
    if (found === undefined) return undefined;
    const kept = storable(found);
    if (kept !== found) this.warning(path, 'text_replaced', 'NUL or a lone surrogate was replaced by U+FFFD');
    return kept;
  }

  /** Reads a number of at least 0. */
  amount(path) {
    return this.#within(path, 0, Number.MAX_VALUE, '0 or more');
  }

  /** Reads a whole number. */
  count(path, least, most) {
    const found = this.#within(path, least, most, `a whole number from ${least} to ${most}`);
    if (found === undefined || Number.isInteger(found)) return found;
    this.violation(path, 'not_an_integer', `expected a whole number, found ${found}`);
    return undefined;
  }

  /** Reads any finite number, unchanged; any other value is left out, with a warning. */
  number(path) {
    const found = this.at(path);
    if (Number.isFinite(found)) return found + 0;
    if (found !== undefined) this.warning(path, 'wrong_type', `expected a number, found ${kind(found)}; it is left out`);
    return undefined;
  }

  /** Reads a text that is not essential; any other value is left out, with a warning. */
  label(path) {
    if (typeof this.at(path) === 'string') return this.text(path);
    const found = this.at(path);
    if (found !== undefined) this.warning(path, 'wrong_type', `expected a string, found ${kind(found)}; it is left out`);
    return undefined;
  }

  /** Returns the position of the value at a JSON Pointer, in bytes; undefined if it is missing or null. */
  span(path) {
    return this.at(path) === undefined ? undefined : findSpan(this.json, segments(path));
  }

  #typed(path, type, expected) {
    const found = this.at(path);
    if (found === undefined || typeof found === type) return found;
    this.violation(path, 'wrong_type', `expected ${expected}, found ${kind(found)}`);
    return undefined;
  }

  #within(path, least, most, expected) {
    const found = this.#typed(path, 'number', 'a number');
    // Adding 0 turns -0 into 0, so that no row ever shows a minus sign.
    if (found === undefined || (found >= least && found <= most)) return found === undefined ? found : found + 0;
    this.violation(path, 'out_of_range', `expected ${expected}, found ${found}`);
    return undefined;
  }
}

/** Labels whose meaning is the same everywhere; the same as in `guest/format-kit/src/score.rs`. */
const LABELS = {
  1: ['pass', 'passed', 'correct', 'true', 'yes', 'success', 'relevant', 'factual', 'grounded', 'safe', 'good'],
  0: ['fail', 'failed', 'incorrect', 'false', 'no', 'failure', 'irrelevant', 'hallucinated', 'ungrounded', 'unsafe', 'bad'],
};

/** Returns the value of a label, on the scale from 0 to 1; undefined if its meaning is not known. */
export function valueOfLabel(label) {
  const name = label.trim().toLowerCase().replaceAll(/[ -]/g, '_');
  const known = (name) => [1, 0].find((value) => LABELS[value].includes(name));
  const opposite = name.startsWith('not_') ? known(name.slice(4)) : undefined;
  return known(name) ?? (opposite === undefined ? undefined : 1 - opposite);
}

/** Returns an RFC 3339 time in UTC with microseconds; undefined for any other text. */
export function inUtc(text) {
  const time = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)$/.exec(text ?? '');
  if (time === null) return undefined;
  const [, date, clock, fraction = '', offset] = time;
  const milliseconds = Date.parse(`${date}T${clock}${offset.toUpperCase()}`);
  // A day that its month does not have is not valid, even if an engine accepts it.
  const days = new Date(Date.UTC(...date.split('-').map((part, place) => part - (place === 1 ? 1 : 0)))).getUTCDate();
  if (Number.isNaN(milliseconds) || days !== Number(date.slice(8)) || date.startsWith('0000')) return undefined;
  return `${new Date(milliseconds).toISOString().slice(0, 19)}.${fraction.padEnd(6, '0').slice(0, 6)}Z`;
}

/** The patterns of an error text, in the order in which they are tried; the same as in `guest/format-kit/src/failure.rs`. */
const SIGNS = {
  timeout: 'timeout|timed out|time out |time limit|deadline|took too long|etimedout',
  'rate-limit': 'rate limit|ratelimit|too many requests|(?:http|status|code|error) 429|quotas? |throttl',
  network: 'network|connection|connect error|dns |socket|unreachable|econn|ehostunreach|enotfound|eai again|' +
    'name resolution|getaddrinfo|ssl |tls |certificate|broken pipe|(?:http|status|code) 50[234]|bad gateway|' +
    'service unavailable',
  resource: 'out of memory|memory error|memory limit|oom |disk full|no space left|enospc|resource exhausted|' +
    'resource limit|resource error|insufficient resource|cannot allocate|too many open files',
  'tool-error': 'tools? |toolcall|function call',
  'model-error': 'models? |llm|openai|open ai |anthropic|api error|completion|content filter|content policy|' +
    'context length|context window|overloaded',
  'validation-error': 'validat|invalid|schema|malformed|parse error|json decode|value error|type error|key error',
  'sandbox-error': 'sandbox|container|modal |microvm',
};

/** The ends of the names of exceptions, and the names of system errors; the same as in `guest/format-kit/src/failure.rs`. */
const EXCEPTIONS = [
  'Cancelled', 'Crash', 'Denied', 'Error', 'Exceeded', 'Exception', 'Exhausted', 'Exit', 'Failure', 'Interrupt', 'Iteration',
  'NotFound', 'Timeout', 'Unavailable', 'Warning',
];

const SYSTEM_ERRORS = [
  'EACCES', 'EADDRINUSE', 'EAI_AGAIN', 'ECONNABORTED', 'ECONNREFUSED', 'ECONNRESET', 'EEXIST', 'EHOSTUNREACH', 'EINVAL',
  'EIO', 'EISDIR', 'EMFILE', 'ENETUNREACH', 'ENOENT', 'ENOMEM', 'ENOSPC', 'ENOTFOUND', 'EPERM', 'EPIPE', 'ETIMEDOUT',
];

/** Classifies an error text: returns the fields of an outcome that are about a failure. */
export function failure(text, status) {
  const message = text?.trim() ? text : undefined;
  const code = message && codeOf(message);
  return {
    errorMessage: message,
    errorCode: code && cut(code, MAX_CODE_BYTES),
    errorCategory: category(message, code, status),
  };
}

/** Returns the code or type that a text names, at its start, in its first line, or at the end of a Python traceback. */
function codeOf(text) {
  const line = text.trimStart().split(/\r?\n/, 1)[0].trimEnd();
  const [, stack] = /.*Traceback \(most recent call last\):([^]*)/s.exec(text) ?? [];
  return codeAtStart(line)
    ?? line.split(/[^\p{L}\p{N}_]/u).find((word) => SYSTEM_ERRORS.includes(word))
    ?? /(?<![\p{L}\p{N}_])(?:http|status|code|error)[^\p{L}\p{N}_]+([45]\d\d)(?![\p{L}\p{N}_])/iu.exec(line)?.[1]
    ?? /^([45]\d\d) [\p{Lu}{]/u.exec(line)?.[1]
    ?? codeAtStart(stack?.split('\n').slice(1).find((found) => !/^\s/.test(found)) ?? '');
}

/** Returns the code or type at the start of a line. */
function codeAtStart(line) {
  const start = line.replace(/^Error (?=\[)/, '');
  const code = /^\[([^\]]*)\]/.exec(start)?.[1];
  if (code !== undefined) return /^Errno -?\d+$/.test(code) || isCode(code) ? code : undefined;
  const [word] = /^[^\s([,]*/.exec(start);
  const name = word.replace(/:+$/, '');
  const isMarked = word === start || name !== word;
  return isException(name) || (isMarked && isCode(name)) ? name : undefined;
}

function isException(word) {
  const name = word.split(/[.:]/).at(-1);
  const end = EXCEPTIONS.find((end) => name.endsWith(end));
  // `Error: no` is the start of any sentence; `Exception` is a type of Python.
  const isNamed = end === 'Exception' || name !== end || name !== word;
  return end !== undefined && isNamed && /^[\p{Lu}_]/u.test(name) && /^[\p{L}\p{N}_.:$]+$/u.test(word);
}

function isCode(word) {
  const isNumbered = /^[A-Z]+-*\d{3,}$/.test(word);
  const isConstant = /^[A-Za-z][\p{L}\p{N}_]*$/u.test(word) && /[^_]_+[^_]/.test(word)
    && !(/\p{Lu}/u.test(word) && /\p{Ll}/u.test(word));
  return isNumbered || isConstant || SYSTEM_ERRORS.includes(word);
}

function category(message, code, status) {
  if (status === 'success' || (status === 'cancelled' && message === undefined)) return undefined;
  const fallback = status === 'timeout' ? 'timeout' : 'system-error';
  if (message === undefined) return fallback;
  // The text of a failed assertion is about the agent's answer.
  if (/(^|\.)Assertion(Error|Exception)$/.test(code ?? '') || /^\s*assertion failed/i.test(message)) return fallback;
  // The cause is at the start of a message or at the end of a traceback.
  const searched = message.length > 32768 ? `${message.slice(0, 16384)} ${message.slice(-16384)}` : message;
  const spaced = searched
    .replace(/([a-z])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, (_, lower, upper, capital) => (lower ? `${lower} ${upper}` : `${capital} `))
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ');
  const text = ` ${spaced} `.replaceAll(' neural network', ' neural');
  return Object.keys(SIGNS).find((name) => new RegExp(` (?:${SIGNS[name]})`).test(text)) ?? fallback;
}

/** Creates the exports of the world from a format's functions. */
export function defineFormat(format) {
  const read = (what, header, item) => {
    const reader = new Reader(item);
    if (typeof reader.value !== 'object' || reader.value === null || Array.isArray(reader.value) !== Boolean(format.arrays)) {
      const expected = format.arrays ? 'an array' : 'an object';
      throw [{ path: '', code: 'wrong_type', message: `expected ${expected}, found ${kind(reader.value)}` }];
    }
    const answer = format[what](header, reader);
    if (reader.violations.length > 0) throw reader.violations;
    return [answer, reader.warnings];
  };
  const extractScenario = (header, item) => {
    const [planned] = read('scenario', header, item);
    return { ...PLANNED, ...planned, scenario: scenario(planned.scenario), place: optionalId(planned.place) };
  };
  const extractOutcome = (header, item) => {
    const [outcome, warnings] = read('outcome', header, item);
    return {
      ...OUTCOME,
      ...outcome,
      scenario: scenario(outcome.scenario),
      scores: (outcome.scores ?? []).map((score) => ({ ...SCORE, ...score })),
      origin: { ...ORIGIN, ...outcome.origin },
      usage: (outcome.usage ?? []).map((calls) => ({ ...TOKEN_USAGE, ...calls })),
      key: optionalId(outcome.key),
      place: optionalId(outcome.place),
      invalidation: outcome.invalidation && { ...INVALIDATION, ...outcome.invalidation },
      warnings,
    };
  };
  const extractJson = (header, item) => {
    const verdict = attempt(() => extractOutcome(header, item));
    return JSON.stringify(
      verdict.tag === 'ok'
        ? { verdict: 'accepted', outcome: snakeCase(verdict.val) }
        : { verdict: 'rejected', violations: verdict.val },
    );
  };
  return {
    types: {},
    extraction: {
      describe: () => ({
        name: format.name, version: format.version, authors: format.authors, format: format.description,
        maxDocumentBytes: MAX_DOCUMENT_BYTES, maxDepth: MAX_DEPTH,
      }),
      split: (text) => split(text),
      extractScenarios: (text) => scenarios(text),
      extractScenario: (item) => extractScenario(undefined, item),
      extractOutcome: (item) => extractOutcome(undefined, item),
      extractOutcomes: (items) => items.map((item) => attempt(() => extractOutcome(undefined, item))),
      extractSuite: (header) => {
        const reader = new Reader(header);
        const suite = format.suite?.(reader) ?? {};
        if (reader.violations.length > 0) throw reader.violations;
        const run = { ...RUN, ...suite.run };
        run.origin = { ...ORIGIN, ...run.origin };
        run.metrics = run.metrics.map((metric) => ({ ...METRIC, ...metric }));
        run.figures = run.figures.map((figure) => ({ ...FIGURE, ...figure }));
        return { ...SUITE, ...suite, run, warnings: reader.warnings };
      },
      extractJson: (item) => extractJson(undefined, item),
    },
    container: {
      detect: (fileName, head) => format.detect(fileName, decoded(head)),
      classify: (item) => format.classify?.(item) ?? { tag: 'result' },
      extractItemScenario: (header, item) => extractScenario(header, item),
      extractItemOutcome: (header, item) => extractOutcome(header, item),
      extractItemJson: (header, item) => extractJson(header, item),
    },
  };
}

/** Returns an answer as a value: thrown violations are an answer too, any other exception is a bug and is rethrown. */
function attempt(make) {
  try {
    return { tag: 'ok', val: make() };
  } catch (violations) {
    if (!Array.isArray(violations)) throw violations;
    return { tag: 'err', val: violations };
  }
}

function scenario({ id, name, taskPrompt, definition }) {
  return { id: boundedId(id), name, taskPrompt, definition };
}

/** Truncates an id that is too long; a checksum distinguishes it from others with the same beginning. */
function boundedId(id) {
  if (utf8Length(id) <= MAX_ID_BYTES) return id;
  // FNV-1a of 64 bits.
  let hash = 0xcbf29ce484222325n;
  for (const character of id) hash = BigInt.asUintN(64, (hash ^ BigInt(character.codePointAt(0))) * 0x100000001b3n);
  return `${cut(id, MAX_ID_BYTES - 17)}-${hash.toString(16).padStart(16, '0')}`;
}

/** Truncates a key or a place, which are never empty. */
function optionalId(id) {
  return id ? boundedId(id) : undefined;
}

/** Returns the text's first characters that have at most this many bytes. */
function cut(text, bytes) {
  let kept = text.slice(0, bytes);
  while (utf8Length(kept) > bytes) kept = kept.slice(0, -1);
  return kept.toWellFormed ? kept.toWellFormed() : storable(kept);
}

/** Reads the list of scenarios with which a simulation is started. */
function scenarios(text) {
  const reader = new Reader(text);
  if (!Array.isArray(reader.value)) {
    throw [{ path: '', code: 'wrong_type', message: `expected an array, found ${kind(reader.value)}` }];
  }
  const seen = new Map();
  const spans = elementSpans(text, []);
  const all = reader.value.map((_, index) => {
    const id = reader.text(`/${index}/id`);
    if (!id) {
      reader.violation(`/${index}/id`, 'missing_scenario', 'the scenario needs an id, a text of 1 to 512 bytes');
    } else if (seen.has(id)) {
      reader.violation(`/${index}/id`, 'duplicate_scenario', `the scenario ${id} is planned twice (first at /${seen.get(id)})`);
    }
    seen.set(id, index);
    return {
      id: boundedId(id ?? ''),
      name: reader.text(`/${index}/name`),
      taskPrompt: reader.text(`/${index}/task_prompt`),
      definition: spans[index],
    };
  });
  if (reader.violations.length > 0) throw reader.violations;
  return all;
}

/** Finds the documents of a text: one object, the elements of an array or of `results`, or one document per line. */
function split(text) {
  const frame = (span) => ({ document: span, problem: undefined });
  try {
    const { value } = new Reader(text);
    if (Array.isArray(value)) return elementSpans(text, []).map(frame);
    if (Array.isArray(value?.results)) return elementSpans(text, ['results']).map(frame);
    return [frame(findSpan(text, []))];
  } catch {
    // Otherwise one document per line; the errors of each are reported when it is extracted.
    let offset = 0;
    return text.split('\n').flatMap((line) => {
      const trimmed = line.trim();
      const start = offset + utf8Length(line.slice(0, line.length - line.trimStart().length));
      offset += utf8Length(line) + 1;
      return trimmed === '' ? [] : [frame({ offset: start, length: utf8Length(trimmed) })];
    });
  }
}

/** Converts an answer to JSON's names and values; `undefined` becomes `null`, a span `[offset, length]`. */
function snakeCase(value) {
  if (value === undefined) return null;
  if (Array.isArray(value)) return value.map(snakeCase);
  if (typeof value !== 'object' || value === null) return value;
  if ('offset' in value && 'length' in value) return [value.offset, value.length];
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`),
      name === 'errorCategory' ? (member?.replace('-', '_') ?? null) : snakeCase(member),
    ]),
  );
}

/** Returns the start of a file as text. Characters outside ASCII are not decoded, which is enough to find names. */
function decoded(head) {
  let text = '';
  for (const byte of head) text += String.fromCharCode(byte);
  return text.replace(/^\u00ef\u00bb\u00bf/, '');
}

function storable(text) {
  return text.replace(/\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd');
}

function segments(path) {
  return path.split('/').slice(1).map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function kind(value) {
  if (value === null || value === undefined) return 'null';
  return Array.isArray(value) ? 'an array' : { object: 'an object' }[typeof value] ?? `a ${typeof value}`;
}
