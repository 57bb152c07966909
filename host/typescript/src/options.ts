import type { FetchInit, FetchResponse } from './platform.js';

/** Settings of a client. */
export interface ClientOptions {
  /** The token, if the service requires one. It is sent only to the service. */
  token?: string;
  /** How long a call is retried after a retryable error, in seconds. Default: 30; 0 disables retries. */
  retryTimeoutSeconds?: number;
  /** The timeout of one request, in seconds. Default: 150, longer than the service's own timeout. */
  requestTimeoutSeconds?: number;
  /** Whether bodies are compressed. Default: only bodies to other machines. */
  compress?: boolean;
  /** The function that sends requests. Default: the global `fetch`. */
  fetch?(url: string, init?: FetchInit): Promise<FetchResponse>;
}
