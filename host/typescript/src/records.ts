// The records of the component, as defined in its WIT interface.
export type * from './component/interfaces/arc-recording-types.js';
export type { DocumentFrame, ExtractorDescription } from './component/interfaces/arc-recording-extraction.js';
