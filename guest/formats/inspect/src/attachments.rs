//! Texts that a sample keeps once and refers to.

use std::borrow::Cow;

use arc_format_kit::json::{Place, Reader, Value};

/// What a reference begins with: as it is written now, and as it was.
const PROTOCOLS: [&str; 2] = ["attachment://", "tc://"];

/// The attachments of a sample. They may be large, so they are looked at only for a reference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attachments<'a>(Option<Value<'a>>);

impl<'a> Attachments<'a> {
    /// Those of a sample, whose old `transcript` has them as its `content`.
    pub(crate) fn of(attachments: Option<Value<'a>>, transcript: Option<Value<'a>>) -> Self {
        Attachments(attachments.or_else(|| transcript?.member("content")))
    }

    /// The decoded text of a string, or of what it refers to. A reference to nothing stays as it
    /// is, as Inspect leaves it. Nothing for a value that is not a string.
    pub(crate) fn text(
        self,
        reader: &mut Reader<'a>,
        value: Option<Value<'a>>,
        place: Place,
    ) -> Option<Cow<'a, str>> {
        let text = reader.decoded(value?, place)?;
        let Some(name) = PROTOCOLS.iter().find_map(|protocol| text.strip_prefix(protocol)) else {
            return Some(text);
        };
        let attachment = self.0.and_then(|attachments| attachments.member(name));
        let place = Place { object: "/attachments", member: name };
        match attachment.and_then(|value| reader.decoded(value, place)) {
            Some(attachment) => Some(attachment),
            None => Some(text),
        }
    }
}
