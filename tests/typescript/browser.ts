// The checks in a browser. The report has a line for each, and is posted at the end.
import { loadExtractor } from 'arc-recorder';
import { type Documents, report } from './checks.js';
import { checks as extraction } from './extraction.js';
import { checks as service } from './service.js';

const given = (await (await fetch('documents.json')).json()) as Documents;
const parameters = new URLSearchParams(location.search);
const urls = { service: parameters.get('service') ?? '', redirects: parameters.get('redirects') ?? '' };
const body = await report({ ...given, ...urls, load: loadExtractor }, { ...extraction, ...service });
await fetch('/done', { method: 'POST', body });
