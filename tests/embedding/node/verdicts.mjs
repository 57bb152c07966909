// Prints the verdict on each document of a file, one per line: verdicts.mjs DOCUMENTS.
import { readFileSync } from 'node:fs';
import { extraction } from './extractor/arc-extractor.js';

for (const document of readFileSync(process.argv[2], 'utf8').split('\n')) {
  if (document !== '') process.stdout.write(`${extraction.extractJson(document)}\n`);
}
