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

    /// Reads the usage of earlier tries, which Inspect discarded after an error. A try has the
    /// events from its last model call on, and Inspect does not count answers from its cache.
    pub(crate) fn of_retries<'a>(reader: &mut Reader<'a>, retries: Option<Value<'a>>) -> Usage {
        let mut sum = Usage::default();
        let Some(retries) = retries else { return sum };
        let Some(retries) = retries.elements() else {
            let place = Place { object: "", member: "error_retries" };
            reader.decoration(|reader| reader.wrong_type(place, retries, "an array"));
            return sum;
        };
        for (number, retry) in retries.into_iter().enumerate() {
            let events = retry.member("events").and_then(Value::elements).unwrap_or_default();
            for (index, event) in events.into_iter().enumerate() {
                let is = |name, text| {
                    event.member(name).and_then(Value::decode).is_some_and(|it| it.text == text)
                };
                if !is("event", "model") || is("cache", "read") {
                    continue;
                }
                let usage = event.member("output").and_then(|output| output.member("usage"));
                let object = format!("/error_retries/{number}/events/{index}/output");
                let place = Place { object: &object, member: "usage" };
                if let Some(usage) = usage {
                    sum.add(&reader.decoration(|reader| Usage::of_model(reader, usage, place)));
                }
            }
        }
        sum
    }

    /// Adds the usage of earlier tries; `false` if the sum would be too large.
    pub(crate) fn include(&mut self, other: &Usage) -> bool {
        let largest = |usage: &Usage| usage.total.max(usage.prompt).max(usage.completion);
        let fits = largest(self) + largest(other) <= MAX_WHOLE;
        if fits {
            self.add(other);
        }
        fits
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

    fn add(&mut self, other: &Usage) {
        self.total += other.total;
        self.prompt += other.prompt;
        self.completion += other.completion;
        if let Some(cost) = other.cost {
            self.cost = Some(self.cost.unwrap_or_default() + cost).filter(|cost| cost.is_finite());
        }
    }
}
