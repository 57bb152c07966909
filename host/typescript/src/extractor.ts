import type * as Extraction from './component/interfaces/arc-recording-extraction.js';
import { instantiate } from './component/extractor.js';
import { RejectedError } from './errors.js';
import type { Outcome, PlannedScenario, Scenario, SuiteSummary, Violation } from './records.js';

/** Where the component's code comes from: bytes, a URL, an answer to a fetch, or a compiled module. */
export type WasmSource = BufferSource | URL | Response | WebAssembly.Module;

/** The verdict on one result: its fields, or all that is wrong with it. */
export type Verdict =
  | { verdict: 'accepted'; outcome: Outcome }
  | { verdict: 'rejected'; violations: readonly Violation[] };

/**
 * Loads the extraction component. It has no access to anything, so a verdict here is the verdict of
 * the service, word for word.
 *
 * In Node the code is read from the package's own folder; in a browser it is fetched from beside
 * this module, as bundlers know from `new URL(…, import.meta.url)`. Give a `source` where it lies
 * elsewhere; the package exports it as `arc-recorder/extractor.core.wasm`.
 *
 * @throws what fetching, reading or compiling it throws.
 */
export async function loadExtractor(source?: WasmSource): Promise<Extractor> {
  const from = source ?? new URL('./component/extractor.core.wasm', import.meta.url);
  return new Extractor(await compile(from));
}

/** The extraction component, loaded. Calls are synchronous and take microseconds. */
export class Extractor {
  readonly #module: WebAssembly.Module;
  #instance: typeof Extraction | undefined;

  /** Use {@link loadExtractor}, unless a compiled module is at hand, as in a worker that was sent one. */
  constructor(module: WebAssembly.Module) {
    this.#module = module;
  }

  /** The compiled module, which may be sent to workers. */
  get module(): WebAssembly.Module {
    return this.#module;
  }

  /** Says who the extractor is and what it takes. */
  describe(): Extraction.ExtractorDescription {
    return this.#call((extraction) => extraction.describe());
  }

  /** The verdict on one result, given as JSON text. */
  verdict(document: string): Verdict {
    try {
      return { verdict: 'accepted', outcome: this.#call((extraction) => extraction.extractOutcome(document)) };
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
      return { verdict: 'rejected', violations: error.violations };
    }
  }

  /** The same as JSON text, byte for byte what `arc-host validate --json` and `/v1/extract` say. */
  verdictJson(document: string): string {
    return this.#call((extraction) => extraction.extractJson(document));
  }

  /**
   * Finds the documents in a text: one object, an array, an object with `results`, or one a line.
   * Spans count bytes of UTF-8.
   *
   * @throws RejectedError where the text is not JSON text at all.
   */
  split(text: string): Extraction.DocumentFrame[] {
    return this.#call((extraction) => extraction.split(text));
  }

  /**
   * Reads a list of scenarios, as a simulation is started with.
   *
   * @throws RejectedError with every violation found.
   */
  scenarios(scenarios: string): Scenario[] {
    return this.#call((extraction) => extraction.extractScenarios(scenarios));
  }

  /**
   * Reads which scenario a result belongs to, also of one that is refused for other reasons.
   *
   * @throws RejectedError with every violation found.
   */
  scenario(document: string): PlannedScenario {
    return this.#call((extraction) => extraction.extractScenario(document));
  }

  /**
   * Reads the figures of a suite's own summary.
   *
   * @throws RejectedError with every violation found.
   */
  suite(suite: string): SuiteSummary {
    return this.#call((extraction) => extraction.extractSuite(suite));
  }

  #call<T>(call: (extraction: typeof Extraction) => T): T {
    this.#instance ??= instantiate(() => this.#module, {}).extraction;
    try {
      return call(this.#instance);
    } catch (error) {
      // An error of the component's own is thrown as what it says: a violation, or a list of them.
      if (!(error instanceof Error)) {
        const violations = (Array.isArray(error) ? error : [error]) as Violation[];
        throw new RejectedError('the text is not valid', violations);
      }
      // What has trapped (out of memory, say) may be in any state: the next call has a new one.
      this.#instance = undefined;
      throw error;
    }
  }
}

async function compile(source: WasmSource): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (source instanceof Response) return WebAssembly.compileStreaming(source);
  if (!(source instanceof URL)) return WebAssembly.compile(source);
  if (source.protocol !== 'file:') return WebAssembly.compileStreaming(fetch(source));
  return WebAssembly.compile(await readFile(source));
}

/** What of Node is used, found without an import that a bundler for browsers would stumble over. */
interface NodeProcess {
  getBuiltinModule(name: 'node:fs/promises'): { readFile(path: URL): Promise<BufferSource> };
}

function readFile(path: URL): Promise<BufferSource> {
  const { process } = globalThis as { process?: NodeProcess };
  if (process === undefined) throw new Error(`${path} cannot be read here; give loadExtractor a source`);
  return process.getBuiltinModule('node:fs/promises').readFile(path);
}
