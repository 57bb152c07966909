// Checks of the installed package: its page, its types, and how bundlers and `require` load it. The folder of the
// programs is in ARC_TEST_TOOLS.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import * as own from 'arc-recorder';
import { holds, same } from './checks.js';

const tools = process.env.ARC_TEST_TOOLS ?? '';
const installed = 'node_modules/arc-recorder';
const bundles = mkdtempSync(join(tmpdir(), 'arc-recorder-bundles-'));
after(() => rmSync(bundles, { recursive: true }));

/** Runs a program that must succeed, and returns its output. */
function run(program: string, ...parameters: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, parameters, { encoding: 'utf8' });
  holds(status === 0, `${program} ${parameters.join(' ')}: ${error?.message ?? `${stdout}${stderr}`}`);
  return stdout;
}

test('the page has the size of the WebAssembly file', () => {
  const page = readFileSync(join(installed, 'README.md'), 'utf8');
  const kilobytes = Number(/WebAssembly file \((\d+)\sKB\)/.exec(page)?.[1]);
  const actual = statSync(join(installed, 'dist/component/extractor.core.wasm')).size / 1000;
  holds(Math.abs(kilobytes - actual) <= actual / 20, `the file has ${actual} KB, and ${kilobytes} KB on the page`);
});

test('the page has no links to files that the package does not contain', () => {
  const page = readFileSync(join(installed, 'README.md'), 'utf8');
  const targets = [...page.matchAll(/\]\(([^)#]+)[^)]*\)|^\[[^\]]+\]:\s*(\S+)/gm)].map(([, inline, reference]) => inline ?? reference ?? '');
  const missing = targets.filter((target) => !/^https?:/.test(target) && !existsSync(join(installed, target)));
  same([missing, page.includes('../')], [[], false]);
});

for (const [name, configuration] of [
  ['the language', 'tsconfig.language.json'],
  ['Node', 'tsconfig.node.json'],
] as const) {
  test(`its types need only those of ${name}`, () => {
    const roots = join(dirname(tools), '@types');
    run(process.execPath, join(dirname(tools), 'typescript/bin/tsc'), '-p', configuration, '--typeRoots', roots);
  });
}

test('`require` loads it', () => {
  const require = createRequire(import.meta.url);
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19) || (major === 22 && minor < 12)) {
    const refused = run(process.execPath, '--print', "try { require('arc-recorder') } catch ({ code }) { code }");
    return same(refused.trim(), 'ERR_REQUIRE_ESM');
  }
  const [required, inlined] = [require('arc-recorder'), require('arc-recorder/inlined')] as (typeof own)[];
  same([required?.ArcClient === own.ArcClient, inlined?.ArcClient === own.ArcClient], [true, true]);
});

/** What bundlers do with a program: the parameters for a source and a target. */
const bundlers: Record<string, (source: string, target: string) => [string, string[]]> = {
  'esbuild to an ES module': (source, target) => [
    join(tools, 'esbuild'),
    [source, '--bundle', '--platform=node', '--format=esm', `--outfile=${target}.mjs`, '--log-level=warning'],
  ],
  'esbuild to CommonJS': (source, target) => [
    join(tools, 'esbuild'),
    [source, '--bundle', '--platform=node', '--format=cjs', `--outfile=${target}.cjs`, '--log-level=error'],
  ],
  'bun build': (source, target) => [join(tools, 'bun'), ['build', source, '--target=node', `--outfile=${target}.mjs`]],
};

for (const [index, [name, command]] of Object.entries(bundlers).entries()) {
  test(`a bundle for servers by ${name}`, () => {
    for (const [entry, expected] of [
      ['arc-recorder', 'component_not_loaded'],
      ['arc-recorder/inlined', 'accepted'],
    ] as const) {
      const source = `bundled${index}.js`;
      writeFileSync(
        source,
        `import { loadExtractor } from '${entry}';
loadExtractor().then(
  (extractor) => console.log(extractor.verdict('{"scenario": {"id": "a"}}').verdict),
  ({ name, code, hint }) => console.log(name === 'ArcError' && hint.includes("'arc-recorder/inlined'") ? code : name),
);
`,
      );
      const target = join(bundles, `${index}-${expected}`);
      const [program, parameters] = command(source, target);
      run(program, ...parameters);
      same(run(process.execPath, existsSync(`${target}.mjs`) ? `${target}.mjs` : `${target}.cjs`).trim(), expected, entry);
    }
  });
}
