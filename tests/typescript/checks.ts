// Helpers of the checks, for Node and browsers.

/** The input of a check. */
export interface Context {
  /** The URL of a service whose database only this test uses. */
  service: string;
  /** Valid and invalid documents, and the host's verdicts on them as JSON text. */
  documents: string[];
  verdicts: string[];
}

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
