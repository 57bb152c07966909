import type { Problem } from './bodies.js';
import { ArcError, RejectedError } from './errors.js';
import type { ErrorCode } from './errors.js';
import { wellFormed } from './submission.js';

/** Settings of a client. */
export interface ClientOptions {
  /** The token, where the service asks for one. It is sent to the service and nowhere else. */
  token?: string;
  /** How long a call is sent again while that may help, in seconds. Default: 30; 0 for never. */
  retryTimeoutSeconds?: number;
  /** How long one request may take, in seconds. Default: 150, longer than a service takes. */
  requestSeconds?: number;
  /** Whether bodies are compressed. Default: those to other machines are. */
  compress?: boolean;
  /** What sends requests. Default: the `fetch` of the environment. */
  fetch?: typeof fetch;
}

/** A request that may be sent again. */
export interface Call {
  method?: 'GET' | 'POST';
  path: string;
  query?: Record<string, string | number | boolean | null | undefined>;
  type?: string;
  body?: string;
  accept?: string;
  signal?: AbortSignal | undefined;
}

/** Shorter bodies are not worth compressing. */
const COMPRESSED_FROM = 1024;

/** The first pause before a call is sent again, and the longest, in milliseconds. */
const PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** How much of an answer that is not a service's is shown, in characters. */
const SHOWN = 200;

/** Sends requests to a service until they have an answer that will not change. */
export class Http {
  readonly base: URL;
  readonly #options: ClientOptions;
  readonly #compress: boolean;
  readonly #token: string;

  constructor(url: string | URL, options: ClientOptions) {
    this.base = base(url);
    this.#options = options;
    this.#token = options.token?.trim() ?? '';
    if (!/^[!-~]*$/.test(this.#token)) {
      // The token is a secret, so none of it is shown.
      throw new ArcError('the token has characters that no token has', 'invalid_call', false, { hint: 'copy it again' });
    }
    const here = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(this.base.hostname);
    this.#compress = options.compress ?? !here;
  }

  /** The answer as JSON. */
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

  /** The body of the answer, as it comes. */
  async stream(call: Call): Promise<ReadableStream<Uint8Array>> {
    const { body } = await this.send(call);
    return body ?? new Blob().stream();
  }

  /** The answer, once it has a good status. A body that is cut off is the caller's affair. */
  async send(call: Call): Promise<Response> {
    const until = Date.now() + (this.#options.retryTimeoutSeconds ?? 30) * 1000;
    for (let pause = PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        return await this.#once(call);
      } catch (error) {
        if (!(error instanceof ArcError && error.retryable)) throw error;
        // Many clients that were cut off together come back one by one.
        const own = pause * (0.5 + Math.random() / 2);
        const wanted = (error.problem?.retry_after_seconds ?? 0) * 1000;
        const wait = Math.max(own, wanted);
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
    const init: RequestInit = { method: call.method ?? 'GET', headers, redirect: 'error' };
    if (call.body !== undefined) {
      wellFormed('the body', call.body);
      headers.set('content-type', call.type ?? 'application/json');
      init.body = call.body;
      if (this.#compress && call.body.length >= COMPRESSED_FROM) {
        headers.set('content-encoding', 'gzip');
        init.body = await compressed(call.body);
      }
    }
    const timeout = AbortSignal.timeout((this.#options.requestSeconds ?? 150) * 1000);
    init.signal = call.signal === undefined ? timeout : AbortSignal.any([timeout, call.signal]);
    let response: Response;
    try {
      response = await (this.#options.fetch ?? fetch)(url, init);
    } catch (cause) {
      throw this.unanswered(cause, call.signal);
    }
    if (response.ok) return response;
    throw await this.#refused(response, call.signal);
  }

  /** The error for an answer that did not come, or was cut off. */
  unanswered(cause: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted === true) return signal.reason;
    const { message, cause: deeper } = cause as Error;
    const reason = deeper instanceof Error ? `${message}: ${deeper.message}` : message;
    const hint = hopeless(cause);
    if (hint !== undefined) {
      const said = `${this.base.href} cannot be reached from here (${reason})`;
      return new ArcError(said, 'not_connectable', false, { hint, cause });
    }
    return new ArcError(`${this.base.href} did not answer (${reason})`, 'unanswered', true, {
      hint:
        'check the URL, that the service runs, and, in a browser, that it allows this origin, and try again',
      cause,
    });
  }

  async #refused(response: Response, signal: AbortSignal | undefined): Promise<unknown> {
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
    // Something between here and the service, such as a balancer whose service is unavailable.
    const again = status >= 500 || status === 429;
    const said = text.trim().slice(0, SHOWN);
    return new ArcError(
      `${this.base.href} answered ${status}, which is no answer of an Arc Recorder service` +
        (again ? '' : ` (${said})`),
      'foreign_answer' satisfies ErrorCode,
      again,
      { hint: again ? 'try again' : 'check the URL', status },
    );
  }
}

/** What is wrong with a certificate, or with TLS, in the words of OpenSSL. */
const CERTIFICATE =
  /^(CERT_|CRL_|ERR_TLS|ERR_SSL|ERROR_IN_C|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_MISMATCH)/;

/** What to do about an error that comes again however often the request is sent; nothing for others. */
function hopeless(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { name, message } = cause;
    const code = String((cause as { code?: unknown }).code ?? '');
    if (name === 'NotCapable' || name === 'PermissionDenied' || code === 'ERR_ACCESS_DENIED') {
      return 'allow this program to use the network (Deno: --allow-net)';
    }
    if (CERTIFICATE.test(code) || /invalid peer certificate/i.test(message)) {
      return 'check the certificate of the service, and name the authority to trust (Node: NODE_EXTRA_CA_CERTS)';
    }
    if (/bad port/i.test(message)) return 'no program of this kind may use this port; let the service listen on another';
    if (/redirect/i.test(`${code} ${message}`)) return 'it leads somewhere else; give the URL that answers itself';
  }
  return undefined;
}

function base(url: string | URL): URL {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw new ArcError(
      "the service's URL does not do",
      'invalid_call',
      false,
      { hint: 'it is like https://arc.example or http://127.0.0.1:7117', cause },
    );
  }
  if (!/^https?:$/.test(parsed.protocol)) {
    throw new ArcError("the service's URL must begin with http:// or https://", 'invalid_call', false);
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw new ArcError("a token goes apart from the service's URL", 'invalid_call', false);
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

/** Waits, unless it is stopped. */
export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
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
