// Serves folders on loopback, opens a page in headless Chromium, and prints what the page posts to
// /done: in_chromium.mjs FOLDER PAGE [QUERY]. It fails if the page posts to /failed or posts
// nothing for a minute.
//
// It needs no browser driver, because a page that can fetch can report its own result.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, resolve, sep } from 'node:path';

const DEADLINE_MS = 60_000;
const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

const [folder, page, query = ''] = process.argv.slice(2);
const root = resolve(folder);
// Errors before the page's own code runs, such as a module that is not found, are reported too.
const REPORT = `<script>
  const report = (what) => fetch('/failed', { method: 'POST', body: String(what) });
  addEventListener('error', (event) => report(event.error?.stack || event.message || event.target?.src || 'a module could not be loaded'), true);
  addEventListener('unhandledrejection', (event) => report(event.reason?.stack ?? event.reason));
</script>`;

let settle;
const posted = new Promise((done) => (settle = done));

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const path = decodeURIComponent(new URL(request.url, 'http://page').pathname);
  if (request.method === 'POST') {
    const text = await body(request);
    response.end();
    settle({ failed: path !== '/done', text });
    return;
  }
  try {
    const file = resolve(join(root, path));
    if (!file.startsWith(root + sep)) throw new Error('outside');
    let content = await readFile(file);
    if (extname(file) === '.html') content = Buffer.concat([content, Buffer.from(REPORT)]);
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const url = `http://127.0.0.1:${server.address().port}/${page}${query}`;

const profile = await mkdtemp(join(tmpdir(), 'arc-chromium-'));
const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-proxy-server',
  `--user-data-dir=${profile}`,
];
const browser = spawn(process.env.ARC_TEST_CHROMIUM ?? 'chromium', [...flags, url], {
  stdio: ['ignore', 'ignore', 'pipe'],
  detached: true,
});
let complaints = '';
browser.stderr.on('data', (chunk) => (complaints += chunk));
browser.on('error', (error) => settle({ failed: true, text: error.message }));
const ended = new Promise((done) => browser.on('close', done));
ended.then((code) => settle({ failed: true, text: `Chromium ended (${code}): ${complaints}` }));
const deadline = setTimeout(
  () => settle({ failed: true, text: `the page has posted nothing: ${complaints}` }),
  DEADLINE_MS,
);

const { failed, text } = await posted;
clearTimeout(deadline);
// Chromium runs in a process group of its own, so that all its processes can be killed at once.
if (browser.pid !== undefined && (browser.exitCode ?? browser.signalCode) === null) process.kill(-browser.pid, 'SIGKILL');
await ended;
server.closeAllConnections();
server.close();
await rm(profile, { recursive: true, force: true, maxRetries: 10 });
process.exitCode = failed ? 1 : 0;
await new Promise((written) => (failed ? process.stderr : process.stdout).write(text, written));
