//! Reads the data around the results of a file that the results themselves need.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use arc_format_kit::Origin;
use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Reader, Value};
use arc_format_kit::memo::Memo;
use arc_format_kit::time::in_utc;

use crate::provider;

/// The data of the header that results need.
#[derive(Debug, Default)]
pub(crate) struct HeaderData {
    /// The evaluation's id.
    pub(crate) eval_id: Option<String>,
    /// The start of the evaluation.
    pub(crate) began_at: Option<String>,
    /// The prompts whose label and provider are not unique.
    pub(crate) ambiguous_prompts: BTreeSet<u64>,
    /// Who answered.
    pub(crate) origin: Origin,
}

thread_local! {
    static HEADER: Memo<HeaderData> = const { Memo::new() };
}

/// Reads a header. A header that is not valid has no data.
pub(crate) fn header_data(header: Option<&str>) -> Rc<HeaderData> {
    match header {
        None => Rc::default(),
        Some(header) => HEADER.with(|memo| {
            memo.get(header, |text| read(&with_null_for_nan(text)).unwrap_or_default())
        }),
    }
}

/// Returns the summary and the configuration: the document is the whole file, or only the summary.
pub(crate) fn parts<'a>(root: Value<'a>) -> (Value<'a>, Option<Value<'a>>) {
    match root.member("results").filter(|results| results.is_object()) {
        Some(summary) => (summary, root.member("config").filter(|config| config.is_object())),
        None => (root, None),
    }
}

/// Returns the evaluation's id.
pub(crate) fn eval_id(root: Value) -> Option<String> {
    let id = root.member("evalId").and_then(Value::decode)?;
    Some(id.text.into_owned()).filter(|id| !id.is_empty())
}

fn read(header: &str) -> Option<HeaderData> {
    let (mut reader, root) = Reader::new(header).ok()?;
    reader.root(root, [])?;
    let (summary, config) = parts(root);
    let began_at = summary.member("timestamp").and_then(Value::decode);
    let prompts = summary.member("prompts").and_then(Value::elements).unwrap_or_default();
    let keys: Vec<(String, String)> = prompts
        .iter()
        .map(|prompt| {
            let text = |name| prompt.member(name).map(Value::compact).unwrap_or_default();
            (text("label"), text("provider"))
        })
        .collect();
    let mut counted = BTreeMap::new();
    keys.iter().for_each(|key| *counted.entry(key).or_insert(0_u32) += 1);
    let ambiguous_prompts = (0_u64..).zip(&keys).filter(|(_, key)| counted.get(key) > Some(&1));
    let ambiguous_prompts = ambiguous_prompts.map(|(index, _)| index).collect();
    Some(HeaderData {
        eval_id: eval_id(root),
        began_at: began_at.and_then(|text| in_utc(&text.text)),
        ambiguous_prompts,
        origin: provider::of_run(summary, config, root.member("metadata")),
    })
}
