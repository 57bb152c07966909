// Short names for the types of the service's bodies, which are generated from its OpenAPI document.

import type { components } from './service.js';

type Schemas = components['schemas'];

export type BatchVerdicts = Schemas['BatchVerdicts'];
export type ConfigurationCreated = Schemas['ConfigurationCreated'];
export type FailureList = Schemas['FailureList'];
export type Stats = Schemas['Stats'];
export type Outcome = Schemas['OutcomeBody'];
export type OutcomeList = Schemas['OutcomeList'];
export type Performance = Schemas['Performance'];
export type Problem = Schemas['Problem'];
export type OutcomeStatus = Schemas['OutcomeStatus'];
export type ProblemCode = Schemas['ProblemCode'];
export type Violation = Schemas['Violation'];
export type RejectedList = Schemas['RejectedList'];
export type ResultVerdict = Schemas['ResultVerdict'];
export type ServiceHealth = Schemas['ServiceHealth'];
export type SimulationCompleted = Schemas['SimulationCompleted'];
export type SimulationEnded = Schemas['SimulationEnded'];
export type SimulationList = Schemas['SimulationList'];
export type SimulationProgress = Schemas['SimulationProgress'];
export type SimulationStarted = Schemas['StartedBody'];
export type SimulationStatus = Schemas['SimulationStatus'];

/** The body that starts a simulation. Only the scenarios are required. */
export type StartSimulationRequest = Partial<Schemas['StartSimulationRequest']> & Pick<Schemas['StartSimulationRequest'], 'scenarios'>;

/** The verdict on one of many results. Its id is null if the result cannot be JSON and was not sent. */
export type ItemVerdict = Omit<ResultVerdict, 'outcome_id'> & { outcome_id: string | null };
