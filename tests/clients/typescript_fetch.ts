// Records with the typescript-fetch client of openapi-generator: `typescript_fetch.js URL RESULTS`.
import { readFile } from 'node:fs/promises';

import {
  Configuration,
  ReadingApi,
  RecordingApi,
  ResultDocumentFromJSON,
  instanceOfBatchVerdicts,
  instanceOfResultVerdict,
} from './client/index.js';

const [url, path] = process.argv.slice(2) as [string, string];
const bytes = await readFile(path);
const sent: { scenario: object }[] = JSON.parse(bytes.toString());
const results = sent.map((result) => ResultDocumentFromJSON(result));
const configuration = new Configuration({ basePath: url });
const recording = new RecordingApi(configuration);

const startSimulationRequest = { scenarios: sent.map((result) => result.scenario) };
const { simulation_id: simulationId } = await recording.startSimulation({ startSimulationRequest });

const one = await recording.recordOutcomes({ simulationId, resultsDocument: results[0] });
if (!instanceOfResultVerdict(one)) throw new Error(JSON.stringify(one));

const many = await recording.recordOutcomes({ simulationId, resultsDocument: { results } });
if (!instanceOfBatchVerdicts(many)) throw new Error(JSON.stringify(many));

const status = await new ReadingApi(configuration).simulationStatus({ simulationId });
const fileName = 'typescript_fetch.json';
const file = await recording.recordFile({ body: new Blob([bytes]), fileName });
const answer = {
  simulation: simulationId,
  one: one.verdict,
  many: { stored: many.stored, duplicate: many.duplicate },
  completed: status.completed_scenarios,
  file: file.stored,
};
console.log(JSON.stringify(answer));
