// Files of the tool exam as a format of Arc Recorder.
//
// This is a template: replace the parts about exams by the files of your own tool. An exam's file is one JSON object,
// with the exam's name, the model, and an array of answers; each answer is a result. Its fields:
//
// | field of the outcome | location |
// |---|---|
// | scenario.id | the file's `exam`, `/`, and the answer's `question` |
// | scenario.taskPrompt | `prompt` |
// | trial | `attempt` |
// | status | `ended`: `finished`, `failed` or `out of time` |
// | reliabilityScore | `points`, from 0 to 1 |
// | executionTime, executionTimeMs | `began_at` and `seconds` |
// | tokensUsed | `tokens` |
// | errorMessage, errorCode, errorCategory | `error`; its first word, and the kind of failure |
// | detailedTrajectory, eventCount | `steps` |

import { defineFormat, failure, inUtc, Reader } from './kit.js';

const STATUSES = { finished: 'success', failed: 'error', 'out of time': 'timeout' };

const format = defineFormat({
  name: 'exam-js',
  version: '0.1.0',
  authors: 'Your Name',
  description: 'Files of the tool exam: an object with an array of answers',

  // Recognises the files of this format, and no others: every format is tried on every file. `head` is the start of the
  // file as text, up to 4,096 bytes, and can end anywhere.
  detect(fileName, head) {
    if (!/^\s*\{\s*"exam"\s*:/.test(head)) return undefined;
    // Each element of the array is a result, and the document around the array is their header.
    return { items: { tag: 'elements', val: '/answers/*' }, header: { tag: 'enclosing-document' }, classifyItems: false };
  },

  // Reads only the scenario, also of a result that is rejected: a plan needs no more.
  scenario(header, answer) {
    const question = answer.text('/question');
    if (!question) {
      answer.violation('/question', 'missing_scenario', 'an answer has a question, which names its scenario; it is missing');
      return undefined;
    }
    let exam;
    if (header === undefined) {
      // A result that is sent without its file, for example over HTTP, has no header.
      answer.warning('', 'header_missing', 'the answer came without its file, so the name of its exam is not known');
    } else {
      exam = new Reader(header).text('/exam');
    }
    return {
      scenario: {
        id: exam === undefined ? question : `${exam}/${question}`,
        name: question,
        taskPrompt: answer.text('/prompt'),
      },
      trial: answer.count('/attempt', 1, 10_000),
    };
  },

  // Reads all fields of a result. The reader collects the violations.
  outcome(header, answer) {
    const { scenario, trial } = this.scenario(header, answer) ?? {};
    const ended = answer.text('/ended');
    const status = STATUSES[ended] ?? 'error';
    if (ended === undefined) {
      answer.warning('/ended', 'status_missing', 'the member is missing; an error is assumed');
    } else if (!Object.hasOwn(STATUSES, ended)) {
      answer.violation('/ended', 'unknown_status', `expected finished, failed or out of time, found ${ended.slice(0, 40)}`);
    }
    const beganAt = answer.text('/began_at');
    const executionTime = inUtc(beganAt);
    if (beganAt !== undefined && executionTime === undefined) {
      answer.warning('/began_at', 'time_unreadable', 'this is no RFC 3339 time with an offset; the time of receipt is used');
    }
    const steps = answer.at('/steps');
    return {
      scenario,
      trial,
      status,
      reliabilityScore: answer.score('/points'),
      executionTime,
      executionTimeMs: (answer.amount('/seconds') ?? 0) * 1000,
      tokensUsed: answer.count('/tokens', 0, Number.MAX_SAFE_INTEGER) ?? 0,
      eventCount: Array.isArray(steps) ? steps.length : 0,
      detailedTrajectory: answer.span('/steps'),
      ...failure(answer.text('/error'), status),
    };
  },
});

export const { types, extraction, container } = format;
