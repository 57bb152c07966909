// The parts of the platform's types that the package's own types need. Programs without the types of the DOM or of
// Node can compile against them, and the platform's own types are assignable to them.

/** The part of an `AbortSignal` that is used. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** The part of a `URL` that is used. */
export interface UrlObject {
  readonly href: string;
}

/** The part of a `Response` that is used when code is loaded from it. */
export interface CodeResponse {
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** The options of a request, which are those of `fetch`. */
export interface FetchInit {
  method?: string;
  /** An object of the class `Headers`. */
  headers?: unknown;
  /** A string or bytes. */
  body?: unknown;
  /** Always `manual`: a client that follows redirects would send the token to another service. */
  redirect?: string;
  /** An `AbortSignal`. */
  signal?: unknown;
}

/** The part of a `Response` that is used. */
export interface FetchResponse {
  readonly ok: boolean;
  readonly status: number;
  readonly type: string;
  readonly headers: { get(name: string): string | null };
  /** A stream of bytes, or null. */
  readonly body: unknown;
  text(): Promise<string>;
  json(): Promise<unknown>;
}
