// Short names for the types of the service's bodies, which are generated from its OpenAPI document.

import type { components } from './service.js';

type Schemas = components['schemas'];

export type Annotation = Schemas['Annotation'];
export type AnnotationList = Schemas['AnnotationList'];
export type BatchVerdicts = Schemas['BatchVerdicts'];
export type ConfigurationCreated = Schemas['ConfigurationCreated'];
export type FailureList = Schemas['FailureList'];
export type Headline = Schemas['Headline'];
export type Invalidation = Schemas['Invalidation'];
export type ListedResults = Schemas['ListedResults'];
export type MetricDefinition = Schemas['MetricDefinition'];
export type MetricFigures = Schemas['MetricFigures'];
export type Stats = Schemas['Stats'];
export type MissingList = Schemas['MissingList'];
export type MissingTrial = Schemas['MissingTrial'];
export type OutcomeList = Schemas['OutcomeList'];
export type Performance = Schemas['Performance'];
export type Problem = Schemas['Problem'];
export type OutcomeStatus = Schemas['OutcomeStatus'];
export type ProblemCode = Schemas['ProblemCode'];
export type Violation = Schemas['Violation'];
export type Reconciliation = Schemas['Reconciliation'];
export type RejectedList = Schemas['RejectedList'];
export type RemovedSimulation = Schemas['RemovedSimulation'];
export type ResolvedSimulation = Schemas['ResolvedSimulation'];
export type ResultList = Schemas['ResultList'];
export type ResultVerdict = Schemas['ResultVerdict'];
export type Revision = Schemas['Revision'];
export type RevisionList = Schemas['RevisionList'];
export type Score = Schemas['Score'];
export type SelectRevisionRequest = Schemas['SelectRevisionRequest'];
export type ServiceHealth = Schemas['ServiceHealth'];
export type SimulationCompleted = Schemas['SimulationCompleted'];
export type SimulationEnded = Schemas['SimulationEnded'];
export type SimulationLabels = Schemas['SimulationLabels'];
export type SimulationList = Schemas['SimulationList'];
export type SimulationProgress = Schemas['SimulationProgress'];
export type SimulationStarted = Schemas['StartedBody'];
export type SimulationStatus = Schemas['SimulationStatus'];
export type SimulationSummary = Schemas['SimulationSummary'];
export type SupersededResult = Schemas['SupersededResult'];

/** An annotation to be made: only its kind is required. */
export type NewAnnotation = Partial<Schemas['NewAnnotation']> & Pick<Schemas['NewAnnotation'], 'kind'>;

/** The tags that a simulation gets and loses. */
export type TagChange = Schemas['TagSimulationRequest'];

/** A recorded outcome. */
export type Outcome = Schemas['OutcomeBody'];

/** A declaration of metrics. The scale is the highest value of the results' own score, whose lowest is 0. */
export type MetricDeclaration = Partial<Pick<Schemas['StartSimulationRequest'], 'metrics' | 'score_scale'>>;

/** The body that starts a simulation. Only the scenarios are required. */
export type StartSimulationRequest = Partial<Schemas['StartSimulationRequest']> & Pick<Schemas['StartSimulationRequest'], 'scenarios'>;

/** The verdict on one of many results. Its id is null if the result cannot be JSON and was not sent. */
export type ItemVerdict = Omit<ResultVerdict, 'outcome_id'> & { outcome_id: string | null };
