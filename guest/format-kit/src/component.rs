//! The component's exports: the conversion of a format's answers to the types of `wit/`.

use std::marker::PhantomData;

use arc_framing::{Container, Limits, NodeKind, TreeNode};
use bindings::exports::arc::recording::{container, extraction, types};

use crate::format::{Format, Header, Items, Layout, Role};
use crate::{answer, codes, verdict};

/// The bindings that `wit-bindgen` generates for the world.
#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::indexing_slicing,
    reason = "generated code"
)]
pub mod bindings {
    // The macro call of wit-bindgen, with the folder of the contract that the build script found.
    include!(concat!(env!("OUT_DIR"), "/generate.rs"));

    generate! {
        world: "extractor",
        pub_export_macro: true,
        default_bindings_module: "arc_format_kit::component::bindings",
    }
}

/// A format as the world's exports.
#[derive(Debug)]
pub struct Exported<F>(PhantomData<F>);

impl<F: Format + 'static> extraction::Guest for Exported<F> {
    fn describe() -> extraction::ExtractorDescription {
        extraction::ExtractorDescription {
            name: F::NAME.to_owned(),
            version: F::VERSION.to_owned(),
            authors: F::AUTHORS.to_owned(),
            format: F::DESCRIPTION.to_owned(),
            max_document_bytes: crate::MAX_DOCUMENT_BYTES as u32,
            max_depth: crate::MAX_DEPTH as u32,
        }
    }

    fn split(text: String) -> Result<Vec<extraction::DocumentFrame>, types::Violation> {
        let limits = Limits {
            max_document_bytes: crate::MAX_DOCUMENT_BYTES,
            // The answer contains documents only, so the members beside them are not copied.
            max_envelope_bytes: 0,
        };
        match arc_framing::split(&text, Container::Auto, limits) {
            Ok(split) => Ok(split.spans.iter().map(frame).collect()),
            Err(error) => Err(types::Violation {
                path: String::new(),
                code: codes::NOT_TEXT.to_owned(),
                message: error.to_string(),
            }),
        }
    }

    fn extract_scenarios(scenarios: String) -> Result<Vec<types::Scenario>, Vec<types::Violation>> {
        match F::scenarios(&scenarios) {
            Ok(scenarios) => Ok(scenarios.into_iter().map(scenario).collect()),
            Err(violations) => Err(violation_list(violations)),
        }
    }

    fn extract_scenario(document: String) -> Result<types::PlannedScenario, Vec<types::Violation>> {
        crate::finite::scenario::<F>(None, &document).map(planned).map_err(violation_list)
    }

    fn extract_outcome(document: String) -> Result<types::Outcome, Vec<types::Violation>> {
        crate::finite::outcome::<F>(None, &document).map(outcome).map_err(violation_list)
    }

    fn extract_outcomes(
        documents: Vec<String>,
    ) -> Vec<Result<types::Outcome, Vec<types::Violation>>> {
        documents.into_iter().map(Self::extract_outcome).collect()
    }

    fn extract_suite(suite: String) -> Result<types::SuiteSummary, Vec<types::Violation>> {
        crate::finite::suite::<F>(&suite).map(summary).map_err(violation_list)
    }

    fn extract_json(document: String) -> String {
        verdict::json(crate::finite::outcome::<F>(None, &document))
    }
}

impl<F: Format + 'static> container::Guest for Exported<F> {
    fn detect(file_name: String, head: Vec<u8>) -> Option<container::ContainerLayout> {
        F::detect(&file_name, &head).map(layout)
    }

    fn classify(item: String) -> container::ItemRole {
        match F::classify(&item) {
            Role::Result => container::ItemRole::Result,
            Role::Part(key) => container::ItemRole::Part(key),
            Role::Node(key, TreeNode { id, parent, kind }) => {
                let kind = match kind {
                    NodeKind::Root => container::NodeKind::Root,
                    NodeKind::Part => container::NodeKind::Part,
                    NodeKind::Connector => container::NodeKind::Connector,
                };
                container::ItemRole::Node(container::TreeNode { key, id, parent, kind })
            }
            Role::Header => container::ItemRole::Header,
            Role::Other => container::ItemRole::Other,
        }
    }

    fn extract_item_scenario(
        header: String,
        item: String,
    ) -> Result<types::PlannedScenario, Vec<types::Violation>> {
        crate::finite::scenario::<F>(Some(&header), &item).map(planned).map_err(violation_list)
    }

    fn extract_item_outcome(
        header: String,
        item: String,
    ) -> Result<types::Outcome, Vec<types::Violation>> {
        crate::finite::outcome::<F>(Some(&header), &item).map(outcome).map_err(violation_list)
    }

    fn extract_item_json(header: String, item: String) -> String {
        verdict::json(crate::finite::outcome::<F>(Some(&header), &item))
    }
}

fn layout(layout: Layout) -> container::ContainerLayout {
    container::ContainerLayout {
        items: match layout.items {
            Items::Documents => container::ItemLayout::Documents,
            Items::Lines => container::ItemLayout::Lines,
            Items::Elements(pointer) => container::ItemLayout::Elements(pointer),
            Items::ElementsOrFiles(elements, files) => {
                container::ItemLayout::ElementsOrFiles(container::ElementsOrFiles {
                    elements,
                    files,
                })
            }
            Items::Entries(pattern) => container::ItemLayout::Entries(pattern),
        },
        header: match layout.header {
            Header::None => container::HeaderLayout::None,
            Header::EnclosingDocument => container::HeaderLayout::EnclosingDocument,
            Header::Entry(names) => container::HeaderLayout::Entry(names),
            Header::Item => container::HeaderLayout::Item,
            Header::SiblingFile(patterns) => container::HeaderLayout::SiblingFile(patterns),
        },
        classify_items: layout.classify_items,
    }
}

fn planned(planned: answer::PlannedScenario) -> types::PlannedScenario {
    types::PlannedScenario {
        scenario: scenario(planned.scenario),
        trial: planned.trial,
        run_id: planned.run_id,
        place: planned.place,
        revised_at: planned.revised_at,
    }
}

fn span(span: answer::Span) -> types::Span {
    types::Span { offset: span.offset, length: span.length }
}

fn frame(found: &arc_framing::Span) -> extraction::DocumentFrame {
    // A text in a component's 32-bit memory is shorter than 4 GiB.
    let count = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    extraction::DocumentFrame {
        document: types::Span { offset: count(found.offset), length: count(found.length) },
        problem: found.problem.as_ref().map(|problem| types::Violation {
            path: String::new(),
            code: problem.code().to_owned(),
            message: problem.to_string(),
        }),
    }
}

fn violation(violation: answer::Violation) -> types::Violation {
    types::Violation {
        path: violation.path,
        code: violation.code.to_owned(),
        message: violation.message,
    }
}

fn violation_list(violations: Vec<answer::Violation>) -> Vec<types::Violation> {
    violations.into_iter().map(violation).collect()
}

fn scenario(scenario: answer::Scenario) -> types::Scenario {
    types::Scenario {
        id: scenario.id,
        name: scenario.name,
        task_prompt: scenario.task_prompt,
        definition: scenario.definition.map(span),
    }
}

fn scores(scores: Vec<answer::Score>) -> Vec<types::Score> {
    let convert = |score: answer::Score| types::Score {
        name: score.name,
        value: score.value,
        label: score.label,
        lowest: score.lowest,
        highest: score.highest,
        explanation: score.explanation.map(span),
    };
    scores.into_iter().map(convert).collect()
}

fn invalidation(mark: answer::Invalidation) -> types::Invalidation {
    types::Invalidation { author: mark.author, reason: mark.reason, at: mark.at }
}

fn metric_definition(metric: answer::MetricDefinition) -> types::MetricDefinition {
    types::MetricDefinition {
        name: metric.name,
        unit: metric.unit,
        lowest: metric.lowest,
        highest: metric.highest,
        higher_is_better: metric.higher_is_better,
        kind: metric.kind.map(|kind| match kind {
            answer::MetricKind::Binary => types::MetricKind::Binary,
            answer::MetricKind::Fraction => types::MetricKind::Fraction,
            answer::MetricKind::Number => types::MetricKind::Number,
            answer::MetricKind::Label => types::MetricKind::Label,
        }),
        pass_threshold: metric.pass_threshold,
        headline: metric.headline,
    }
}

fn reported_figure(figure: answer::ReportedFigure) -> types::ReportedFigure {
    types::ReportedFigure {
        metric: figure.metric,
        figure: figure.figure,
        value: figure.value,
        standard_error: figure.standard_error,
        aggregation: match figure.aggregation {
            answer::Aggregation::Mean => types::Aggregation::Mean,
            answer::Aggregation::ScenarioMean => types::Aggregation::ScenarioMean,
            answer::Aggregation::Sum => types::Aggregation::Sum,
            answer::Aggregation::NotComparable => types::Aggregation::NotComparable,
        },
        missing: match figure.missing {
            answer::MissingPolicy::Exclude => types::MissingPolicy::Exclude,
            answer::MissingPolicy::Zero => types::MissingPolicy::Zero,
        },
        tolerance: figure.tolerance,
        headline: figure.headline,
    }
}

fn origin(origin: answer::Origin) -> types::Origin {
    types::Origin {
        models: origin.models,
        provider: origin.provider,
        agent: origin.agent,
        agent_version: origin.agent_version,
        task: origin.task,
        task_version: origin.task_version,
        dataset: origin.dataset,
        dataset_version: origin.dataset_version,
        tool: origin.tool,
        tool_version: origin.tool_version,
    }
}

fn token_usage(usage: crate::usage::TokenUsage) -> types::TokenUsage {
    types::TokenUsage {
        role: usage.role,
        model: usage.model,
        uncached_input_tokens: usage.uncached_input_tokens,
        cache_read_tokens: usage.cache_read_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        output_tokens: usage.output_tokens,
        reasoning_tokens: usage.reasoning_tokens,
        total_tokens: usage.total_tokens,
        cost_usd: usage.cost_usd,
        discarded: usage.discarded,
    }
}

fn run_report(run: answer::RunReport) -> types::RunReport {
    types::RunReport {
        run_id: run.run_id,
        status: run.status.map(|status| match status {
            answer::RunStatus::Completed => types::RunStatus::Completed,
            answer::RunStatus::Failed => types::RunStatus::Failed,
            answer::RunStatus::Cancelled => types::RunStatus::Cancelled,
            answer::RunStatus::Incomplete => types::RunStatus::Incomplete,
        }),
        status_reason: run.status_reason,
        created_at: run.created_at,
        revised_at: run.revised_at,
        started_at: run.started_at,
        completed_at: run.completed_at,
        origin: origin(run.origin),
        planned_results: run.planned_results,
        reported_results: run.reported_results,
        total_tokens: run.total_tokens,
        total_cost_usd: run.total_cost_usd,
        metrics: run.metrics.into_iter().map(metric_definition).collect(),
        figures: run.figures.into_iter().map(reported_figure).collect(),
    }
}

fn status(status: answer::OutcomeStatus) -> types::OutcomeStatus {
    match status {
        answer::OutcomeStatus::Success => types::OutcomeStatus::Success,
        answer::OutcomeStatus::Error => types::OutcomeStatus::Error,
        answer::OutcomeStatus::Timeout => types::OutcomeStatus::Timeout,
        answer::OutcomeStatus::Cancelled => types::OutcomeStatus::Cancelled,
    }
}

fn category(category: answer::ErrorCategory) -> types::ErrorCategory {
    match category {
        answer::ErrorCategory::Timeout => types::ErrorCategory::Timeout,
        answer::ErrorCategory::RateLimit => types::ErrorCategory::RateLimit,
        answer::ErrorCategory::Network => types::ErrorCategory::Network,
        answer::ErrorCategory::Resource => types::ErrorCategory::Resource,
        answer::ErrorCategory::ToolError => types::ErrorCategory::ToolError,
        answer::ErrorCategory::ModelError => types::ErrorCategory::ModelError,
        answer::ErrorCategory::ValidationError => types::ErrorCategory::ValidationError,
        answer::ErrorCategory::SandboxError => types::ErrorCategory::SandboxError,
        answer::ErrorCategory::SystemError => types::ErrorCategory::SystemError,
    }
}

fn failure_class(class: answer::FailureClass) -> types::FailureClass {
    match class {
        answer::FailureClass::Infrastructure => types::FailureClass::Infrastructure,
        answer::FailureClass::Agent => types::FailureClass::Agent,
        answer::FailureClass::Scorer => types::FailureClass::Scorer,
        answer::FailureClass::Harness => types::FailureClass::Harness,
        answer::FailureClass::Undecided => types::FailureClass::Undecided,
    }
}

fn outcome(outcome: answer::Outcome) -> types::Outcome {
    types::Outcome {
        scenario: scenario(outcome.scenario),
        trial: outcome.trial,
        status: status(outcome.status),
        scores: scores(outcome.scores),
        headline: outcome.headline,
        grade: outcome.grade,
        invalidation: outcome.invalidation.map(invalidation),
        execution_time: outcome.execution_time,
        execution_time_ms: outcome.execution_time_ms,
        origin: origin(outcome.origin),
        tokens_used: outcome.tokens_used,
        prompt_tokens: outcome.prompt_tokens,
        completion_tokens: outcome.completion_tokens,
        cost_usd: outcome.cost_usd,
        usage: outcome.usage.into_iter().map(token_usage).collect(),
        event_count: outcome.event_count,
        error_code: outcome.error_code,
        error_message: outcome.error_message,
        error_category: outcome.error_category.map(category),
        failure_class: outcome.failure_class.map(failure_class),
        failure_rule: outcome.failure_rule,
        modal_call_id: outcome.modal_call_id,
        sandbox_id: outcome.sandbox_id,
        trajectory: outcome.trajectory.map(span),
        detailed_trajectory: outcome.detailed_trajectory.map(span),
        dimensions: outcome.dimensions.map(span),
        key: outcome.key,
        place: outcome.place,
        revised_at: outcome.revised_at,
        discarded_tokens: outcome.discarded_tokens,
        discarded_cost_usd: outcome.discarded_cost_usd,
        warnings: violation_list(outcome.warnings),
    }
}

fn summary(suite: answer::SuiteSummary) -> types::SuiteSummary {
    types::SuiteSummary {
        average_reliability_score: suite.average_reliability_score,
        total_cost_usd: suite.total_cost_usd,
        execution_time_ms: suite.execution_time_ms,
        successful_runs: suite.successful_runs,
        total_tokens_used: suite.total_tokens_used,
        average_execution_time_ms: suite.average_execution_time_ms,
        average_dimension_scores: scores(suite.average_dimension_scores),
        speedup_factor: suite.speedup_factor,
        run: run_report(suite.run),
        warnings: violation_list(suite.warnings),
    }
}
