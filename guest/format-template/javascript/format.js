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
// | key | `uid`, which is unique to each answer |
// | scores | `points` unchanged, with `remark` as its explanation; the label `style` |
// | headline | `points`: the exam's own mean is that of the points |
// | executionTime, executionTimeMs | `began_at` and `seconds` |
// | tokensUsed, usage | `tokens`, of the model that the file names |
// | errorMessage, errorCode, errorCategory | `error`; the code or type that it names, and the kind of failure |
// | detailedTrajectory, eventCount | `steps` |
//
// What the exam's file reports about the whole run is in `suite`: its model, its id, its state, the number of questions, the highest
// number of points, and the mean of the points. Arc Recorder compares that mean with the recorded answers.

import { defineFormat, failure, inUtc, Reader, valueOfLabel } from './kit.js';

const STATUSES = { finished: 'success', failed: 'error', 'out of time': 'timeout' };

// The states of a run. `running` is the last state of a tool that was killed.
const RUN_STATUSES = new Map([['finished', 'completed'], ['stopped', 'cancelled'], ['running', 'incomplete']]);

// Reads every score as the tool wrote it: nothing is put on another scale.
function readScores(answer) {
  const points = answer.number('/points');
  if (points === undefined) answer.warning('/points', 'score_missing', 'the answer has no points; averages leave it out');
  // The position of the text, which stays in the document.
  const explanation = typeof answer.at('/remark') === 'string' ? answer.span('/remark') : undefined;
  // An answer without points keeps this score, so that it is seen to have none.
  const scores = [{ name: 'points', value: points, explanation }];
  const label = answer.label('/style');
  if (label !== undefined) {
    // `good` is 1 and `bad` is 0; a label that is not known has no number.
    const value = valueOfLabel(label);
    if (value === undefined) answer.warning('/style', 'label_unknown', 'the value of this label is not known');
    scores.push({ name: 'style', label, ...(value === undefined ? {} : { value, lowest: 0, highest: 1 }) });
  }
  return scores;
}

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
      // Scenario and trial are the place of an answer, so it needs no other. The id of the run is in the header.
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
    const executionTimeMs = (answer.amount('/seconds') ?? 0) * 1000;
    const tokensUsed = answer.count('/tokens', 0, Number.MAX_SAFE_INTEGER) ?? 0;
    const model = header === undefined ? undefined : new Reader(header).label('/model');
    return {
      scenario,
      trial,
      status,
      scores: readScores(answer),
      headline: 'points',
      key: answer.label('/uid'),
      executionTime,
      executionTimeMs,
      tokensUsed,
      // A tool that counts kinds of tokens, or the calls of a grader, has an element for each role and model.
      usage: tokensUsed > 0 ? [{ model, totalTokens: tokensUsed }] : [],
      eventCount: Array.isArray(steps) ? steps.length : 0,
      detailedTrajectory: answer.span('/steps'),
      ...failure(answer.text('/error'), status),
    };
  },

  // Reads what the header reports about the whole run.
  suite(header) {
    const mean = header.number('/mean_points');
    const seconds = header.amount('/seconds');
    return {
      executionTimeMs: seconds === undefined ? undefined : seconds * 1000,
      run: {
        runId: header.text('/run'),
        // Who ran what; a result has an origin of its own only if it differs.
        origin: { models: [header.label('/model')].filter(Boolean), task: header.label('/exam'), tool: 'exam' },
        status: RUN_STATUSES.get(header.text('/state')),
        plannedResults: header.count('/asked', 0, Number.MAX_SAFE_INTEGER),
        metrics: [{ name: 'points', lowest: 0, highest: header.number('/max_points'), headline: true }],
        // The mean of the answers that have points.
        figures: mean === undefined ? [] : [
          { metric: 'points', figure: 'mean_points', value: mean, aggregation: 'mean', missing: 'exclude', headline: true },
        ],
      },
    };
  },
});

export const { types, extraction, container } = format;
