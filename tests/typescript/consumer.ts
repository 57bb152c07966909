// A program that is compiled with the types of the language only: without those of the DOM, of Node and of Workers.
import { ArcClient, ArcError, type CallOptions, Submission, loadExtractor } from 'arc-recorder';
import { loadExtractor as loadInlined } from 'arc-recorder/inlined';

export async function record(url: string, options: CallOptions): Promise<string[]> {
  const arc = new ArcClient(url, { token: 'arc_…', compress: false });
  const { simulation_id } = await arc.startSimulation({ scenarios: [{ id: 'a' }] }, options);
  const submission = new Submission({ scenario: { id: 'a' } }, { trial: 1 });
  await arc.recordOutcome(simulation_id, submission, options);
  const verdicts: string[] = [];
  for await (const { verdict } of arc.recordAll(simulation_id, [submission], options)) verdicts.push(verdict);
  return verdicts;
}

export async function validate(document: string, code: Uint8Array): Promise<boolean> {
  for (const extractor of [await loadExtractor(), await loadExtractor(code), await loadInlined()]) {
    const verdict = extractor.verdict(document);
    if (verdict.verdict === 'rejected') return verdict.violations.length > 0;
  }
  return true;
}

export const isRetryable = (error: unknown): boolean => error instanceof ArcError && error.retryable;
