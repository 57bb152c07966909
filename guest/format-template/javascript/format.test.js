// The rules for files of exams, one by one. The tests run in Node: the component is the same code.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { container, extraction } from './format.js';

const HEADER = '{"exam": "capitals", "model": "model-1", "answers": [null]}';

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
    "tokens": 7, "points": 7.25, "remark": "“Lima”?", "style": "bad", "uid": "a1", "began_at": "2026-01-02T03:04:05+01:00",
    "error": "ConnectionError: no answer", "steps": [{"a": "\\"]😀"}, 2]}`;
  const outcome = container.extractItemOutcome(HEADER, item);
  assert.equal(outcome.scenario.id, 'capitals/peru');
  assert.equal(outcome.scenario.taskPrompt, 'Pérú?');
  assert.deepEqual([outcome.trial, outcome.status], [2, 'error']);
  assert.equal(outcome.executionTimeMs, 1500);
  const [points, style] = outcome.scores;
  const text = ({ offset, length }) => Buffer.from(item).subarray(offset, offset + length).toString();
  // The number is unchanged, on any scale.
  assert.deepEqual([points.name, points.value, text(points.explanation)], ['points', 7.25, '"“Lima”?"']);
  assert.deepEqual([style.name, style.value, style.label], ['style', 0, 'bad']);
  assert.deepEqual([style.lowest, style.highest, outcome.scores.length], [0, 1, 2]);
  assert.deepEqual([outcome.headline, outcome.key], ['points', 'a1']);
  assert.equal(outcome.executionTime, '2026-01-02T02:04:05.000000Z');
  assert.deepEqual([outcome.errorCategory, outcome.errorCode], ['network', 'ConnectionError']);
  assert.deepEqual([outcome.eventCount, outcome.tokensUsed], [2, 7]);
  const [calls] = outcome.usage;
  assert.deepEqual([calls.model, calls.role, calls.totalTokens], ['model-1', undefined, 7]);
  const { offset, length } = outcome.detailedTrajectory;
  assert.equal(text({ offset, length }), '[{"a": "\\"]😀"}, 2]');
  assert.deepEqual(outcome.warnings, []);
  assert.deepEqual(container.extractItemScenario(HEADER, item).scenario, outcome.scenario);
  const verdict = JSON.parse(container.extractItemJson(HEADER, item));
  assert.equal(verdict.outcome.error_category, 'network');
  assert.deepEqual(verdict.outcome.detailed_trajectory, [offset, length]);
  assert.deepEqual(verdict.outcome.scores[1], {
    name: 'style', value: 0, label: 'bad', lowest: 0, highest: 1, explanation: null,
  });
});

// The component converts these to the records of `wit/types.wit`, and a member that is missing is an error.
test('answers have all members of the contract', () => {
  const members = (record) => {
    const wit = ['wit', '../../../wit'].map((folder) => new URL(`${folder}/types.wit`, import.meta.url)).find(existsSync);
    const [, body] = readFileSync(wit, 'utf8').split(`record ${record} {`);
    const names = body.split('\n    }')[0].matchAll(/^ {8}%?([a-z-]+):/gm);
    return [...names].map(([, name]) => name.replaceAll(/-(.)/g, (_, letter) => letter.toUpperCase())).sort();
  };
  const has = (record, value) => assert.deepEqual(Object.keys(value).sort(), members(record), record);
  const item = '{"question": "a", "points": 1, "tokens": 5}';
  const outcome = extraction.extractOutcome(item);
  has('outcome', outcome);
  has('score', outcome.scores[0]);
  has('origin', outcome.origin);
  has('token-usage', outcome.usage[0]);
  has('scenario', outcome.scenario);
  has('planned-scenario', extraction.extractScenario(item));
  const suite = extraction.extractSuite('{"mean_points": 1}');
  has('suite-summary', suite);
  has('run-report', suite.run);
  has('origin', suite.run.origin);
  has('metric-definition', suite.run.metrics[0]);
  has('reported-figure', suite.run.figures[0]);
});

test('the code of an error is the one that its text names', () => {
  const codeOf = (error) => extraction.extractOutcome(JSON.stringify({ question: 'a', ended: 'failed', error })).errorCode;
  for (const [text, code] of [
    ['openai.RateLimitError: slow down', 'openai.RateLimitError'], ["TimeoutError('60 s')", 'TimeoutError'],
    ['Error [ERR_X]: no', 'ERR_X'], ['[Errno 111] refused', 'Errno 111'], ['Error: connect ECONNREFUSED ::1', 'ECONNREFUSED'],
    ['HTTP 429: slow down', '429'], ['429 Too Many Requests', '429'], ['rate_limit_exceeded', 'rate_limit_exceeded'],
    ['E1234: no', 'E1234'], ["Traceback (most recent call last):\n  f()\nKeyError: 'x'", 'KeyError'],
    ['the run broke', undefined], ['Expected output to contain "4"', undefined], ['Error: could not start', undefined],
  ]) {
    assert.equal(codeOf(text), code, text);
  }
  const failed = extraction.extractOutcome('{"question": "a", "ended": "failed", "error": "AssertionError: invalid"}');
  assert.equal(failed.errorCategory, 'system-error');
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
  const outcome = extraction.extractOutcome('{"question": "a", "points": "17", "began_at": "today", "style": "odd"}');
  assert.equal(outcome.scenario.id, 'a');
  assert.deepEqual(outcome.warnings.map(({ code }) => code), [
    'header_missing', 'status_missing', 'time_unreadable', 'wrong_type', 'score_missing', 'label_unknown',
  ]);
  // Scores without a number are kept, so that they are seen to have none.
  assert.deepEqual(outcome.scores.map(({ name, value, label }) => [name, value, label]), [
    ['points', undefined, undefined], ['style', undefined, 'odd'],
  ]);
  assert.equal(outcome.headline, 'points');
});

test('numbers that are not finite are absent', () => {
  const item = '{"question": "é", "prompt": "NaN", "points": -Infinity, "x": [NaN], "steps": [NaN, "]"], "ended": "failed"}';
  const outcome = container.extractItemOutcome(HEADER, item);
  assert.equal(outcome.scores[0].value, undefined);
  assert.equal(outcome.scenario.taskPrompt, 'NaN');
  const { offset, length } = outcome.detailedTrajectory;
  assert.equal(Buffer.from(item).subarray(offset, offset + length).toString(), '[NaN, "]"]');
  assert.deepEqual(outcome.warnings.map(({ code }) => code).sort(), ['not_finite', 'score_missing']);
  assert.deepEqual(wrong('{"question": "a", "points": NaN, "steps": nan}'), [['', 'malformed_json']]);
});

test('a key is not empty and not long', () => {
  const key = (uid) => extraction.extractOutcome(JSON.stringify({ question: 'a', uid })).key;
  assert.deepEqual([key('a'), key(''), key(7), key('é'.repeat(400)).length <= 512], ['a', undefined, undefined, true]);
});

test('the header reports the run', () => {
  const { run, executionTimeMs } = extraction.extractSuite(readFileSync(new URL('capitals.exam.json', import.meta.url), 'utf8'));
  assert.deepEqual([run.runId, run.status, run.plannedResults, executionTimeMs], ['2026-01-02/1', 'completed', 3, 33250]);
  assert.deepEqual([run.metrics[0].name, run.metrics[0].highest], ['points', 1]);
  assert.deepEqual([run.figures[0].value, run.figures[0].aggregation], [0.75, 'mean']);
  assert.equal(extraction.extractSuite('{"state": "running"}').run.status, 'incomplete');
  assert.equal(extraction.extractSuite('{}').run.status, undefined);
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
