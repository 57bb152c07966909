//! Texts that a sample has once and refers to.

use std::borrow::Cow;

use arc_format_kit::json::{Place, Reader, Value};

/// The prefixes of a reference: the current one, and the old one.
const PROTOCOLS: [&str; 2] = ["attachment://", "tc://"];

/// The attachments of a sample. They can be large, so they are read only for a reference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attachments<'a>(Option<Value<'a>>);

impl<'a> Attachments<'a> {
    /// Returns the attachments of a sample; an old `transcript` has them as its `content`.
    pub(crate) fn of(attachments: Option<Value<'a>>, transcript: Option<Value<'a>>) -> Self {
        Attachments(attachments.or_else(|| transcript?.member("content")))
    }

    /// Returns the decoded text of a string, or of the attachment that it refers to. A reference to
    /// a missing attachment is unchanged, as in Inspect. `None` for a value that is not a string.
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
