// Prints the verdict on each document of a file, one per line: verdicts.mjs MODULE DOCUMENTS.
import { readFileSync, writeFileSync } from 'node:fs';

const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(process.argv[2])));
const NAME = 'arc:recording/extraction@0.1.0#extract-json';

function extractJson(document) {
  const bytes = Buffer.from(document, 'utf8');
  const place = exports.cabi_realloc(0, 0, 1, bytes.length); // the callee frees it
  new Uint8Array(exports.memory.buffer).set(bytes, place);
  const answer = exports[NAME](place, bytes.length); // address of the text's address and length
  const memory = exports.memory.buffer; // after the call, because it can grow the memory
  const [text, length] = new Uint32Array(memory, answer, 2);
  const verdict = Buffer.from(memory, text, length).toString('utf8');
  exports[`cabi_post_${NAME}`](answer); // the caller has its copy
  return verdict;
}

const documents = readFileSync(process.argv[3], 'utf8').split('\n').filter((line) => line !== '');
writeFileSync(1, documents.map((document) => `${extractJson(document)}\n`).join(''));
