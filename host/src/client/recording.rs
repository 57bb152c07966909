//! The calls that record.

use std::collections::VecDeque;
use std::sync::Arc;

use arc_framing::{Container, Limits, Split, split};
use reqwest::header::HeaderValue;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Call, ServiceClient, Trouble};
use crate::documents;
use crate::error::{Error, Result};
use crate::recorder::{
    Document, ItemVerdict, ResultFormat, SimulationCompleted, SimulationStart, Submission, Verdict,
};
use crate::spool::{Delivered, Started};
use crate::store::SimulationStatus;
use crate::wire::{
    BatchVerdicts, ConfigurationCreated, DOCUMENT_BYTES, EndSimulationRequest, HEADER_BYTES,
    NotFiniteBody, ONE_DOCUMENT, ResultVerdict, ResultsMetadata, SimulationEnded,
    StartSimulationRequest, StartedBody, VerdictKind, ViolationBody,
};

/// The longest ids in bytes that go with a result that goes alone: they are in the URL.
const URL_IDS_BYTES: usize = 8 << 10;

const JSON: &str = "application/json";

impl ServiceClient {
    /// Keeps a version of an agent's configuration and gives its id.
    ///
    /// # Errors
    /// As [`Recorder::create_configuration`](crate::Recorder::create_configuration).
    pub async fn create_configuration(
        &self,
        name: &str,
        configuration: &str,
        user_id: Option<&str>,
    ) -> Result<(String, Delivered<()>)> {
        // The text itself goes, so that its id is the same whichever way it goes.
        let config = match serde_json::from_str::<&RawValue>(configuration) {
            Ok(_) if !configuration.trim_start().starts_with('"') => {
                configuration.trim().to_owned()
            }
            _ => serde_json::Value::from(configuration).to_string(),
        };
        let mut body = format!("{{\"name\":{}", serde_json::Value::from(name));
        if let Some(user_id) = user_id {
            body.push_str(&format!(",\"user_id\":{}", serde_json::Value::from(user_id)));
        }
        body.push_str(&format!(",\"config\":{config}}}"));
        let call = Call::post("v1/configurations", JSON, body.into_bytes());
        let created: ConfigurationCreated = self.json(call).await?;
        Ok((created.config_version_id, delivered(created.spooled, ())))
    }

    /// Starts a simulation.
    ///
    /// # Errors
    /// As [`Recorder::start_simulation`](crate::Recorder::start_simulation).
    pub async fn start_simulation(&self, start: SimulationStart) -> Result<Started> {
        let raw = |what: &str, text: String| {
            RawValue::from_string(text)
                .map_err(|error| Error::invalid(format!("{what} is not JSON")).with_source(error))
        };
        let request = StartSimulationRequest {
            simulation_id: start.simulation_id,
            config_version_id: start.config_version_id,
            scenarios: raw("the list of scenarios", start.scenarios)?,
            trials: start.trials,
            simulation_name: start.simulation_name,
            modal_app_id: start.modal_app_id,
            // The environment is this machine's, not the service's.
            modal_environment: Some(
                start.modal_environment.unwrap_or_else(crate::recorder::default_modal_environment),
            ),
            sandbox_instances: start.sandbox_instances,
            metadata: start.metadata.map(|text| raw("the metadata", text)).transpose()?,
        };
        let body = written(&request)?;
        let started: StartedBody = self.json(Call::post("v1/simulations", JSON, body)).await?;
        Ok(Started { simulation: started.started, spooled: started.spooled })
    }

    /// Records results: a verdict for each, in order. As many go in one request as the service takes;
    /// what is wrong with one result, or happens after others were recorded, is a verdict of those it
    /// concerns.
    ///
    /// # Errors
    /// As [`Recorder::record_batch`](crate::Recorder::record_batch).
    pub async fn record_batch(
        &self,
        simulation_id: Uuid,
        submissions: Vec<Submission>,
    ) -> Result<Vec<ItemVerdict>> {
        let path = format!("v1/simulations/{simulation_id}/outcomes");
        let sent = submissions.len();
        let mut left = VecDeque::from(submissions);
        let mut verdicts = Vec::with_capacity(sent);
        while !left.is_empty() {
            let portion = self.portions.take(&mut left, fits_a_list);
            let mut ids: Vec<Uuid> =
                portion.iter().map(|submission| submission.outcome_id(simulation_id)).collect();
            let answered = if portion.is_empty() {
                let Some(submission) = left.pop_front() else { break };
                let id = submission.outcome_id(simulation_id);
                ids.push(id);
                self.record_alone(&path, id, submission).await.map(|verdict| vec![verdict])
            } else {
                match self.record_portion(&path, &portion, &ids).await {
                    Err(Trouble::TooLarge(too_large)) if portion.len() > 1 => {
                        self.portions.too_large(&portion, too_large.limit.as_ref());
                        portion.into_iter().rev().for_each(|one| left.push_front(one));
                        continue;
                    }
                    answered => answered.map_err(Trouble::into_error),
                }
            };
            let error = match answered {
                Ok(answered) => {
                    verdicts.extend(answered);
                    continue;
                }
                Err(error) => error,
            };
            // One result's own trouble is no reason to leave the others.
            let alone = ids.len() == 1 && error.about_the_call();
            let unknown = matches!(error, Error::NotFound(_));
            if (verdicts.is_empty() && !alone) || unknown || sent == 1 {
                return Err(error);
            }
            if !alone {
                let rest = std::mem::take(&mut left);
                ids.extend(rest.iter().map(|submission| submission.outcome_id(simulation_id)));
            }
            verdicts.extend(ids.into_iter().map(|outcome_id| failed(outcome_id, &error)));
        }
        Ok(verdicts)
    }

    /// Records results as a list.
    async fn record_portion(
        &self,
        path: &str,
        portion: &[Submission],
        ids: &[Uuid],
    ) -> std::result::Result<Vec<ItemVerdict>, Trouble> {
        let body = list(portion).map_err(Trouble::Done)?;
        let format = portion.first().and_then(|submission| submission.format.as_deref());
        let call = Call::post(path, JSON, body)
            .with("format", format.map(|format| format.name().to_owned()));
        let answer = self.answer(call).await?;
        let answer: BatchVerdicts = self.parse(&answer).map_err(Trouble::Done)?;
        let (sent, given) = (portion.len(), answer.verdicts.len());
        if given != sent {
            return Err(Trouble::Done(
                Error::configuration(format!(
                    "the service gave {given} verdicts on {sent} results"
                ))
                .with_hint("its version may be another"),
            ));
        }
        for (verdict, id) in answer.verdicts.iter().zip(ids) {
            // What is rejected may be kept in part, or with what JSON cannot hold spelled out.
            if verdict.outcome_id != *id && verdict.verdict != VerdictKind::Rejected {
                return Err(Trouble::Done(another(verdict.outcome_id, *id)));
            }
        }
        self.counters.stored(answer.stored);
        Ok(answer.verdicts.into_iter().map(ItemVerdict::from).collect())
    }

    /// Records a result that would break a list: it goes as it is, and alone.
    async fn record_alone(
        &self,
        path: &str,
        outcome_id: Uuid,
        submission: Submission,
    ) -> Result<ItemVerdict> {
        let Submission { document, trial, modal_call_id, sandbox_id, format, .. } = submission;
        let ids = [&modal_call_id, &sandbox_id].into_iter().flatten().map(String::len);
        if ids.sum::<usize>() > URL_IDS_BYTES {
            return Err(Error::invalid(format!(
                "modal_call_id and sandbox_id have more than {URL_IDS_BYTES} bytes, and the \
                 result is not one JSON object, with which longer ones could be sent"
            ))
            .with_hint("shorten them"));
        }
        let format = format.as_deref();
        let (bytes, length, header) = match document {
            Document::Text(text) => {
                let length = text.len() as u64;
                let header = format.and_then(ResultFormat::header);
                let mut bytes = Arc::unwrap_or_clone(text).into_bytes();
                bytes.extend_from_slice(header.unwrap_or_default().as_bytes());
                (bytes, length, header)
            }
            // It is rejected before anybody looks at the header.
            Document::Unreadable { bytes, length, .. } => (bytes, length, None),
        };
        let mut call = Call::post(path, ONE_DOCUMENT, bytes)
            .with("format", format.map(|format| format.name().to_owned()))
            .header(DOCUMENT_BYTES, HeaderValue::from(length))
            .with("trial", trial)
            .with("modal_call_id", modal_call_id)
            .with("sandbox_id", sandbox_id);
        if let Some(header) = header {
            call = call.header(HEADER_BYTES, HeaderValue::from(header.len()));
        }
        let verdict = match self.json::<ResultVerdict>(call).await {
            Ok(verdict) => {
                self.counters.stored(u64::from(verdict.verdict == VerdictKind::Stored));
                verdict
            }
            // A single result that is not valid is a problem, not a verdict.
            Err(Error::Rejected { violations, .. }) => ResultVerdict {
                position: 0,
                outcome_id,
                verdict: VerdictKind::Rejected,
                violations: violations.into_iter().map(ViolationBody::from).collect(),
                warnings: Vec::new(),
                retryable: None,
                unavailable: None,
                message: None,
                hint: None,
                violations_omitted: 0,
            },
            Err(error) => return Err(error),
        };
        Ok(verdict.into())
    }

    /// Completes a simulation.
    ///
    /// # Errors
    /// As [`Recorder::complete_simulation`](crate::Recorder::complete_simulation).
    pub async fn complete_simulation(
        &self,
        simulation_id: Uuid,
        suite: Option<&str>,
    ) -> Result<Delivered<SimulationCompleted>> {
        let path = format!("v1/simulations/{simulation_id}/complete");
        let body = suite.unwrap_or_default().as_bytes().to_vec();
        let answer = self.bytes(Call::post(path, JSON, body)).await?;
        match serde_json::from_slice(&answer) {
            Ok(SimulationEnded { spooled: true, .. }) => Ok(Delivered::Spooled),
            _ => serde_json::from_slice(&answer).map(Delivered::Committed).map_err(|error| {
                Error::configuration("the service's answer does not do").with_source(error)
            }),
        }
    }

    /// Ends a simulation as failed or cancelled, for a reason.
    ///
    /// # Errors
    /// As [`Recorder::fail_simulation`](crate::Recorder::fail_simulation).
    pub async fn end_simulation(
        &self,
        simulation_id: Uuid,
        status: SimulationStatus,
        reason: &str,
    ) -> Result<Delivered<SimulationStatus>> {
        let verb = match status {
            SimulationStatus::Failed => "fail",
            SimulationStatus::Cancelled => "cancel",
            SimulationStatus::Running | SimulationStatus::Completed => {
                return Err(Error::invalid(format!(
                    "a simulation does not end as {}",
                    status.word()
                )));
            }
        };
        let body = written(&EndSimulationRequest { reason: reason.to_owned() })?;
        let path = format!("v1/simulations/{simulation_id}/{verb}");
        let ended: SimulationEnded = self.json(Call::post(path, JSON, body)).await?;
        Ok(delivered(ended.spooled, ended.status))
    }
}

/// The verdict on a result that has got none from the service.
fn failed(outcome_id: Uuid, error: &Error) -> ItemVerdict {
    ItemVerdict { outcome_id, verdict: Verdict::failed(error), warnings: Vec::new() }
}

fn delivered<T>(spooled: bool, answer: T) -> Delivered<T> {
    if spooled { Delivered::Spooled } else { Delivered::Committed(answer) }
}

fn written(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| Error::invalid("could not write the request").with_source(error))
}

/// The error where a service says of a result that it is another one.
fn another(found: Uuid, sent: Uuid) -> Error {
    Error::configuration(format!(
        "the service has recorded {found} where {sent} was sent: something between here and there \
         has changed the results, or the service's version is another"
    ))
}

/// Whether a result in a list is found again as it is: an object or array from the first byte to
/// the last. Which lines begin a document depends on where it begins itself, so it is looked at as
/// the list has it, see [`list`].
fn fits_a_list(submission: &Submission) -> bool {
    let Document::Text(text) = &submission.document else { return false };
    if !text.starts_with(['{', '[']) {
        return false;
    }
    if text.starts_with('{')
        && let Some(found) = documents_of(text)
        && found.envelope.is_none()
    {
        return is_alone(&found, 0, text.len());
    }
    // An array, or an object with results of its own, is a document only within a list.
    documents_of(&format!("[\n{text}]")).is_some_and(|found| is_alone(&found, 2, text.len()))
}

fn documents_of(text: &str) -> Option<Split> {
    let limits = Limits { max_document_bytes: usize::MAX, max_envelope_bytes: 0 };
    split(text, Container::Auto, limits).ok()
}

/// Whether the only document is there, and nothing is wrong with it.
fn is_alone(found: &Split, offset: usize, length: usize) -> bool {
    match found.spans.as_slice() {
        [one] => one.problem.is_none() && one.offset == offset && one.length == length,
        _ => false,
    }
}

/// Results as a body, their documents byte for byte.
fn list(part: &[Submission]) -> Result<Vec<u8>> {
    let bytes: usize = part.iter().map(|submission| submission.document_bytes() + 1).sum();
    let mut body = Vec::with_capacity(bytes + 256);
    body.extend_from_slice(b"{\"results\":[");
    for (place, submission) in part.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        if let Document::Text(text) = &submission.document {
            if text.contains('\n') {
                // It begins in the first column, as it does where it is looked at alone.
                body.push(b'\n');
            }
            body.extend_from_slice(text.as_bytes());
        }
    }
    body.push(b']');
    let beside = ResultsMetadata {
        modal_call_ids: some_of(part, |submission| submission.modal_call_id.clone()),
        sandbox_ids: some_of(part, |submission| submission.sandbox_id.clone()),
        trials: some_of(part, |submission| submission.trial),
        not_finite: part.iter().any(|submission| !submission.not_finite.is_empty()).then(|| {
            let places = |submission: &Submission| {
                submission.not_finite.iter().map(NotFiniteBody::from).collect()
            };
            part.iter().map(places).collect()
        }),
        header: part.first().and_then(Submission::header).map(raw_header).transpose()?,
    };
    let members = written(&beside)?;
    // The members without their opening bracket.
    if members.len() > 2 {
        body.push(b',');
    }
    body.extend_from_slice(members.get(1..).unwrap_or_default());
    Ok(body)
}

/// A header as a member of the body.
fn raw_header(header: &str) -> Result<Box<RawValue>> {
    if header.len() > documents::HEADER_BYTES {
        return Err(Error::invalid(format!(
            "the header of the results has {} bytes; a header has at most {}",
            header.len(),
            documents::HEADER_BYTES
        )));
    }
    let member = match goes_as_it_is(header) {
        true => RawValue::from_string(header.to_owned()),
        false => serde_json::value::to_raw_value(header),
    };
    member.map_err(|error| {
        Error::invalid("the header of the results cannot be sent").with_source(error)
    })
}

/// Whether a header is a member as it stands; else it goes as a string. Some tools write NaN into
/// their headers, which is no JSON; the text of a string would be taken for the header itself; and
/// white space around it would be lost.
pub(super) fn goes_as_it_is(header: &str) -> bool {
    let raw: serde_json::Result<&RawValue> = serde_json::from_str(header);
    raw.is_ok_and(|raw| raw.get().len() == header.len() && !header.starts_with('"'))
}

/// What results say, where any of them says it.
fn some_of<T>(
    part: &[Submission],
    said: impl Fn(&Submission) -> Option<T>,
) -> Option<Vec<Option<T>>> {
    let all: Vec<Option<T>> = part.iter().map(said).collect();
    all.iter().any(Option::is_some).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_list_goes_alone() {
        for text in [
            "{}",
            r#"{"a":[1,{"b":"]}"}]}"#,
            "{\n}",
            "[]",
            r#"[{"a":1},[2]]"#,
            // In a list it is one document, whatever it has.
            r#"{"results":[]}"#,
            r#"{"results":[{"a":1}],"header":{}}"#,
        ] {
            assert!(fits_a_list(&Submission::new(text)), "{text}");
        }
        for text in [
            "",
            " {}",
            "{} ",
            "{",
            "{}}",
            "{},{}",
            "1",
            "{}\n{}",
            "[1]]",
            "[1],[2]",
            "[1",
            r#"{"a":"#,
            r#"{"a":"}"#,
            "\u{feff}{}",
        ] {
            assert!(!fits_a_list(&Submission::new(text)), "{text}");
        }
        assert!(!fits_a_list(&Submission::from_bytes(vec![b'{', 0xff, b'}'], 100)));
    }

    #[test]
    fn a_broken_result_is_in_a_list_what_it_is_alone() {
        // Where its second line begins a document of its own depends on its first column.
        let odd = "{\"a\"\n  {\"b\":1}}";
        let whole = [Submission::new("{\"a\":1}"), Submission::new(odd), Submission::new("{}")];
        for one in &whole {
            assert!(fits_a_list(one), "{one:?}");
        }
        let body = String::from_utf8(list(&whole).unwrap()).unwrap();
        let found = documents_of(&body).unwrap();
        let found: Vec<&str> = found.spans.iter().filter_map(|span| span.of(&body)).collect();
        assert_eq!(found, ["{\"a\":1}", odd, "{}"]);
    }

    #[test]
    fn a_list_is_json_with_the_documents_as_they_are() {
        let mut second = Submission::new(r#"{"b" : 1.50}"#);
        second.modal_call_id = Some("fc-1".to_owned());
        second.trial = Some(2);
        let body = list(&[Submission::new("{\"a\":1}"), second]).unwrap();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"results":[{"a":1},{"b" : 1.50}],"modal_call_ids":[null,"fc-1"],"trials":[null,2]}"#
        );
        assert_eq!(list(&[Submission::new("{}")]).unwrap(), br#"{"results":[{}]}"#);
    }
}
