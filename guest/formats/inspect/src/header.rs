//! The data of a log's header that its samples need.

use std::rc::Rc;

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Reader, Value};
use arc_format_kit::memo::Memo;

/// The data of a header.
#[derive(Debug, Default)]
pub(crate) struct LogHeader {
    /// The task; `None` without a header, or if it names none.
    pub(crate) task: Option<String>,
    /// The score that Inspect shows for the log: the scorer, or the scorer and a key.
    pub(crate) headline: Option<String>,
    /// The tool's own id of the run.
    pub(crate) run_id: Option<String>,
}

thread_local! {
    static HEADER: Memo<LogHeader> = const { Memo::new() };
}

impl LogHeader {
    /// Reads a header. One that is not valid has no data.
    pub(crate) fn read(header: Option<&str>) -> Rc<LogHeader> {
        let Some(header) = header else { return Rc::default() };
        HEADER.with(|memo| memo.get(header, |text| LogHeader::parse(text).unwrap_or_default()))
    }

    fn parse(header: &str) -> Option<LogHeader> {
        let header = with_null_for_nan(header);
        let (mut reader, root) = Reader::new(&header).ok()?;
        let [eval, results] = reader.root(root, ["eval", "results"])?;
        let of_eval = |name| eval.and_then(|eval| text(eval.member(name)));
        Some(LogHeader {
            task: of_eval("task"),
            headline: results.and_then(headline),
            run_id: of_eval("task_id"),
        })
    }
}

/// Returns the name of the score that Inspect shows: its own choice, or else the first.
pub(crate) fn headline(results: Value) -> Option<String> {
    let own = results
        .member("headline")
        .and_then(|own| Some(score_name(text(own.member("scorer"))?, text(own.member("score"))?)));
    own.or_else(|| {
        let first = results.member("scores")?.elements()?.into_iter().next()?;
        let name = text(first.member("name"))?;
        Some(score_name(text(first.member("scorer")).unwrap_or_else(|| name.clone()), name))
    })
}

/// Returns the name of a score: the scorer, or the scorer and a key if it has several scores.
pub(crate) fn score_name(scorer: String, name: String) -> String {
    if scorer == name { scorer } else { format!("{scorer}/{name}") }
}

/// Returns the text of a string that is not empty.
pub(crate) fn text(value: Option<Value>) -> Option<String> {
    let text = value?.decode()?.text;
    (!text.is_empty()).then(|| text.into_owned())
}
