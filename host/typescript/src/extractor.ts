import type * as Extraction from './component/interfaces/arc-recording-extraction.js';
import { instantiate } from './component/extractor.js';
import { RejectedError } from './errors.js';
import type { Outcome, PlannedScenario, Scenario, SuiteSummary, Violation } from './records.js';

/** A source of the component's code: bytes, a URL, a response, or a compiled module. */
export type WasmSource = BufferSource | URL | Response | WebAssembly.Module;

/** The verdict on one result: its fields, or all violations. */
export type Verdict =
  | { verdict: 'accepted'; outcome: Outcome }
  | { verdict: 'rejected'; violations: readonly Violation[] };

/**
 * Loads the extraction component. It has no access to its environment, so its verdict is identical to
 * that of the service.
 *
 * In Node the code is read from the package's folder; in a browser it is fetched from the folder of this
 * module, which bundlers recognize by `new URL(…, import.meta.url)`. Pass a `source` if the code is
 * elsewhere; the package exports it as `arc-recorder/extractor.core.wasm`.
 *
 * @throws the errors of fetching, reading or compiling the code.
 */
export async function loadExtractor(source?: WasmSource): Promise<Extractor> {
  const from = source ?? new URL('./component/extractor.core.wasm', import.meta.url);
  return new Extractor(await compile(from));
}

/** The loaded extraction component. Calls are synchronous and take microseconds. */
export class Extractor {
  readonly #module: WebAssembly.Module;
  #instance: typeof Extraction | undefined;

  /** Use {@link loadExtractor}, unless there is a compiled module, for example in a worker that received one. */
  constructor(module: WebAssembly.Module) {
    this.#module = module;
  }

  /** The compiled module, which can be sent to workers. */
  get module(): WebAssembly.Module {
    return this.#module;
  }

  /** Returns the extractor's name, version and limits. */
  describe(): Extraction.ExtractorDescription {
    return this.#call((extraction) => extraction.describe());
  }

  /** Returns the verdict on one result, which is passed as JSON text. */
  verdict(document: string): Verdict {
    try {
      return { verdict: 'accepted', outcome: this.#call((extraction) => extraction.extractOutcome(document)) };
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
      return { verdict: 'rejected', violations: error.violations };
    }
  }

  /** Returns the verdict as JSON text, byte for byte that of `arc-host validate --json` and `/v1/extract`. */
  verdictJson(document: string): string {
    return this.#call((extraction) => extraction.extractJson(document));
  }

  /**
   * Finds the documents in a text: one object, an array, an object with `results`, or one document a line.
   * Spans count bytes of UTF-8.
   *
   * @throws RejectedError if the text is not JSON text at all.
   */
  split(text: string): Extraction.DocumentFrame[] {
    return this.#call((extraction) => extraction.split(text));
  }

  /**
   * Reads a list of scenarios, as in the start of a simulation.
   *
   * @throws RejectedError with every violation found.
   */
  scenarios(scenarios: string): Scenario[] {
    return this.#call((extraction) => extraction.extractScenarios(scenarios));
  }

  /**
   * Reads the scenario of a result, even of one that is rejected for other reasons.
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
      // The component's own errors are thrown as their payload: a violation, or a list of them.
      if (!(error instanceof Error)) {
        const violations = (Array.isArray(error) ? error : [error]) as Violation[];
        throw new RejectedError('the text is not valid', violations);
      }
      // After a trap (such as out of memory) the instance's state is undefined, so the next call uses a new one.
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

/** The part of Node's API that is used, without an import that a bundler for browsers could not resolve. */
interface NodeProcess {
  getBuiltinModule(name: 'node:fs/promises'): { readFile(path: URL): Promise<BufferSource> };
}

function readFile(path: URL): Promise<BufferSource> {
  const { process } = globalThis as { process?: NodeProcess };
  if (process === undefined) throw new Error(`${path} cannot be read here; pass a source to loadExtractor`);
  return process.getBuiltinModule('node:fs/promises').readFile(path);
}
