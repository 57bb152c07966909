import { load } from './extractor.js';
import type { Extractor, WasmSource } from './extractor.js';

/**
 * Loads the extraction component. It has no access to its environment, so its verdict is identical to
 * that of the service.
 *
 * In Node, Bun and Deno the code is read from the package's folder; in a browser it is fetched from the folder of
 * this module, which bundlers for browsers recognize by `new URL(…, import.meta.url)`. If the code is elsewhere, as
 * in a bundle for servers, pass a `source`: the package exports it as `arc-recorder/extractor.core.wasm`. Or import
 * this function from `arc-recorder/inlined`.
 *
 * @throws ArcError with the code `component_not_loaded` if the code cannot be loaded without a `source`; the
 * errors of fetching, reading or compiling a `source`.
 */
export function loadExtractor(source?: WasmSource): Promise<Extractor> {
  return load(source, () => new URL('./component/extractor.core.wasm', import.meta.url));
}
