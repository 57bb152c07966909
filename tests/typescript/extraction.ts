// Checks of the extraction component that the package loads.
import { ArcError, Extractor, RejectedError, loadExtractor } from 'arc-recorder';
import { type Check, holds, same, thrown } from './checks.js';

/** Converts a record of the component to its JSON form. */
function asJson(value: unknown): unknown {
  if (value === undefined) return null;
  if (Array.isArray(value)) return value.map(asJson);
  if (typeof value !== 'object' || value === null) return value;
  const names = Object.keys(value);
  if (names.length === 2 && 'offset' in value && 'length' in value) return [value.offset, value.length];
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      name === 'errorCategory' && typeof member === 'string' ? member.replace('-', '_') : asJson(member),
    ]),
  );
}

/** Sorts members, and removes null, because an absent field of a record can be either null or missing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== null);
  members.sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]));
}

export const checks: Record<string, Check> = {
  async 'verdicts are identical to those of the host'({ documents, verdicts, load }) {
    const extractor = await load();
    holds(documents.length > 400 && documents.length === verdicts.length, 'the documents are missing');
    documents.forEach((document, index) => {
      const verdict = extractor.verdictJson(document);
      if (verdict !== verdicts[index]) throw new Error(`${document}: ${verdict} is not ${verdicts[index]}`);
    });
  },

  async 'records have the same content as the JSON'({ documents, verdicts, load }) {
    const extractor = await load();
    documents.forEach((document, index) => {
      const json: unknown = JSON.parse(verdicts[index] ?? '');
      same(sorted(asJson(extractor.verdict(document))), sorted(json), document);
    });
  },

  async 'the other functions'({ load }) {
    const extractor = await load();
    const about = extractor.describe();
    same([about.name, about.maxDepth, about.maxDocumentBytes], ['arc-guide', 256, 16 << 20]);
    const text = '[{"scenario": {"id": "é"}}, {"scenario": {"id": "b"}}]';
    const frames = extractor.split(text);
    same(frames.map(({ document }) => [document.offset, document.length]), [[1, 26], [29, 25]]);
    same(extractor.scenarios('[{"id": "a", "name": "A"}]').map(({ id, name }) => [id, name]), [['a', 'A']]);
    const planned = extractor.scenario('{"scenario": {"id": "a"}, "recording": {"trial": 3}}');
    same([planned.scenario.id, planned.trial], ['a', 3]);
    same(extractor.suite('{"total_cost_usd": 1.5}').totalCostUsd, 1.5);
    const twice = await thrown(() => extractor.scenarios('[{"id": "a"}, {"id": "a"}]'));
    holds(twice instanceof RejectedError, String(twice));
    same(twice.violations.map(({ path, code }) => [path, code]), [['/1/id', 'duplicate_scenario']]);
    const compressed = await thrown(() => extractor.split('PK\u0003\u0004'));
    holds(compressed instanceof RejectedError && compressed.violations[0]?.code === 'not_text', String(compressed));
  },

  async 'an argument that is not a string does not affect later calls'({ load }) {
    const extractor = await load();
    const small = '{"scenario": {"id": "a"}}';
    const verdict = extractor.verdictJson(small);
    const error = await thrown(() => extractor.verdictJson(Symbol('x') as unknown as string));
    holds(error instanceof TypeError, String(error));
    same(extractor.verdictJson(small), verdict);
  },

  async 'U+FEFF at the start of a text is kept'({ load }) {
    const extractor = await load();
    const [id, prompt] = ['\ufeffa', '\ufeff'];
    const scenario = { id, task_prompt: prompt };
    const verdict = extractor.verdict(JSON.stringify({ scenario }));
    holds(verdict.verdict === 'accepted', JSON.stringify(verdict));
    same([verdict.outcome.scenario.id, verdict.outcome.scenario.taskPrompt], [id, prompt]);
    same(extractor.scenarios(JSON.stringify([scenario])).map(({ id, taskPrompt }) => [id, taskPrompt]), [[id, prompt]]);
    const json = JSON.parse(extractor.verdictJson(JSON.stringify({ scenario }))) as { outcome: { scenario: typeof scenario } };
    same([json.outcome.scenario.id, json.outcome.scenario.task_prompt], [id, prompt]);
  },

  async 'the code can be loaded from another source'() {
    const { module }: { module: WebAssembly.Module } = await loadExtractor();
    const document = '{"scenario": {"id": "a"}}';
    const expected = new Extractor(module).verdictJson(document);
    same((await loadExtractor(module)).verdictJson(document), expected);
    // The package's types do not require the platform's own classes.
    const url = new URL('data:application/wasm;base64,AGFzbQEAAAA=');
    const sources = [url, { href: url.href }, await fetch(url), await (await fetch(url)).arrayBuffer(), await (await fetch(url)).blob()];
    for (const source of sources) holds((await loadExtractor(source)).module instanceof WebAssembly.Module, String(source));
    for (const source of [{}, 'extractor.core.wasm', null] as object[]) {
      const error = await thrown(() => loadExtractor(source));
      holds(error instanceof ArcError && error.code === 'invalid_call', String(error));
    }
    const broken = await thrown(() => loadExtractor(new Uint8Array([0, 97, 115, 109])));
    holds(broken instanceof WebAssembly.CompileError, String(broken));
  },
};
