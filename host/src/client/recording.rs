//! The calls that record.

use std::collections::VecDeque;

use arc_framing::{Container, Limits, Split, split};
use bytes::Bytes;
use reqwest::header::HeaderValue;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Call, RequestFailure, ServiceClient};
use crate::documents;
use crate::error::{Error, Result};
use crate::identity;
use crate::recorder::{
    Document, ItemVerdict, ResultFormat, SimulationCompleted, SimulationProgress, SimulationStart,
    Submission, Verdict,
};
use crate::spool::{DeliveryAnswer, StartAnswer};
use crate::store::{
    Annotation, ListedResults, MetricDefinition, NewAnnotation, RemovedSimulation, ResultList,
    Revision, SimulationLabels, SimulationStatus,
};
use crate::wire::{
    AnnotateRequest, AnnotationList, BatchVerdicts, ConfigurationCreated, DOCUMENT_BYTES,
    DeclareMetricsRequest, EndSimulationRequest, HEADER_BYTES, NotFiniteBody, ONE_DOCUMENT,
    RenameSimulationRequest, ResultVerdict, ResultsMetadata, RevisionList, SelectRevisionRequest,
    SimulationEnded, StartSimulationRequest, StartedBody, TagSimulationRequest, VerdictKind,
    ViolationBody,
};

/// The longest ids in bytes of a result that is sent separately, because they are in the URL.
const URL_IDS_BYTES: usize = 8 << 10;

const JSON: &str = "application/json";

impl ServiceClient {
    /// Stores a version of an agent's configuration and returns its id.
    ///
    /// # Errors
    /// As [`Recorder::create_configuration`](crate::Recorder::create_configuration).
    pub async fn create_configuration(
        &self,
        name: &str,
        configuration: &str,
        user_id: Option<&str>,
    ) -> Result<(String, DeliveryAnswer<()>)> {
        // The text itself is sent, so that its id is the same over a service and in the database.
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
    pub async fn start_simulation(&self, mut start: SimulationStart) -> Result<StartAnswer> {
        // The environment is this machine's, not the service's.
        start.resolve_environment();
        let request = StartSimulationRequest::try_from(start)?;
        let body = written(&request)?;
        let started: StartedBody = self.json(Call::post("v1/simulations", JSON, body)).await?;
        Ok(StartAnswer { simulation: started.started, spooled: started.spooled })
    }

    /// Records results and returns a verdict for each, in order. A request has as many results as the
    /// service accepts. An error of one result, or an error after other results were recorded, is a
    /// verdict of the affected results.
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
                self.record_separately(&path, id, submission).await.map(|verdict| vec![verdict])
            } else {
                match self.record_portion(&path, &portion, &ids).await {
                    Err(RequestFailure::TooLarge(too_large)) if portion.len() > 1 => {
                        self.portions.too_large(&portion, too_large.limit.as_ref());
                        portion.into_iter().rev().for_each(|one| left.push_front(one));
                        continue;
                    }
                    answered => answered.map_err(RequestFailure::into_error),
                }
            };
            let error = match answered {
                Ok(answered) => {
                    verdicts.extend(answered);
                    continue;
                }
                Err(error) => error,
            };
            // An error of a single result does not stop the others.
            let alone = ids.len() == 1 && error.is_request_error();
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
    ) -> std::result::Result<Vec<ItemVerdict>, RequestFailure> {
        let body = list(portion).map_err(RequestFailure::Final)?;
        let format = portion.first().and_then(|submission| submission.format.as_deref());
        let call = Call::post(path, JSON, body)
            .with("format", format.map(|format| format.name().to_owned()));
        let answer = self.answer(call).await?;
        let answer: BatchVerdicts = self.parse(&answer).map_err(RequestFailure::Final)?;
        let (sent, returned) = (portion.len(), answer.verdicts.len());
        if returned != sent {
            return Err(RequestFailure::Final(
                Error::configuration(format!(
                    "the service returned {returned} verdicts on {sent} results"
                ))
                .with_hint("its version might differ"),
            ));
        }
        for (verdict, id) in answer.verdicts.iter().zip(ids) {
            // A rejected result can be stored in part, or with replacements for values that JSON
            // cannot represent.
            if verdict.outcome_id != *id && verdict.verdict != VerdictKind::Rejected {
                return Err(RequestFailure::Final(wrong_id_error(verdict.outcome_id, *id)));
            }
        }
        self.counters.stored(answer.stored);
        Ok(answer.verdicts.into_iter().map(ItemVerdict::from).collect())
    }

    /// Records a result that would break a list: it is sent unchanged in a request of its own.
    async fn record_separately(
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
        let header = match document {
            Document::Text(_) => format.and_then(ResultFormat::header),
            // It is rejected before the header is read.
            Document::Unreadable { .. } => None,
        };
        let body = match header {
            Some(header) => Bytes::from([document.as_bytes(), header.as_bytes()].concat()),
            None => document.to_bytes(),
        };
        let mut call = Call::post(path, ONE_DOCUMENT, body)
            .with("format", format.map(|format| format.name().to_owned()))
            .header(DOCUMENT_BYTES, HeaderValue::from(document.length()))
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
            // A single result that is not valid is a problem document, not a verdict.
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
    ) -> Result<DeliveryAnswer<SimulationCompleted>> {
        let path = format!("v1/simulations/{simulation_id}/complete");
        let body = suite.unwrap_or_default().as_bytes().to_vec();
        let answer = self.bytes(Call::post(path, JSON, body)).await?;
        match serde_json::from_slice(&answer) {
            Ok(SimulationEnded { spooled: true, .. }) => Ok(DeliveryAnswer::Spooled),
            _ => serde_json::from_slice(&answer).map(DeliveryAnswer::Committed).map_err(|error| {
                Error::configuration("invalid answer of the service").with_source(error)
            }),
        }
    }

    /// Renames a simulation.
    ///
    /// # Errors
    /// As [`Recorder::rename_simulation`](crate::Recorder::rename_simulation).
    pub async fn rename_simulation(
        &self,
        simulation_id: Uuid,
        name: &str,
    ) -> Result<SimulationLabels> {
        let body = written(&RenameSimulationRequest { simulation_name: name.to_owned() })?;
        let path = format!("v1/simulations/{simulation_id}/rename");
        self.json(Call::post(path, JSON, body)).await
    }

    /// Adds and removes tags of a simulation.
    ///
    /// # Errors
    /// As [`Recorder::tag_simulation`](crate::Recorder::tag_simulation).
    pub async fn tag_simulation(
        &self,
        simulation_id: Uuid,
        add: &[String],
        remove: &[String],
    ) -> Result<SimulationLabels> {
        let request = TagSimulationRequest { add: add.to_vec(), remove: remove.to_vec() };
        let path = format!("v1/simulations/{simulation_id}/tags");
        self.json(Call::post(path, JSON, written(&request)?)).await
    }

    /// Removes a simulation with all its data. Requires a token with the scope `admin`.
    ///
    /// # Errors
    /// As [`Recorder::remove_simulation`](crate::Recorder::remove_simulation).
    pub async fn remove_simulation(&self, simulation_id: Uuid) -> Result<RemovedSimulation> {
        let path = format!("v1/simulations/{simulation_id}/remove");
        self.json(Call::post(path, JSON, Vec::new())).await
    }

    /// Declares metrics of a simulation.
    ///
    /// # Errors
    /// As [`Recorder::declare_metrics`](crate::Recorder::declare_metrics).
    pub async fn declare_metrics(
        &self,
        simulation_id: Uuid,
        definitions: &[MetricDefinition],
    ) -> Result<SimulationProgress> {
        let body = written(&DeclareMetricsRequest { metrics: definitions.to_vec() })?;
        let path = format!("v1/simulations/{simulation_id}/metrics");
        self.json(Call::post(path, JSON, body)).await
    }

    /// Selects the revision of a result that counts, and returns all its revisions.
    ///
    /// # Errors
    /// As [`Recorder::select_revision`](crate::Recorder::select_revision).
    pub async fn select_revision(
        &self,
        simulation_id: Uuid,
        result_key: Option<&str>,
        revision: Option<i64>,
    ) -> Result<Vec<Revision>> {
        let result_key = result_key.map(str::to_owned);
        let body = written(&SelectRevisionRequest { result_key, revision })?;
        let path = format!("v1/simulations/{simulation_id}/revisions");
        let RevisionList { revisions } = self.json(Call::post(path, JSON, body)).await?;
        Ok(revisions)
    }

    /// Annotates results, and returns the annotations that were made. Each is made once, also if the
    /// request is repeated.
    ///
    /// # Errors
    /// As [`Recorder::annotate`](crate::Recorder::annotate).
    pub async fn annotate(
        &self,
        simulation_id: Uuid,
        annotations: &[NewAnnotation],
    ) -> Result<Vec<Annotation>> {
        let with_id = |one: &NewAnnotation| NewAnnotation {
            annotation_id: one.annotation_id.or_else(|| Some(identity::new_id())),
            ..one.clone()
        };
        let annotations = annotations.iter().map(with_id).collect();
        let body = written(&AnnotateRequest { annotations })?;
        let path = format!("v1/simulations/{simulation_id}/annotations");
        let AnnotationList { annotations } = self.json(Call::post(path, JSON, body)).await?;
        Ok(annotations)
    }

    /// Compares a list of recorded results with those of their simulation.
    ///
    /// # Errors
    /// As [`Recorder::compare_results`](crate::Recorder::compare_results).
    pub async fn compare_results(
        &self,
        simulation_id: Uuid,
        list: &ResultList,
    ) -> Result<ListedResults> {
        let path = format!("v1/simulations/{simulation_id}/result-list");
        self.json(Call::post(path, JSON, written(list)?)).await
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
    ) -> Result<DeliveryAnswer<SimulationStatus>> {
        let verb = match status {
            SimulationStatus::Failed => "fail",
            SimulationStatus::Cancelled => "cancel",
            SimulationStatus::Running
            | SimulationStatus::Completed
            | SimulationStatus::Incomplete => {
                return Err(Error::invalid(format!("a simulation does not end as {}", status)));
            }
        };
        let body = written(&EndSimulationRequest { reason: reason.to_owned() })?;
        let path = format!("v1/simulations/{simulation_id}/{verb}");
        let ended: SimulationEnded = self.json(Call::post(path, JSON, body)).await?;
        Ok(delivered(ended.spooled, ended.status))
    }
}

/// Returns the verdict on a result for which the service returned none.
fn failed(outcome_id: Uuid, error: &Error) -> ItemVerdict {
    ItemVerdict { outcome_id, verdict: Verdict::failed(error), warnings: Vec::new() }
}

fn delivered<T>(spooled: bool, answer: T) -> DeliveryAnswer<T> {
    if spooled { DeliveryAnswer::Spooled } else { DeliveryAnswer::Committed(answer) }
}

fn written(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| Error::invalid("could not write the request").with_source(error))
}

/// Returns the error for a verdict with the id of another result.
fn wrong_id_error(found: Uuid, sent: Uuid) -> Error {
    Error::configuration(format!(
        "the service has recorded {found} in place of {sent}: a proxy has changed the results, or \
         the service's version differs"
    ))
}

/// Returns whether framing finds a result in a list unchanged: an object or array from the first byte
/// to the last. The lines at which a document begins depend on its own column, so it is checked as
/// [`list`] writes it.
fn fits_a_list(submission: &Submission) -> bool {
    let Document::Text(text) = &submission.document else { return false };
    if !text.starts_with(['{', '[']) {
        return false;
    }
    if text.starts_with('{')
        && let Some(found) = documents_of(text)
        && found.envelope.is_none()
    {
        return is_single_document(&found, 0, text.len());
    }
    // An array, or an object with a member `results`, is a document only within a list.
    documents_of(&format!("[\n{text}]"))
        .is_some_and(|found| is_single_document(&found, 2, text.len()))
}

fn documents_of(text: &str) -> Option<Split> {
    let limits = Limits { max_document_bytes: usize::MAX, max_envelope_bytes: 0 };
    split(text, Container::Auto, limits).ok()
}

/// Returns whether exactly this document was found, without a problem.
fn is_single_document(found: &Split, offset: usize, length: usize) -> bool {
    match found.spans.as_slice() {
        [one] => one.problem.is_none() && one.offset == offset && one.length == length,
        _ => false,
    }
}

/// Returns a body with the results, their documents byte for byte.
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
                // It begins in the first column, as in the check of a single document.
                body.push(b'\n');
            }
            body.extend_from_slice(text.as_bytes());
        }
    }
    body.push(b']');
    let beside = ResultsMetadata {
        modal_call_ids: optional_values(part, |submission| submission.modal_call_id.clone()),
        sandbox_ids: optional_values(part, |submission| submission.sandbox_id.clone()),
        trials: optional_values(part, |submission| submission.trial),
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

/// Returns a header as a member of the body.
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

/// Returns whether a header can be a member of the body unchanged; otherwise it is sent as a string.
/// Some tools write NaN into their headers, which is not valid JSON; a header that is a string would
/// be mistaken for an encoded one; and white space around it would be lost.
pub(super) fn goes_as_it_is(header: &str) -> bool {
    let raw: serde_json::Result<&RawValue> = serde_json::from_str(header);
    raw.is_ok_and(|raw| raw.get().len() == header.len() && !header.starts_with('"'))
}

/// Returns a value for each result, or `None` if no result has one.
fn optional_values<T>(
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
    fn a_result_that_would_break_a_list_is_sent_separately() {
        for text in [
            "{}",
            r#"{"a":[1,{"b":"]}"}]}"#,
            "{\n}",
            "[]",
            r#"[{"a":1},[2]]"#,
            // In a list it is one document, with any members.
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
    fn a_broken_result_is_framed_in_a_list_as_on_its_own() {
        // Whether its second line begins another document depends on the column of the first.
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
