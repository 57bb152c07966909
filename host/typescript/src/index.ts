/**
 * Records the results of AI-agent evaluations: local verdicts, and a client of the service.
 *
 * - {@link loadExtractor}: the extraction component, which validates results in this process;
 * - {@link ArcClient}: the calls of the service, typed, with retries;
 * - {@link Submission}: a result with its attributes;
 * - {@link ArcError}, {@link RejectedError}: the errors.
 *
 * @packageDocumentation
 */

export { ArcClient } from './client.js';
export type { CallOptions, ClientOptions, OutcomeQuery, PageQuery, SimulationQuery } from './client.js';
export { ArcError, RejectedError } from './errors.js';
export { Extractor, loadExtractor } from './extractor.js';
export type { Verdict, WasmSource } from './extractor.js';
export { Submission } from './submission.js';
export type { Result, SubmissionOptions } from './submission.js';
export type {
  BatchVerdicts,
  ConfigurationCreated,
  FailureList,
  Headline,
  Invalidation,
  ItemVerdict,
  ListedResults,
  MetricDeclaration,
  MetricDefinition,
  MetricFigures,
  Stats,
  Outcome,
  OutcomeList,
  OutcomeStatus,
  Performance,
  Problem,
  ProblemCode,
  Violation,
  Reconciliation,
  RejectedList,
  RemovedSimulation,
  ResolvedSimulation,
  ResultList,
  ResultVerdict,
  Revision,
  RevisionList,
  Score,
  SelectRevisionRequest,
  ServiceHealth,
  SimulationCompleted,
  SimulationEnded,
  SimulationLabels,
  SimulationList,
  SimulationProgress,
  SimulationStarted,
  SimulationStatus,
  SimulationSummary,
  StartSimulationRequest,
  SupersededResult,
  TagChange,
} from './bodies.js';
/** The component's own records: `extraction.Outcome`, `extraction.Scenario` and so on. */
export type * as extraction from './records.js';
