// Short names for the types of the service's bodies, which are generated from its OpenAPI document.

import type { components } from './service.js';

type Schemas = components['schemas'];

export type BatchVerdicts = Schemas['BatchVerdicts'];
export type ConfigurationCreated = Schemas['ConfigurationCreated'];
export type FailureList = Schemas['FailureList'];
export type Headline = Schemas['Headline'];
export type ListedResults = Schemas['ListedResults'];
export type MetricDefinition = Schemas['MetricDefinition'];
export type MetricFigures = Schemas['MetricFigures'];
export type Stats = Schemas['Stats'];
export type Performance = Schemas['Performance'];
export type Problem = Schemas['Problem'];
export type OutcomeStatus = Schemas['OutcomeStatus'];
export type ProblemCode = Schemas['ProblemCode'];
export type Violation = Schemas['Violation'];
export type Reconciliation = Schemas['Reconciliation'];
export type RejectedList = Schemas['RejectedList'];
export type ResultList = Schemas['ResultList'];
export type ResultVerdict = Schemas['ResultVerdict'];
export type Revision = Schemas['Revision'];
export type RevisionList = Schemas['RevisionList'];
export type SelectRevisionRequest = Schemas['SelectRevisionRequest'];
export type ServiceHealth = Schemas['ServiceHealth'];
export type SimulationCompleted = Schemas['SimulationCompleted'];
export type SimulationEnded = Schemas['SimulationEnded'];
export type SimulationList = Schemas['SimulationList'];
export type SimulationProgress = Schemas['SimulationProgress'];
export type SimulationStarted = Schemas['StartedBody'];
export type SimulationStatus = Schemas['SimulationStatus'];
export type SupersededResult = Schemas['SupersededResult'];

/** A score of a result, as the tool wrote it. */
export interface Score {
  /** The name of the metric. */
  name: string;
  /** Absent if the result has no number under this metric. */
  value?: number;
  /** The value as the tool wrote it, if that is not a number, such as `C` or `pass`. */
  label?: string;
  /** The lowest value that the result itself declares. */
  lowest?: number;
  /** The highest value that the result itself declares. */
  highest?: number;
  /** The position of the scorer's text about this score in the document: offset and length in bytes. */
  explanation?: [number, number];
}

/** A mark that a result does not count. */
export interface Invalidation {
  author: string | null;
  reason: string | null;
  at: string | null;
}

/** A recorded outcome. */
export type Outcome = Omit<Schemas['OutcomeBody'], 'scores' | 'invalidation'> & {
  /** Every score, in the document's order. */
  scores: Score[];
  /** The mark that the result does not count; null if it counts. */
  invalidation?: Invalidation | null;
};

export type OutcomeList = Omit<Schemas['OutcomeList'], 'outcomes'> & { outcomes: Outcome[] };

/** A declaration of metrics. The scale is the highest value of the results' own score, whose lowest is 0. */
export type MetricDeclaration = Partial<Pick<Schemas['StartSimulationRequest'], 'metrics' | 'score_scale'>>;

/** The body that starts a simulation. Only the scenarios are required. */
export type StartSimulationRequest = Partial<Schemas['StartSimulationRequest']> & Pick<Schemas['StartSimulationRequest'], 'scenarios'>;

/** The verdict on one of many results. Its id is null if the result cannot be JSON and was not sent. */
export type ItemVerdict = Omit<ResultVerdict, 'outcome_id'> & { outcome_id: string | null };
