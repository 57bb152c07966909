// The checks in a runtime with the modules of Node, such as Bun and Deno. The report has a line for each.
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { loadExtractor } from 'arc-recorder';
import { type Documents, report } from './checks.js';
import { checks as extraction } from './extraction.js';
import { checks as service } from './service.js';

const given = JSON.parse(readFileSync('documents.json', 'utf8')) as Documents;
const urls = { service: process.env.ARC_TEST_SERVICE ?? '', redirects: process.env.ARC_TEST_REDIRECTS ?? '' };
console.log(await report({ ...given, ...urls, load: loadExtractor }, { ...extraction, ...service }));
