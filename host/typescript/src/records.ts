// The records of the component, as its contract has them.
export type * from './component/interfaces/arc-recording-types.js';
export type { DocumentFrame, ExtractorDescription } from './component/interfaces/arc-recording-extraction.js';
