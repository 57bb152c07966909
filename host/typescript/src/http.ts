import type { Problem } from './bodies.js';
import { ArcError, RejectedError } from './errors.js';
import type { ErrorCode } from './errors.js';
import type { ClientOptions } from './options.js';
import type { Signal, UrlObject } from './platform.js';
import { wellFormed } from './submission.js';

/** A request that can be retried. */
export interface Call {
  method?: 'GET' | 'POST';
  path: string;
  query?: Record<string, string | number | boolean | null | undefined>;
  type?: string;
  body?: string;
  accept?: string;
  signal?: Signal | undefined;
}

/** The smallest body that is compressed, in characters. */
const MIN_COMPRESSED_LENGTH = 1024;

/** The first and the longest pause before a retry, in milliseconds. */
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;

/** The most of a foreign answer that is in an error message, in characters. */
const SHOWN_CHARACTERS = 200;

/** Sends requests to a service, and retries them after retryable errors. */
export class Http {
  readonly base: URL;
  readonly #options: ClientOptions;
  readonly #compress: boolean;
  readonly #token: string;

  constructor(url: string | UrlObject, options: ClientOptions) {
    this.base = base(url);
    this.#options = options;
    this.#token = options.token?.trim() ?? '';
    if (!/^[!-~]*$/.test(this.#token)) {
      // The token is a secret, so the message does not show it.
      throw new ArcError('the token has invalid characters', 'invalid_call', false, { hint: 'copy it again' });
    }
    const local = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(this.base.hostname);
    this.#compress = options.compress ?? !local;
  }

  /** Sends a request, and returns the answer as JSON. */
  async json<T>(call: Call): Promise<T> {
    const response = await this.send(call);
    try {
      return (await response.json()) as T;
    } catch (cause) {
      throw new ArcError(
        `the answer of ${this.base.href} is not one of an Arc Recorder service`,
        'foreign_answer',
        false,
        { hint: 'check the URL', status: response.status, cause },
      );
    }
  }

  /** Sends a request, and returns the body of the answer as a stream. */
  async stream(call: Call): Promise<ReadableStream<Uint8Array>> {
    const { body } = await this.send(call);
    return body ?? new Blob().stream();
  }

  /** Sends a request, and returns the successful answer. The caller handles a body that is cut off. */
  async send(call: Call): Promise<Response> {
    const until = Date.now() + (this.#options.retryTimeoutSeconds ?? 30) * 1000;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, MAX_PAUSE_MS)) {
      try {
        return await this.#once(call);
      } catch (error) {
        if (!(error instanceof ArcError && error.retryable)) throw error;
        // Jitter, so that clients that were disconnected together do not retry together.
        const backoff = pause * (0.5 + Math.random() / 2);
        const retryAfter = (error.problem?.retry_after_seconds ?? 0) * 1000;
        const wait = Math.max(backoff, retryAfter);
        if (Date.now() + wait > until) throw error;
        await sleep(wait, call.signal);
      }
    }
  }

  async #once(call: Call): Promise<Response> {
    const url = new URL(call.path, this.base);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
    }
    const headers = new Headers({ accept: call.accept ?? 'application/json' });
    if (this.#token !== '') headers.set('authorization', `Bearer ${this.#token}`);
    // `redirect: 'error'` does not exist in Cloudflare Workers.
    const init: RequestInit = { method: call.method ?? 'GET', headers, redirect: 'manual' };
    if (call.body !== undefined) {
      wellFormed('the body', call.body);
      headers.set('content-type', call.type ?? 'application/json');
      init.body = call.body;
      if (this.#compress && call.body.length >= MIN_COMPRESSED_LENGTH) {
        headers.set('content-encoding', 'gzip');
        init.body = await compressed(call.body);
      }
    }
    const timeout = AbortSignal.timeout((this.#options.requestTimeoutSeconds ?? 150) * 1000);
    init.signal = call.signal === undefined ? timeout : AbortSignal.any([timeout, call.signal as AbortSignal]);
    let response: Response;
    try {
      response = (await (this.#options.fetch ?? fetch)(url.href, init)) as Response;
    } catch (cause) {
      throw this.unanswered(cause, call.signal);
    }
    if (response.ok) return response;
    if (isRedirect(response)) throw this.#redirected(response);
    throw await this.#refused(response, call.signal);
  }

  /** Returns the error for an answer that did not arrive, or was cut off. */
  unanswered(cause: unknown, signal: Signal | undefined): unknown {
    if (signal?.aborted === true) return signal.reason;
    const { message, cause: deeper } = cause as Error;
    const reason = deeper instanceof Error ? `${message}: ${deeper.message}` : message;
    const hint = permanentErrorHint(cause);
    if (hint !== undefined) {
      const detail = `${this.base.href} cannot be reached from here (${reason})`;
      return new ArcError(detail, 'not_connectable', false, { hint, cause });
    }
    return new ArcError(`${this.base.href} did not answer (${reason})`, 'unanswered', true, {
      hint:
        'check the URL, that the service runs, and, in a browser, that it allows this origin, and try again',
      cause,
    });
  }

  /** Returns the error for a redirect, which is not followed, so that its target does not receive the token. */
  #redirected(response: Response): ArcError {
    void response.body?.cancel().catch(() => undefined);
    // Browsers hide the target and the status.
    const target = response.headers.get('location')?.slice(0, SHOWN_CHARACTERS) ?? 'another URL';
    const more = response.status === 0 ? {} : { status: response.status };
    return new ArcError(`${this.base.href} redirects to ${target}, and redirects are not followed`, 'foreign_answer', false, {
      hint: 'use the URL of the service to which it redirects',
      ...more,
    });
  }

  async #refused(response: Response, signal: Signal | undefined): Promise<unknown> {
    let text: string;
    try {
      text = await response.text();
    } catch (cause) {
      return this.unanswered(cause, signal);
    }
    const problem = asProblem(text);
    const { status } = response;
    if (problem?.code === 'rejected') return new RejectedError(problem.detail, problem.violations ?? [], problem);
    if (problem !== undefined) {
      return new ArcError(problem.detail, problem.code, problem.retryable, { status, problem });
    }
    // The answer is from a proxy, such as a load balancer whose service is unavailable.
    const retryable = status >= 500 || status === 429;
    const excerpt = text.trim().slice(0, SHOWN_CHARACTERS);
    return new ArcError(
      `${this.base.href} answered ${status}, which is not an answer of an Arc Recorder service` +
        (retryable ? '' : ` (${excerpt})`),
      'foreign_answer' satisfies ErrorCode,
      retryable,
      { hint: retryable ? 'try again' : 'check the URL', status },
    );
  }
}

function isRedirect({ type, status }: Response): boolean {
  return type === 'opaqueredirect' || (status >= 300 && status < 400);
}

/** OpenSSL's error codes for certificates and TLS. */
const CERTIFICATE_ERRORS =
  /^(CERT_|CRL_|ERR_TLS|ERR_SSL|ERROR_IN_C|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_MISMATCH)/;

/** Returns the hint for an error that no retry can resolve, or undefined for other errors. */
function permanentErrorHint(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { name, message } = cause;
    const code = String((cause as { code?: unknown }).code ?? '');
    if (name === 'NotCapable' || name === 'PermissionDenied' || code === 'ERR_ACCESS_DENIED') {
      return 'allow this program to use the network (Deno: --allow-net)';
    }
    if (CERTIFICATE_ERRORS.test(code) || /invalid peer certificate/i.test(message)) {
      return 'check the certificate of the service, and configure the authority to trust (Node: NODE_EXTRA_CA_CERTS)';
    }
    if (/bad port/i.test(message)) return 'this port is forbidden for HTTP clients; configure another port of the service';
  }
  return undefined;
}

function base(url: string | UrlObject): URL {
  let parsed: URL;
  try {
    parsed = new URL(typeof url === 'string' ? url : url.href);
  } catch (cause) {
    throw new ArcError(
      'invalid URL of the service',
      'invalid_call',
      false,
      { hint: 'use a URL such as https://arc.example or http://127.0.0.1:7117', cause },
    );
  }
  if (!/^https?:$/.test(parsed.protocol)) {
    throw new ArcError("the service's URL must begin with http:// or https://", 'invalid_call', false);
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw new ArcError("the service's URL has a user name or a password", 'invalid_call', false, {
      hint: 'pass the token as an option',
    });
  }
  parsed.search = parsed.hash = '';
  if (!parsed.pathname.endsWith('/')) parsed.pathname += '/';
  return parsed;
}

function asProblem(text: string): Problem | undefined {
  try {
    const value = JSON.parse(text) as Partial<Problem> | null;
    const known = typeof value?.code === 'string' && typeof value.detail === 'string';
    return known ? (value as Problem) : undefined;
  } catch {
    return undefined;
  }
}

function compressed(body: string): Promise<ArrayBuffer> {
  const stream = new Blob([body]).stream().pipeThrough(new CompressionStream('gzip'));
  return new Response(stream).arrayBuffer();
}

/** Waits, unless the signal aborts the wait. */
export function sleep(ms: number, signal: Signal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
