#!/usr/bin/env bash
# JavaScript that jco makes from a component drops a U+FEFF at the start of every string that the
# component returns.
#
# Versions: @bytecodealliance/jco 1.35.0, Node 20.
# Seen:     2026-11-29, Linux x86-64.
#
# What happens: the component returns the six bytes EF BB BF 61 62 63, which are the text U+FEFF
# "abc". The glue code decodes them with `new TextDecoder()`, which takes a U+FEFF at the beginning
# for a byte order mark and removes it, unless it is made with `ignoreBOM: true`. A component model
# string has no byte order mark; wasmtime and other hosts return all four characters.
#
# Output seen:
#   the component wrote: ef bb bf 61 62 63
#   JavaScript got: 61 62 63
#   U+FEFF in the middle: 61 feff 62
#
# Why it matters: a component that returns documents, offsets into them, or hashes of them disagrees
# with its JavaScript host about texts that begin in this way, such as files that were saved on
# Windows. Only the result is cut: the same text goes in whole.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > /dev/null
npm pkg set type=module
npm install --silent --no-audit --no-fund --ignore-scripts --save-exact @bytecodealliance/jco@1.35.0

cat > component.wat <<'WAT'
(component
  (core module $code
    (memory (export "memory") 1)
    (data (i32.const 64) "\ef\bb\bfabc")
    (data (i32.const 96) "a\ef\bb\bfb")
    ;; A returned string is an address and a length.
    (func (export "leading") (result i32)
      (i32.store (i32.const 0) (i32.const 64))
      (i32.store (i32.const 4) (i32.const 6))
      (i32.const 0))
    (func (export "inner") (result i32)
      (i32.store (i32.const 0) (i32.const 96))
      (i32.store (i32.const 4) (i32.const 5))
      (i32.const 0)))
  (core instance $instance (instantiate $code))
  (func (export "leading") (result string)
    (canon lift (core func $instance "leading") (memory (core memory $instance "memory"))))
  (func (export "inner") (result string)
    (canon lift (core func $instance "inner") (memory (core memory $instance "memory")))))
WAT

cat > make.mjs <<'NODE'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parse, transpile } from '@bytecodealliance/jco';

const component = await parse(readFileSync('component.wat', 'utf8'));
const { files } = await transpile(component, { name: 'made' });
mkdirSync('made');
for (const [name, bytes] of Object.entries(files)) writeFileSync(`made/${basename(name)}`, bytes);
NODE
node make.mjs

cat > observe.mjs <<'NODE'
import { inner, leading } from './made/made.js';

const points = (text) => [...text].map((letter) => letter.codePointAt(0).toString(16)).join(' ');
console.log('the component wrote: ef bb bf 61 62 63');
console.log(`JavaScript got: ${points(leading())}`);
console.log(`U+FEFF in the middle: ${points(inner())}`);
NODE
node observe.mjs > seen.txt || true
cat > expected.txt <<'TEXT'
the component wrote: ef bb bf 61 62 63
JavaScript got: 61 62 63
U+FEFF in the middle: 61 feff 62
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: jco's code returns a leading U+FEFF in another way than described here" >&2
    exit 1
fi
