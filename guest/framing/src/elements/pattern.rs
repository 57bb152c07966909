//! The pattern of the items' paths.

use core::fmt;

/// A step on the path from a document to its items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// The member of an object with this name.
    Name(String),
    /// Every element of an array.
    Every,
}

/// The paths of items in a document: a JSON Pointer (RFC 6901) in which the segment `*` matches
/// every element of an array, such as `/samples/*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementPattern {
    segments: Vec<Segment>,
    longest_name: usize,
}

/// The largest number of steps of a pattern: files of results are not deeper.
const MOST_SEGMENTS: usize = 16;

/// The reason why a text is not a valid pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    pattern: String,
    reason: &'static str,
}

impl fmt::Display for PatternError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} is not a valid pattern of items: {}", self.pattern, self.reason)
    }
}

impl core::error::Error for PatternError {}

impl ElementPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// If it does not begin with `/`, is longer than 16 segments, or has no `*`, so that it could
    /// match only one item.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let wrong = |reason| PatternError { pattern: pattern.chars().take(200).collect(), reason };
        let Some(path) = pattern.strip_prefix('/') else {
            return Err(wrong("it must begin with /"));
        };
        let segments: Vec<Segment> = path
            .split('/')
            .take(MOST_SEGMENTS + 1)
            .map(|segment| match segment {
                "*" => Segment::Every,
                // In this order, so that `~01` is `~1`.
                name => Segment::Name(name.replace("~1", "/").replace("~0", "~")),
            })
            .collect();
        if segments.len() > MOST_SEGMENTS {
            return Err(wrong("it has more than 16 segments"));
        }
        if !segments.contains(&Segment::Every) {
            return Err(wrong("no segment is *, which matches every element of an array"));
        }
        let names = segments.iter().map(|segment| match segment {
            Segment::Name(name) => name.len(),
            Segment::Every => 0,
        });
        let longest_name = names.max().unwrap_or(0);
        Ok(ElementPattern { segments, longest_name })
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(crate) fn longest_name(&self) -> usize {
        self.longest_name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_pointer_with_stars() {
        let pattern = ElementPattern::new("/a~1b/*/~0c").unwrap();
        let expected = [Segment::Name("a/b".into()), Segment::Every, Segment::Name("~c".into())];
        assert_eq!(pattern.segments(), expected);
        for wrong in ["", "samples/*", "/samples", &"/*".repeat(17)] {
            assert!(ElementPattern::new(wrong).is_err(), "{wrong}");
        }
    }
}
