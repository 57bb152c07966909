import type { Problem, ProblemCode, Violation } from './bodies.js';

/** What an {@link ArcError} is about: a code of the service, or one of these. */
export type ErrorCode =
  | ProblemCode
  /** No answer came: the service or the network is unavailable. */
  | 'unanswered'
  /**
   * No connection can be made from here, however often it is tried: a permission is missing, the port is
   * none that may be used, or the certificate is not trusted. Nothing was sent.
   */
  | 'not_connectable'
  /** Something other than a service has answered. */
  | 'foreign_answer'
  /** The call itself is not valid; nothing was sent. */
  | 'invalid_call';

/** A call failed. Every error of this package is one of these, but for an aborted call's own. */
export class ArcError extends Error {
  /** A stable word for programs. */
  readonly code: ErrorCode;
  /** Whether the same call again may work without anybody changing anything. */
  readonly retryable: boolean;
  /** What to do about it, if the message does not show it. */
  readonly hint: string | undefined;
  /** The HTTP status, where an answer came. */
  readonly status: number | undefined;
  /** The whole of what the service said (RFC 9457), where it did. */
  readonly problem: Problem | undefined;

  constructor(
    message: string,
    code: ErrorCode,
    retryable: boolean,
    more: { hint?: string | undefined; status?: number; problem?: Problem; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = retryable;
    this.hint = more.hint ?? more.problem?.hint ?? undefined;
    this.status = more.status;
    this.problem = more.problem;
  }
}

/** A document is not valid, says the service or the extractor here. The same one again is refused again. */
export class RejectedError extends ArcError {
  /** All that is wrong: where (a JSON Pointer), a code for programs, a sentence for people. */
  readonly violations: readonly Violation[];
  /** The id under which a result is kept as rejected; null for what is not kept. */
  readonly outcomeId: string | null;

  constructor(message: string, violations: readonly Violation[], problem?: Problem) {
    const places = violations.map(({ path, code }) => `${code} at ${path === '' ? 'the document' : path}`);
    const more = problem === undefined ? {} : { status: problem.status, problem };
    super(`${message}: ${places.join(', ')}`, 'rejected', false, more);
    this.violations = violations;
    this.outcomeId = problem?.outcome_id ?? null;
  }
}
