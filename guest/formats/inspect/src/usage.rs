//! Tokens and cost, by model.

use arc_format_kit::codes;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::number::MAX_WHOLE;

/// The usage of all models together.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    pub(crate) total: f64,
    pub(crate) prompt: f64,
    pub(crate) completion: f64,
    /// `None` if no model's usage has a cost.
    pub(crate) cost: Option<f64>,
}

impl Usage {
    /// Reads an object of usages by model. Its problems become warnings.
    pub(crate) fn read<'a>(
        reader: &mut Reader<'a>,
        models: Option<Value<'a>>,
        place: Place,
    ) -> Usage {
        let mut sum = Usage::default();
        let Some(models) = models else { return sum };
        let Some(members) = models.members() else {
            reader.decoration(|reader| reader.wrong_type(place, models, "an object"));
            return sum;
        };
        let object = place.pointer();
        for (model, usage) in members {
            let place = Place { object: &object, member: &model.text };
            sum.add(&reader.decoration(|reader| Usage::of_model(reader, usage, place)));
        }
        if sum.total.max(sum.prompt).max(sum.completion) > MAX_WHOLE {
            reader.warning(
                object,
                codes::OUT_OF_RANGE,
                "the token counts add up to more than 2^53; they are left out".to_owned(),
            );
            return Usage { cost: sum.cost, ..Usage::default() };
        }
        sum
    }

    fn of_model<'a>(reader: &mut Reader<'a>, usage: Value<'a>, place: Place) -> Usage {
        let object = place.pointer();
        let at = |member| Place { object: &object, member };
        let names = [
            "input_tokens",
            "output_tokens",
            "input_tokens_cache_read",
            "input_tokens_cache_write",
            "total_tokens",
            "total_cost",
        ];
        let usage = Some(usage).filter(|usage| usage.json() != "null");
        let [input, output, read, written, total, cost] = reader.object(usage, place, names);
        let mut tokens = |value, member| reader.tokens(value, at(member));
        let input = tokens(input, "input_tokens").unwrap_or_default();
        let output = tokens(output, "output_tokens").unwrap_or_default();
        let read = tokens(read, "input_tokens_cache_read").unwrap_or_default();
        let written = tokens(written, "input_tokens_cache_write").unwrap_or_default();
        let total = tokens(total, "total_tokens");
        let all = input + read + written + output;
        let total = total.unwrap_or(all);
        // Some providers count cached tokens among the others, some separately: the total shows
        // which.
        let cached = if total == all { read + written } else { 0.0 };
        Usage {
            total,
            prompt: input + cached,
            completion: output,
            cost: reader.amount(cost, at("total_cost")),
        }
    }

    /// Reads the usage of tries that ended with an error and were repeated, whose model calls are in
    /// the events of each.
    pub(crate) fn of_retries<'a>(reader: &mut Reader<'a>, retries: Option<Value<'a>>) -> Usage {
        let mut sum = Usage::default();
        let tries = retries.and_then(Value::elements).unwrap_or_default();
        for (index, one) in tries.into_iter().enumerate() {
            let events = one.member("events").and_then(Value::elements).unwrap_or_default();
            let object = format!("/error_retries/{index}/events");
            for event in events {
                if event.member("event").is_none_or(|kind| kind.json() != "\"model\"") {
                    continue;
                }
                let usage = event.member("output").and_then(|output| output.member("usage"));
                let Some(usage) = usage else { continue };
                let place = Place { object: &object, member: "usage" };
                sum.add(&reader.decoration(|reader| Usage::of_model(reader, usage, place)));
            }
        }
        sum
    }

    /// Adds another usage.
    pub(crate) fn add(&mut self, other: &Usage) {
        self.total += other.total;
        self.prompt += other.prompt;
        self.completion += other.completion;
        if let Some(cost) = other.cost {
            self.cost = Some(self.cost.unwrap_or_default() + cost).filter(|cost| cost.is_finite());
        }
    }
}
