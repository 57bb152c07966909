// What the checks stand on, in Node and in a browser alike.

/** What a check is given. */
export interface Context {
  /** Where a service listens, whose database is this test's own. */
  service: string;
  /** Documents, good and bad, and the host's verdicts on them as JSON text. */
  documents: string[];
  verdicts: string[];
}

export type Check = (context: Context) => Promise<void> | void;

/** Fails unless the two are the same as JSON. */
export function same(actual: unknown, expected: unknown, about = ''): void {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${about}: ${one} is not ${other}`);
}

/** Fails unless it holds. */
export function holds(condition: boolean, about: string): asserts condition {
  if (!condition) throw new Error(about);
}

/** The error that a call ends with. */
export async function thrown(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

/** All that comes. */
export async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const value of values) found.push(value);
  return found;
}
