// Builds the package into dist/: the component as an ES module, and the compiled sources.
//
// The component comes from the program `arc-host`, which is in the variable ARC_HOST or on the PATH, or
// from the file in the variable ARC_COMPONENT.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transpileBytes } from '@bytecodealliance/jco-transpile';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, 'dist');

async function component() {
  if (process.env.ARC_COMPONENT) return readFile(process.env.ARC_COMPONENT);
  const program = process.env.ARC_HOST ?? 'arc-host';
  return execFileSync(program, ['component', '--output', '-'], { maxBuffer: 1 << 28 });
}

/**
 * Returns the transpiled code with decoders that keep U+FEFF at the start of a text. It fails if the code has no
 * decoder or another kind of decoder, because a decoder with default options removes the character.
 */
function keepByteOrderMarks(code) {
  const kept = code.replace(/\bnew TextDecoder\b(?:\(\))?(?!\()/g, 'new TextDecoder("utf-8",{ignoreBOM:true})');
  const decoders = code.match(/\bTextDecoder\b/g) ?? [];
  const keeping = kept.match(/\bTextDecoder\("utf-8",\{ignoreBOM:true\}\)/g) ?? [];
  if (decoders.length === 0 || decoders.length !== keeping.length) {
    throw new Error(
      `the transpiled code has ${decoders.length} decoders, of which ${keeping.length} keep U+FEFF (expected all of ` +
        'at least one): adapt build.mjs to this version of jco-transpile',
    );
  }
  return kept;
}

// The package instantiates the component itself, so that it can replace an instance that trapped.
const { files } = await transpileBytes(new Uint8Array(await component()), {
  name: 'extractor',
  instantiation: 'sync',
  minify: true,
  // An error of the component is thrown as its payload, which the package converts to an error.
  noComponentErrorWrapping: true,
});
const code = new TextDecoder().decode(files['extractor.js']);
files['extractor.js'] = keepByteOrderMarks(code);
// The module of `arc-recorder/inlined`, for bundles without files beside them.
const base64 = Buffer.from(files['extractor.core.wasm']).toString('base64');
files['inlined.js'] = `export const base64 = '${base64}';\n`;
files['inlined.d.ts'] = 'export declare const base64: string;\n';
await rm(dist, { recursive: true, force: true });
for (const [name, bytes] of Object.entries(files)) {
  const path = join(dist, 'component', name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
}
for (const name of ['LICENSE-APACHE', 'LICENSE-MIT']) {
  await copyFile(join(here, '../..', name), join(here, name));
}
const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
const compiler = [join(typescript, 'bin/tsc'), '-p', here];
process.exitCode = spawnSync(process.execPath, compiler, { stdio: 'inherit' }).status ?? 1;
