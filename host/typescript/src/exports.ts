// The exports that `arc-recorder` and `arc-recorder/inlined` have in common: all but `loadExtractor`.

export { ArcClient } from './client.js';
export type { CallOptions, OutcomeQuery, PageQuery, SimulationQuery } from './client.js';
export { ArcError, RejectedError } from './errors.js';
export { Extractor } from './extractor.js';
export type { Verdict, WasmModule, WasmSource } from './extractor.js';
export type { ClientOptions } from './options.js';
export type { CodeResponse, FetchInit, FetchResponse, Signal, UrlObject } from './platform.js';
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
  Annotation,
  AnnotationList,
  MissingList,
  MissingTrial,
  NewAnnotation,
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
