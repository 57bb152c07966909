//! Reads how many events a sample has, and their times.

use arc_format_kit::codes;
use arc_format_kit::json::{Place, Reader, Value};

/// How many of the last events are examined for the time of a revision: scores that are edited or
/// added later are among the events of the scorers, which are the last.
const LAST_EVENTS: usize = 64;

/// The events of a sample.
#[derive(Default)]
pub(crate) struct Events<'a> {
    pub(crate) count: u32,
    /// The times of the first and the last event; used only if the sample has none.
    pub(crate) first: Option<Value<'a>>,
    pub(crate) last: Option<Value<'a>>,
    /// The times of the last events.
    pub(crate) last_times: Vec<Value<'a>>,
}

impl<'a> Events<'a> {
    /// Reads the events; an old `transcript` has them. If a sample has none, its messages are counted.
    pub(crate) fn read(
        reader: &mut Reader<'a>,
        events: Option<Value<'a>>,
        transcript: Option<Value<'a>>,
        messages: Option<Value<'a>>,
    ) -> Events<'a> {
        // The reader does not remove `null` from inner objects.
        let events = events.or_else(|| transcript?.member("events"));
        let events = events.filter(|events| events.json() != "null");
        let found = match (events, messages) {
            (Some(events), _) => events.elements().map(|all| {
                let time = |event: &Value<'a>| event.member("timestamp");
                let start = all.len().saturating_sub(LAST_EVENTS);
                Events {
                    count: u32::try_from(all.len()).unwrap_or(u32::MAX),
                    first: all.first().and_then(time),
                    last: all.last().and_then(time),
                    last_times: all.get(start..).into_iter().flatten().filter_map(time).collect(),
                }
            }),
            (None, Some(messages)) => {
                messages.element_count().map(|count| Events { count, ..Events::default() })
            }
            (None, None) => Some(Events::default()),
        };
        found.unwrap_or_else(|| {
            let member = if events.is_some() { "events" } else { "messages" };
            reader.warning(
                Place { object: "", member }.pointer(),
                codes::EVENTS_UNCOUNTED,
                format!("{member} is not an array, so its elements were not counted"),
            );
            Events::default()
        })
    }
}
