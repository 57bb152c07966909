// The files that a bundler for Workers imports as modules.
declare module 'arc-recorder/extractor.core.wasm' {
  const module: WebAssembly.Module;
  export default module;
}
declare module '*/documents.json' {
  const given: { documents: string[]; verdicts: string[] };
  export default given;
}
