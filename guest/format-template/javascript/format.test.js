// The rules for files of exams, one by one. The tests run in Node: the component is the same code.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { container, extraction } from './format.js';

const HEADER = '{"exam": "capitals", "answers": [null]}';

/** Returns the places and codes of an answer's violations. */
function wrong(item) {
  try {
    container.extractItemOutcome(HEADER, item);
  } catch (violations) {
    return violations.map(({ path, code }) => [path, code]);
  }
  throw new Error('it is taken for valid');
}

test('its own files are recognised and no others', () => {
  const detect = (head) => container.detect('capitals.exam.json', Buffer.from(head));
  const layout = detect(readFileSync(new URL('capitals.exam.json', import.meta.url)));
  assert.deepEqual(layout.items, { tag: 'elements', val: '/answers/*' });
  for (const other of ['{}', '', '\0\xff', '{"results": [], "exam": 1}', '[1, 2]']) {
    assert.equal(detect(other), undefined);
  }
});

test('every field is read from an answer', () => {
  const item = `{"question": "peru", "attempt": 2, "prompt": "Pérú?", "ended": "failed", "seconds": 1.5,
    "tokens": 7, "points": 0.25, "began_at": "2026-01-02T03:04:05+01:00",
    "error": "ConnectionError: no answer", "steps": [{"a": "\\"]😀"}, 2]}`;
  const outcome = container.extractItemOutcome(HEADER, item);
  assert.equal(outcome.scenario.id, 'capitals/peru');
  assert.equal(outcome.scenario.taskPrompt, 'Pérú?');
  assert.deepEqual([outcome.trial, outcome.status], [2, 'error']);
  assert.deepEqual([outcome.reliabilityScore, outcome.executionTimeMs], [0.25, 1500]);
  assert.equal(outcome.executionTime, '2026-01-02T02:04:05.000000Z');
  assert.deepEqual([outcome.errorCategory, outcome.errorCode], ['network', 'ConnectionError']);
  assert.deepEqual([outcome.eventCount, outcome.tokensUsed], [2, 7]);
  const { offset, length } = outcome.detailedTrajectory;
  assert.equal(Buffer.from(item).subarray(offset, offset + length).toString(), '[{"a": "\\"]😀"}, 2]');
  assert.deepEqual(outcome.warnings, []);
  assert.deepEqual(container.extractItemScenario(HEADER, item).scenario, outcome.scenario);
  const verdict = JSON.parse(container.extractItemJson(HEADER, item));
  assert.equal(verdict.outcome.error_category, 'network');
  assert.deepEqual(verdict.outcome.detailed_trajectory, [offset, length]);
});

test('all violations are reported at the same time', () => {
  assert.deepEqual(wrong('{"question": "", "ended": "odd", "seconds": -1, "tokens": "7"}'), [
    ['/question', 'missing_scenario'],
    ['/ended', 'unknown_status'],
    ['/seconds', 'out_of_range'],
    ['/tokens', 'wrong_type'],
  ]);
  assert.deepEqual(wrong('{'), [['', 'malformed_json']]);
  assert.deepEqual(wrong('[]'), [['', 'wrong_type']]);
  assert.deepEqual(wrong(`{"steps": ${'['.repeat(100_000)}`), [['', 'too_deep']]);
  assert.deepEqual(wrong('{"steps": "'), [['', 'malformed_json']]);
});

test('violations in optional data are warnings', () => {
  const outcome = extraction.extractOutcome('{"question": "a", "points": 17, "began_at": "today"}');
  assert.equal(outcome.scenario.id, 'a');
  assert.deepEqual(outcome.warnings.map(({ code }) => code), [
    'header_missing', 'status_missing', 'time_unreadable', 'score_out_of_scale',
  ]);
});

test('lists of scenarios and texts of many documents are read', () => {
  const list = '[{"id": "é", "task_prompt": "Do it."}, {"id": "b"}]';
  const [first, second] = extraction.extractScenarios(list);
  assert.deepEqual([first.id, first.taskPrompt, second.id], ['é', 'Do it.', 'b']);
  const part = ({ offset, length }, text) => Buffer.from(text).subarray(offset, offset + length).toString();
  assert.equal(part(second.definition, list), '{"id": "b"}');
  assert.throws(() => extraction.extractScenarios('[{"id": "a"}, {"id": "a"}]'), ([{ code }]) => code === 'duplicate_scenario');
  for (const text of ['{"é": 1}\n\n {"b": 2}\r\n', '[{"é": 1}, {"b": 2}]', '{"x": "]", "results": [{"é": 1}, {"b": 2}]}']) {
    assert.deepEqual(extraction.split(text).map(({ document }) => part(document, text)), ['{"é": 1}', '{"b": 2}']);
  }
});
