//! The figures of a whole run or job.

use arc_format_kit::json::{Place, Reader};
use arc_format_kit::score::within_scale;
use arc_format_kit::{SuiteSummary, Violation};

use crate::time::between;

/// Reads a header; see `extract-suite` in `wit/extraction.wit`. terminal-bench's `accuracy` is the
/// mean of the scores; Harbor has tokens, cost and duration.
pub(crate) fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
    let (mut reader, root) = Reader::new(header)?;
    let members = reader.root(root, ["accuracy", "stats", "started_at", "finished_at"]);
    let answer = members.map(|[accuracy, stats, start, end]| {
        let at = |member| Place { object: "", member };
        let average_reliability_score = within_scale(&mut reader, accuracy, at("accuracy"));
        reader.decoration(|reader| {
            let names = ["n_input_tokens", "n_output_tokens", "cost_usd"];
            let [input, output, cost] = reader.object(stats, at("stats"), names);
            let inside = |member| Place { object: "/stats", member };
            let input = reader.tokens(input, inside("n_input_tokens"));
            let output = reader.tokens(output, inside("n_output_tokens"));
            let [start, end] = [(start, "started_at"), (end, "finished_at")]
                .map(|(value, member)| reader.text(value, at(member)).unwrap_or_default());
            SuiteSummary {
                average_reliability_score,
                total_cost_usd: reader.amount(cost, inside("cost_usd")),
                total_tokens_used: match (input, output) {
                    (None, None) => None,
                    (input, output) => Some(input.unwrap_or(0.0) + output.unwrap_or(0.0)),
                },
                execution_time_ms: between(&start, &end),
                ..SuiteSummary::default()
            }
        })
    });
    reader.finish_suite(answer)
}
