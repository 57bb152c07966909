// Finds the positions of values in a JSON text, in bytes of UTF-8. Except for `isDeeper`, the text must be valid.

/** Returns the length of a text in UTF-8. */
export function utf8Length(text) {
  let bytes = text.length;
  for (const [run] of text.matchAll(/[^\0-\x7f]+/g)) {
    for (let at = 0; at < run.length; at += 1) {
      const unit = run.charCodeAt(at);
      // Half of a surrogate pair is two of its four bytes.
      bytes += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
    }
  }
  return bytes;
}

/** Whether objects and arrays are nested deeper than this. The text need not be valid. */
export function isDeeper(text, limit) {
  const marks = /["[\]{}]/g;
  let depth = 0;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    if (mark[0] === '"') {
      marks.lastIndex = skipString(text, mark.index);
    } else {
      depth += mark[0] === '[' || mark[0] === '{' ? 1 : -1;
      if (depth > limit) return true;
    }
  }
  return false;
}

/** Replaces `NaN`, `Infinity` and `-Infinity`, which JSON does not have, by `null`. Returns the text and their number. */
export function withNullForNaN(text) {
  const marks = /["NI]/g;
  const parts = [];
  let [kept, count] = [0, 0];
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    if (mark[0] === '"') {
      marks.lastIndex = skipString(text, mark.index);
      continue;
    }
    const word = ['NaN', 'Infinity'].find((word) => text.startsWith(word, mark.index));
    if (word === undefined) continue;
    const start = text[mark.index - 1] === '-' ? mark.index - 1 : mark.index;
    parts.push(text.slice(kept, start), 'null');
    kept = mark.index + word.length;
    marks.lastIndex = kept;
    count += 1;
  }
  return [parts.join('') + text.slice(kept), count];
}

/** Returns the span of the value at this path of names and indices; undefined if it does not exist. */
export function findSpan(text, path) {
  let [start, end] = whole(text);
  for (const name of path) {
    const found = children(text, start).findLast((child) => child.name === name);
    if (found === undefined) return undefined;
    ({ start, end } = found);
  }
  return { offset: utf8Length(text.slice(0, start)), length: utf8Length(text.slice(start, end)) };
}

/** Returns the spans of all elements of the array at this path. */
export function elementSpans(text, path) {
  let [start] = whole(text);
  for (const name of path) start = children(text, start).findLast((child) => child.name === name).start;
  let [units, bytes] = [0, 0];
  return children(text, start).map((child) => {
    bytes += utf8Length(text.slice(units, child.start));
    units = child.start;
    return { offset: bytes, length: utf8Length(text.slice(child.start, child.end)) };
  });
}

function whole(text) {
  const start = skipSpace(text, 0);
  return [start, skipValue(text, start)];
}

/** Returns the members or elements of the object or array that begins here. */
function children(text, start) {
  const isObject = text[start] === '{';
  if (!isObject && text[start] !== '[') return [];
  const found = [];
  let at = skipSpace(text, start + 1);
  while (text[at] !== '}' && text[at] !== ']') {
    let name = String(found.length);
    if (isObject) {
      const end = skipString(text, at);
      name = JSON.parse(text.slice(at, end));
      // After the colon.
      at = skipSpace(text, skipSpace(text, end) + 1);
    }
    const end = skipValue(text, at);
    found.push({ name, start: at, end });
    at = skipSpace(text, end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return found;
}

function skipSpace(text, at) {
  const space = /[ \t\r\n]*/y;
  space.lastIndex = at;
  space.test(text);
  return space.lastIndex;
}

/** Returns the position after the string that begins here; the text's end if nothing closes it. */
function skipString(text, start) {
  let at = start;
  for (;;) {
    at = text.indexOf('"', at + 1);
    if (at === -1) return text.length;
    let escapes = 0;
    while (text[at - 1 - escapes] === '\\') escapes += 1;
    if (escapes % 2 === 0) return at + 1;
  }
}

/** Returns the position after the value that begins here. */
function skipValue(text, start) {
  if (text[start] === '"') return skipString(text, start);
  if (text[start] !== '{' && text[start] !== '[') {
    const scalar = /[^ \t\r\n,\]}]*/y;
    scalar.lastIndex = start;
    scalar.test(text);
    return scalar.lastIndex;
  }
  const marks = /["[\]{}]/g;
  let depth = 0;
  marks.lastIndex = start;
  for (;;) {
    const { index } = marks.exec(text);
    if (text[index] === '"') {
      marks.lastIndex = skipString(text, index);
    } else if (text[index] === '{' || text[index] === '[') {
      depth += 1;
    } else {
      depth -= 1;
      if (depth === 0) return index + 1;
    }
  }
}
