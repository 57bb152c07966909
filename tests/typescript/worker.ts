// The checks in workerd, the runtime of Cloudflare Workers, as its own test. The report has a line for each.
import { ArcError, loadExtractor } from 'arc-recorder';
import { loadExtractor as loadInlined } from 'arc-recorder/inlined';
import module from 'arc-recorder/extractor.core.wasm';
import { type Check, holds, report, thrown } from './checks.js';
import { checks as extraction } from './extraction.js';
import { checks as service } from './service.js';
import given from './documents.json';

// Workers do not compile WebAssembly at run time.
const { 'the code can be loaded from another source': _, ...possible } = extraction;

const checks: Record<string, Check> = {
  ...possible,
  ...service,
  async 'without a module the error describes what to pass'() {
    for (const load of [loadExtractor, loadInlined]) {
      const error = await thrown(load);
      holds(error instanceof ArcError && error.code === 'component_not_loaded', String(error));
      holds(error.hint?.includes('in Cloudflare Workers, pass it the module') === true, String(error.hint));
    }
  },
};

export default {
  async test(_controller: unknown, { service, redirects }: { service: string; redirects: string }): Promise<void> {
    console.log(await report({ ...given, service, redirects, load: () => loadExtractor(module) }, checks));
  },
};
