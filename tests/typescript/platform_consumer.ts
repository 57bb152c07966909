// A program that passes objects of the platform, which is compiled with the types of Node only, and with the DOM's.
import { ArcClient, Extractor, loadExtractor } from 'arc-recorder';

export async function use(url: URL): Promise<void> {
  const stop = new AbortController();
  const arc = new ArcClient(url, { fetch });
  await arc.health({ signal: stop.signal });
  await arc.health({ signal: AbortSignal.timeout(1_000) });
  await new ArcClient(url, { fetch: (url, init) => fetch(url, init as RequestInit) }).health();
  await new ArcClient(url, { fetch: async (input: string | URL | Request, init?: RequestInit) => fetch(input, init) }).health();
  const extractor = await loadExtractor(new URL('extractor.core.wasm', url));
  await loadExtractor(await fetch(url));
  new Extractor(extractor.module).describe();
}
