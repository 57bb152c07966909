import type * as Extraction from './component/interfaces/arc-recording-extraction.js';
import { instantiate } from './component/extractor.js';
import { ArcError, RejectedError } from './errors.js';
import type { CodeResponse, UrlObject } from './platform.js';
import type { Outcome, PlannedScenario, Scenario, SuiteSummary, Violation } from './records.js';

/** The component's compiled code: a `WebAssembly.Module`, which the types of the language do not describe. */
export type WasmModule = object;

/** A source of the component's code: bytes, a URL, a response, or a compiled module. */
export type WasmSource = ArrayBuffer | ArrayBufferView | UrlObject | CodeResponse | WasmModule;

/** The verdict on one result: its fields, or all violations. */
export type Verdict =
  | { verdict: 'accepted'; outcome: Outcome }
  | { verdict: 'rejected'; violations: readonly Violation[] };

/** The loaded extraction component. Calls are synchronous and take microseconds. */
export class Extractor {
  readonly #module: WasmModule;
  #instance: typeof Extraction | undefined;

  /** Use `loadExtractor`, unless there is a compiled module, for example in a worker that received one. */
  constructor(module: WasmModule) {
    this.#module = module;
  }

  /** The compiled module, which can be sent to workers. */
  get module(): WasmModule {
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
    this.#instance ??= instantiate(() => this.#module as WebAssembly.Module, {}).extraction;
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

/**
 * Loads the component from a source. Without one, it is loaded from the source that `ownSource` returns.
 *
 * @throws ArcError with the code `component_not_loaded` if the package's own source cannot be loaded.
 */
export async function load(source: WasmSource | undefined, ownSource: () => WasmSource): Promise<Extractor> {
  if (source !== undefined) return new Extractor(await compile(source));
  try {
    return new Extractor(await compile(ownSource()));
  } catch (cause) {
    const { message } = cause as Error;
    throw new ArcError(`the code of the extraction component cannot be loaded (${message})`, 'component_not_loaded', false, {
      hint:
        "if this is a bundle, import loadExtractor from 'arc-recorder/inlined', or pass it the bytes of " +
        "'arc-recorder/extractor.core.wasm'; in Cloudflare Workers, pass it the module that you import from there",
      cause,
    });
  }
}

async function compile(source: WasmSource): Promise<WasmModule> {
  if (source instanceof WebAssembly.Module) return source;
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return WebAssembly.compile(source as BufferSource);
  if (source instanceof Response) return WebAssembly.compileStreaming(source);
  // A program in JavaScript can pass any value.
  const object: object = Object(source);
  if ('arrayBuffer' in object) return WebAssembly.compile(await (object as CodeResponse).arrayBuffer());
  if (!('href' in object)) {
    throw new ArcError('the source is not bytes, a URL, a response or a WebAssembly.Module', 'invalid_call', false);
  }
  const url = new URL((object as UrlObject).href);
  if (url.protocol !== 'file:') return WebAssembly.compileStreaming(fetch(url));
  return WebAssembly.compile(await readFile(url));
}

/** The part of Node's API that is used, without an import that a bundler for browsers could not resolve. */
interface NodeProcess {
  getBuiltinModule?(name: 'node:fs/promises'): { readFile(path: URL): Promise<BufferSource> };
}

function readFile(path: URL): Promise<BufferSource> {
  const { process } = globalThis as { process?: NodeProcess };
  const files = process?.getBuiltinModule?.('node:fs/promises');
  if (files === undefined) throw new Error(`${path} cannot be read here`);
  return files.readFile(path);
}
