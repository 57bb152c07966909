import type { Problem, ProblemCode, Violation } from './bodies.js';

/** The code of an {@link ArcError}: a code of the service, or one of these. */
export type ErrorCode =
  | ProblemCode
  /** There was no answer: the service or the network is unavailable. */
  | 'unanswered'
  /**
   * No retry can connect from here: a permission is missing, the port is forbidden, or the certificate is
   * not trusted. Nothing was sent.
   */
  | 'not_connectable'
  /** The answer is not from an Arc Recorder service. */
  | 'foreign_answer'
  /** The code of the extraction component cannot be loaded. */
  | 'component_not_loaded'
  /** The call itself is not valid; nothing was sent. */
  | 'invalid_call';

/** A call failed. Every error of this package is an ArcError, except the reason of an aborted call. */
export class ArcError extends Error {
  /** A stable identifier for programs. */
  readonly code: ErrorCode;
  /** Whether a retry of the same call can succeed without any other change. */
  readonly retryable: boolean;
  /** What to do about it, if the message does not show it. */
  readonly hint: string | undefined;
  /** The HTTP status, if there was an answer. */
  readonly status: number | undefined;
  /** The service's problem details (RFC 9457), if it returned them. */
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

/** The service or the local extractor rejected a document. A retry is rejected again. */
export class RejectedError extends ArcError {
  /** All violations, each with a path (a JSON Pointer), a code for programs, and a message. */
  readonly violations: readonly Violation[];
  /** The id under which the rejected result is stored; null if it is not stored. */
  readonly outcomeId: string | null;

  constructor(message: string, violations: readonly Violation[], problem?: Problem) {
    const summaries = violations.map(({ path, code }) => `${code} at ${path === '' ? 'the document' : path}`);
    const more = problem === undefined ? {} : { status: problem.status, problem };
    super(`${message}: ${summaries.join(', ')}`, 'rejected', false, more);
    this.violations = violations;
    this.outcomeId = problem?.outcome_id ?? null;
  }
}
