// An evaluation runner in JavaScript that is a component: it records through any host.
//
// It reads a list of scenarios from standard input, lets a small agent answer each prompt, records the results, and
// prints the state of the simulation as one line of JSON. docs/components.md has the commands that build it.
//
//     arc-host run runner.wasm -- NAME < scenarios.json

import recorder from 'arc:recording/recorder@0.1.0';
import environment from 'wasi:cli/environment@0.2.0';
import stderr from 'wasi:cli/stderr@0.2.0';
import stdin from 'wasi:cli/stdin@0.2.0';
import stdout from 'wasi:cli/stdout@0.2.0';

// The engine, QuickJS, has neither `TextEncoder` nor `console`. A stream accepts at most 4,096 bytes in one call.
const WRITE_BYTES = 4096;

function write(stream, text) {
  const bytes = Uint8Array.from(unescape(encodeURIComponent(text)), (byte) => byte.charCodeAt(0));
  for (let at = 0; at < bytes.length; at += WRITE_BYTES) {
    stream.blockingWriteAndFlush(bytes.slice(at, at + WRITE_BYTES));
  }
}

function readAll(stream) {
  const read = [];
  for (;;) {
    try {
      for (const byte of stream.blockingRead(65_536)) read.push(`%${byte.toString(16).padStart(2, '0')}`);
    } catch (error) {
      if (error.payload?.tag !== 'closed') throw error;
      return decodeURIComponent(read.join(''));
    }
  }
}

// Answers an addition; fails on any other prompt.
function agent(prompt) {
  const asked = /^What is (\d+) plus (\d+)\?$/.exec(prompt);
  if (asked === null) throw new Error(`cannot answer ${JSON.stringify(prompt)}`);
  return String(Number(asked[1]) + Number(asked[2]));
}

// Returns the result of the agent's run on a scenario.
function evaluate(scenario) {
  const began = new Date();
  let answer = null;
  let error = null;
  try {
    answer = agent(scenario.task_prompt);
  } catch (reason) {
    error = String(reason);
  }
  return {
    scenario,
    trajectory: {
      status: error === null ? 'success' : 'error',
      start_time: began.toISOString(),
      execution_time_seconds: (Date.now() - began) / 1000,
      full_trajectory: [{ type: 'answer', content: answer }],
      final_response: answer,
      error,
    },
    reliability_score: answer === scenario.expected ? 1 : 0,
  };
}

function evaluateAndRecord(name, scenarios) {
  // Members are those of `wit/` in camel case; an absent value can be left out.
  const { simulationId } = recorder.startSimulation({
    configVersionId: 'adding-agent-1',
    scenarios: JSON.stringify(scenarios),
    simulationName: name,
    metrics: [],
  });
  const submissions = scenarios.map((scenario) => ({ document: JSON.stringify(evaluate(scenario)) }));
  const verdicts = recorder.recordOutcomes(simulationId, submissions);
  const completed = recorder.completeSimulation(simulationId, null);
  return {
    simulation_id: simulationId,
    verdicts: verdicts.map(({ verdict }) => verdict.tag),
    overall_score: completed.figures.overallScore,
  };
}

// The entry point that the host calls. The code outside of functions runs once, when the component is built.
export const run = {
  run() {
    try {
      const [, name] = environment.getArguments();
      if (name === undefined) throw new Error('no name of the simulation');
      const state = evaluateAndRecord(name, JSON.parse(readAll(stdin.getStdin())));
      write(stdout.getStdout(), `${JSON.stringify(state)}\n`);
    } catch (error) {
      // An error of the recorder is an `Error` whose `payload` has its case, and a text or a list of violations.
      const reason = error.payload === undefined ? String(error) : JSON.stringify(error.payload);
      write(stderr.getStderr(), `${reason}\n`);
      throw undefined;
    }
  },
};
