// Generates src/service.ts, the types of the service's bodies, from its OpenAPI document at a URL or in
// a file: generate.mjs URL [TARGET].
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import openapiTypescript, { astToString } from 'openapi-typescript';

const [source, target] = process.argv.slice(2);
if (source === undefined) {
  console.error('usage: node generate.mjs http://127.0.0.1:7117/openapi.json');
  process.exit(1);
}
const text = /^https?:/.test(source)
  ? await (await fetch(source)).text()
  : await readFile(source, 'utf8');
const types = await openapiTypescript(JSON.parse(text), { alphabetize: true });
const here = dirname(fileURLToPath(import.meta.url));
const header = '// Made by `npm run generate` from the OpenAPI document of the service.\n\n';
await writeFile(target ?? join(here, 'src/service.ts'), header + astToString(types));
