// Helpers of the checks, for every runtime.
import type { Extractor } from 'arc-recorder';

/** The input of a check. */
export interface Context {
  /** The URL of a service whose database only this test uses. */
  service: string;
  /** The URL of a server that redirects every request; see `redirects.ts`. */
  redirects: string;
  /** Valid and invalid documents, and the host's verdicts on them as JSON text. */
  documents: string[];
  verdicts: string[];
  /** Loads the extraction component as this runtime can. */
  load(): Promise<Extractor>;
}

/** The part of a context that is read from a file. */
export type Documents = Pick<Context, 'documents' | 'verdicts'>;

export type Check = (context: Context) => Promise<void> | void;

/** Fails unless both values are equal as JSON. */
export function same(actual: unknown, expected: unknown, about = ''): void {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${about}: ${one} is not ${other}`);
}

/** Fails unless the condition is true. */
export function holds(condition: boolean, about: string): asserts condition {
  if (!condition) throw new Error(about);
}

/** Returns the error that a call throws. */
export async function thrown(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

/** Returns all values of an iterable. */
export async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const value of values) found.push(value);
  return found;
}

/** Runs all checks, and returns a report with a line for each. */
export async function report(context: Context, checks: Record<string, Check>): Promise<string> {
  const lines: string[] = [];
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check(context);
      lines.push(`ok ${name}\n`);
    } catch (error) {
      lines.push(`FAILED ${name}: ${(error as Error).stack}\n`);
    }
  }
  return lines.join('');
}
