// The checks in a browser. The report has a line for each, and is posted at the end.
import type { Context } from './checks.js';
import { checks as extraction } from './extraction.js';
import { checks as service } from './service.js';

const given = (await (await fetch('given.json')).json()) as Omit<Context, 'service'>;
const context: Context = {
  ...given,
  service: new URLSearchParams(location.search).get('service') ?? '',
};

const lines: string[] = [];
for (const [name, check] of Object.entries({ ...extraction, ...service })) {
  try {
    await check(context);
    lines.push(`ok ${name}\n`);
  } catch (error) {
    lines.push(`FAILED ${name}: ${(error as Error).stack}\n`);
  }
}
await fetch('/done', { method: 'POST', body: lines.join('') });
