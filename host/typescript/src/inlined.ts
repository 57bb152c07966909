/**
 * The same as `arc-recorder`, except that the code of the extraction component is part of the module, so that it
 * needs no file: for bundles for servers.
 *
 * @packageDocumentation
 */

export * from './exports.js';
export { loadExtractor } from './load_inlined.js';
