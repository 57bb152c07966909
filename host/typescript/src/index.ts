/**
 * Records the results of AI-agent evaluations: local verdicts, and a client of the service.
 *
 * - {@link loadExtractor}: the extraction component, which validates results in this process;
 * - {@link ArcClient}: the calls of the service, typed, with retries;
 * - {@link Submission}: a result with its attributes;
 * - {@link ArcError}, {@link RejectedError}: the errors.
 *
 * @packageDocumentation
 */

export * from './exports.js';
export { loadExtractor } from './load.js';
