//! Documents of a chosen size.

/// The vocabulary of the documents, so that they compress like text.
const WORDS: &str = "the agent called search weather with city and units then waited for an answer that said \
    temperature humidity wind because tool result error retry token scenario table column customer refund \
    policy booking flight invoice stack trace module function returned value list of items found none";

/// Returns a result of about this many bytes, different for each number.
pub(crate) fn document(number: usize, bytes: usize) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut state = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut text = format!(
        r#"{{"scenario":{{"id":"scenario-{number}","name":"Scenario {number}","task_prompt":"What is the weather in city {number}?"}},"trajectory":{{"status":"success","start_time":"2025-03-01T10:00:00Z","execution_time_seconds":2.5,"token_usage":{{"prompt_tokens":150,"completion_tokens":50,"total_tokens":200,"total_cost":0.006}},"full_trajectory":["#
    );
    let mut step = 0;
    while text.len() + 260 < bytes {
        step += 1;
        text.push_str(&format!(
            r#"{{"step":{step},"type":"tool_call","id":"{:016x}","content":""#,
            next()
        ));
        for _ in 0..40.min((bytes - text.len()) / 8) {
            text.push_str(words[(next() % words.len() as u64) as usize]);
            text.push(' ');
        }
        text.push_str("\"},");
    }
    text.push_str(
        r#"{"step":0}]},"reliability_score":{"overall_score":0.85,"grade":"B","dimension_scores":{"tool_execution":0.9,"response_quality":0.8,"error_handling":0.85,"performance":0.9,"completeness":0.8}}}"#,
    );
    text
}
