import { base64 } from './component/inlined.js';
import { load } from './extractor.js';
import type { Extractor, WasmSource } from './extractor.js';

/**
 * Loads the extraction component from its inlined code. It has no access to its environment, so its verdict is
 * identical to that of the service.
 *
 * @throws ArcError with the code `component_not_loaded` if this environment does not compile WebAssembly at run
 * time, as in Cloudflare Workers; the errors of fetching, reading or compiling a `source`.
 */
export function loadExtractor(source?: WasmSource): Promise<Extractor> {
  return load(source, () => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
}
