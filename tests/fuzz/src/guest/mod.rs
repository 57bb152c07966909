//! Targets of code that runs in components, built natively.

mod elements;
mod extraction;
mod formats;
mod framing;
mod numbers;

use arc_extractor::GuideFormat;
use arc_format_harbor::HarborFormat;
use arc_format_inspect::InspectFormat;
use arc_format_lm_eval::LmEvalFormat;
use arc_format_openai_evals::OpenAiEvalsFormat;
use arc_format_otel::OtelFormat;
use arc_format_promptfoo::PromptfooFormat;

use crate::Target;

/// Every target of this crate.
pub const TARGETS: &[Target] = &[
    ("split", framing::split),
    ("elements", elements::elements),
    ("result", extraction::result),
    ("scenarios", extraction::scenarios),
    ("suite", extraction::suite),
    ("numbers", numbers::numbers),
    ("guide", formats::format::<GuideFormat>),
    ("harbor", formats::format::<HarborFormat>),
    ("inspect", formats::format::<InspectFormat>),
    ("lm-eval", formats::format::<LmEvalFormat>),
    ("openai-evals", formats::format::<OpenAiEvalsFormat>),
    ("otel", formats::format::<OtelFormat>),
    ("promptfoo", formats::format::<PromptfooFormat>),
];
