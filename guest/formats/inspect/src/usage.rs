//! Tokens and cost by role and model.
//!
//! Inspect counts each call under its model and, if it was made in a role, again under the role. So a
//! role's calls are removed from those of its model, and the rest is the agent's.

use arc_format_kit::codes;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::number::MAX_WHOLE;
use arc_format_kit::usage::{ReportedTokens, TokenUsage, add, role};

use crate::header::{HeaderData, text};

/// The members of a sample that have its usage.
#[derive(Clone, Copy)]
pub(crate) struct UsageMembers<'a> {
    pub(crate) models: Option<Value<'a>>,
    pub(crate) roles: Option<Value<'a>>,
    pub(crate) retries: Option<Value<'a>>,
    pub(crate) events: Option<Value<'a>>,
}

impl<'a> UsageMembers<'a> {
    /// Reads the usage by role and model, with that of earlier tries. Its problems become warnings.
    pub(crate) fn read(self, reader: &mut Reader<'a>, header: &HeaderData) -> Vec<TokenUsage> {
        let mut calls = by_name(reader, self.models, Place { object: "", member: "model_usage" });
        let roles = by_name(reader, self.roles, Place { object: "", member: "role_usage" });
        let mut by_role = Vec::new();
        for (name, usage) in roles {
            let model = match (header.model_of_role(&name), calls.as_slice()) {
                (Some(model), _) => Some(model.to_owned()),
                (None, [(only, _)]) => Some(only.clone()),
                (None, _) => self.model_in_events(&name),
            };
            let own = calls.iter_mut().find(|(name, _)| Some(name) == model.as_ref());
            if let Some((_, own)) = own {
                own.remove(&usage);
            }
            by_role.push(TokenUsage { role: Some(role(&name)), model, ..usage });
        }
        let mut list = Vec::new();
        for (model, usage) in calls {
            add(&mut list, TokenUsage { model: Some(model), ..usage });
        }
        by_role.into_iter().for_each(|usage| add(&mut list, usage));
        self.add_retries(reader, &mut list);
        let total: f64 = list.iter().map(|usage| usage.total_tokens).sum();
        if total > MAX_WHOLE {
            reader.warning(
                "/model_usage".to_owned(),
                codes::OUT_OF_RANGE,
                "the token counts add up to more than 2^53; they are left out".to_owned(),
            );
            list.clear();
        }
        list
    }

    /// Returns the model of the first call in a role.
    fn model_in_events(self, role: &str) -> Option<String> {
        let events = self.events.and_then(Value::elements).unwrap_or_default();
        let is_of_role =
            |event: &Value<'a>| is(*event, "event", "model") && is(*event, "role", role);
        events.into_iter().find(is_of_role)?.member("model").and_then(text)
    }

    /// Adds the usage of earlier tries, which Inspect discarded after an error. A try has the events
    /// from its last model call on, and Inspect does not count answers from its cache.
    fn add_retries(self, reader: &mut Reader<'a>, list: &mut Vec<TokenUsage>) {
        let Some(retries) = self.retries else { return };
        let Some(retries) = retries.elements() else {
            let place = Place { object: "", member: "error_retries" };
            reader.decoration(|reader| reader.wrong_type(place, retries, "an array"));
            return;
        };
        for (number, retry) in retries.into_iter().enumerate() {
            let events = retry.member("events").and_then(Value::elements).unwrap_or_default();
            for (index, event) in events.into_iter().enumerate() {
                if !is(event, "event", "model") || is(event, "cache", "read") {
                    continue;
                }
                let usage = event.member("output").and_then(|output| output.member("usage"));
                let object = format!("/error_retries/{number}/events/{index}/output");
                let place = Place { object: &object, member: "usage" };
                if let Some(usage) = usage {
                    let usage = reader.decoration(|reader| of_calls(reader, usage, place));
                    let name = |member| event.member(member).and_then(text);
                    let (role, model) = (name("role").map(|name| role(&name)), name("model"));
                    add(list, TokenUsage { role, model, discarded: true, ..usage });
                }
            }
        }
    }
}

/// Returns the sum of an object of usages by model.
pub(crate) fn sum<'a>(
    reader: &mut Reader<'a>,
    models: Option<Value<'a>>,
    place: Place,
) -> TokenUsage {
    let mut sum = TokenUsage::default();
    by_name(reader, models, place).iter().for_each(|(_, usage)| sum.add(usage));
    sum
}

/// Reads an object of usages by model or role.
fn by_name<'a>(
    reader: &mut Reader<'a>,
    usages: Option<Value<'a>>,
    place: Place,
) -> Vec<(String, TokenUsage)> {
    let Some(usages) = usages else { return Vec::new() };
    let Some(members) = usages.members() else {
        reader.decoration(|reader| reader.wrong_type(place, usages, "an object"));
        return Vec::new();
    };
    let object = place.pointer();
    let read = |(name, usage): (arc_format_kit::json::Text<'a>, Value<'a>)| {
        let place = Place { object: &object, member: &name.text };
        let usage = reader.decoration(|reader| of_calls(reader, usage, place));
        (name.text.into_owned(), usage)
    };
    members.into_iter().map(read).collect()
}

/// Reads a `ModelUsage`.
fn of_calls<'a>(reader: &mut Reader<'a>, usage: Value<'a>, place: Place) -> TokenUsage {
    let object = place.pointer();
    let at = |member| Place { object: &object, member };
    let names = [
        "input_tokens",
        "output_tokens",
        "input_tokens_cache_read",
        "input_tokens_cache_write",
        "reasoning_tokens",
        "total_tokens",
        "total_cost",
    ];
    let usage = Some(usage).filter(|usage| usage.json() != "null");
    let [counts @ .., cost] = reader.object(usage, place, names);
    let mut counts =
        counts.into_iter().zip(names).map(|(count, name)| reader.tokens(count, at(name)));
    let [input, output, cache_read, cache_write, reasoning, total] =
        [(); 6].map(|()| counts.next().flatten().unwrap_or_default());
    // A provider that reports no total has 0 here. Inspect counts cached tokens apart, and reasoning
    // as output; older versions have the provider's own habit, which the total shows. A total can
    // have more tokens, such as those of a provider's tools.
    let cached = cache_read + cache_write;
    let sum = input + cached + output;
    let total = if total > 0.0 { total } else { sum };
    let is_included = [0.0, reasoning].map(|apart| input + output + apart).contains(&total);
    let input = if is_included || total < sum { input } else { input + cached };
    let reported =
        ReportedTokens { input, cache_read, cache_write, output, reasoning, total: Some(total) };
    TokenUsage { cost_usd: reader.amount(cost, at("total_cost")), ..reported.usage() }
}

/// Whether a member is this text.
fn is(object: Value, member: &str, wanted: &str) -> bool {
    object.member(member).and_then(Value::decode).is_some_and(|found| found.text == wanted)
}
