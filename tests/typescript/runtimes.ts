// Runs the checks in another runtime, against the service in ARC_TEST_SERVICE: runtimes.js RUNTIME. The folder of the
// runtimes' programs is in ARC_TEST_TOOLS, and the program that runs a page in Chromium in ARC_TEST_IN_CHROMIUM.
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startRedirects } from './redirects.js';

const tools = process.env.ARC_TEST_TOOLS ?? '';
const service = process.env.ARC_TEST_SERVICE ?? '';
const redirects = await startRedirects();

/** The module and the configuration of workerd: one file of code, and the component as a module beside it. */
function prepareWorkerd(): void {
  const bundle = ['worker.js', '--bundle', '--format=esm', '--outfile=worker.bundle.mjs', '--log-level=warning'];
  bundle.push('--external:arc-recorder/extractor.core.wasm', '--conditions=workerd,worker,browser');
  const { status } = spawnSync(join(tools, 'esbuild'), bundle, { stdio: 'inherit' });
  if (status !== 0) throw new Error('esbuild failed');
  const wasm = 'node_modules/arc-recorder/dist/component/extractor.core.wasm';
  writeFileSync(
    'workerd.capnp',
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "checks", worker = .worker),
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
);
const worker :Workerd.Worker = (
  modules = [
    (name = "worker", esModule = embed "worker.bundle.mjs"),
    (name = "arc-recorder/extractor.core.wasm", wasm = embed "${wasm}"),
  ],
  bindings = [
    (name = "service", fromEnvironment = "ARC_TEST_SERVICE"),
    (name = "redirects", fromEnvironment = "ARC_TEST_REDIRECTS"),
  ],
  compatibilityDate = "2025-11-01",
);
`,
  );
}

const commands: Record<string, () => [string, string[]]> = {
  bun: () => [join(tools, 'bun'), ['process.js']],
  deno: () => [
    join(tools, 'deno'),
    ['run', '--no-config', '--node-modules-dir=manual', '--no-remote', '--allow-net', '--allow-read', '--allow-env', 'process.js'],
  ],
  workerd() {
    prepareWorkerd();
    return [join(tools, 'workerd'), ['test', 'workerd.capnp']];
  },
  chromium() {
    const query = new URLSearchParams({ service, redirects: redirects.url });
    return [process.execPath, [process.env.ARC_TEST_IN_CHROMIUM ?? '', '.', 'browser.html', `?${query}`]];
  },
};

const [program, parameters] = commands[process.argv[2] ?? '']?.() ?? [];
if (program === undefined) throw new Error(`usage: runtimes.js ${Object.keys(commands).join('|')}`);
const child = spawn(program, parameters ?? [], {
  stdio: 'inherit',
  env: { ...process.env, ARC_TEST_REDIRECTS: redirects.url },
});
process.exitCode = await new Promise<number>((ended, failed) => {
  child.on('error', failed);
  child.on('close', (code) => ended(code ?? 1));
});
redirects.close();
