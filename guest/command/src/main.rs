//! Reads results from standard input and writes the verdict on each as a line of JSON.
//!
//! It is a command component (`wasm32-wasip2`), so `wasmtime run arc-verdict.wasm < results.jsonl`
//! is all it needs. It fails (exit code 1; WASI 0.2 has no other) if a result is rejected, or if
//! the input as a whole is not JSON text.

use std::io::{self, BufWriter, Read, Write};
use std::process::ExitCode;

use arc_framing::{Container, Framer, Limits};

/// The number of bytes per read.
const CHUNK_BYTES: usize = 64 << 10;

fn main() -> ExitCode {
    match judge(&mut io::stdin().lock(), &mut BufWriter::new(io::stdout().lock())) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        // A reader that closes the pipe early is not an error.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes a verdict for each result and returns the number of rejected results.
fn judge(input: &mut impl Read, output: &mut impl Write) -> io::Result<u64> {
    let limits =
        Limits { max_document_bytes: arc_extractor::MAX_DOCUMENT_BYTES, ..Limits::default() };
    let mut framer = Framer::new(Container::Auto, limits);
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut rejected = 0;
    loop {
        let read = input.read(&mut buffer)?;
        let chunk = buffer.get(..read).unwrap_or_default();
        let framed = if chunk.is_empty() { framer.finish() } else { framer.push(chunk) };
        framed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        while let Some(frame) = framer.next_frame() {
            let verdict = match (&frame.problem, frame.text()) {
                (None, Some(text)) => arc_extractor::extract_json(text),
                (problem, _) => {
                    let problem = problem.as_ref();
                    let code = problem.map_or("invalid_utf8", |problem| problem.code());
                    let message = problem.map_or_else(String::new, ToString::to_string);
                    arc_extractor::rejected_json(code, message)
                }
            };
            rejected += u64::from(verdict.starts_with(r#"{"verdict":"rejected""#));
            writeln!(output, "{verdict}")?;
        }
        if chunk.is_empty() {
            output.flush()?;
            return Ok(rejected);
        }
    }
}
