//! The walk through an object. It keeps its own stack, so that depth costs no stack of the thread,
//! and so that it can pause: an event loop that has other things to do gets its turn.

use std::fmt::Write as _;
use std::time::Instant;

use arc_host::recorder::{NotFinite, NotFiniteNumber};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use super::others::{self, Other};
use super::plain::{self, Plain};

/// The deepest nesting that is written. The extractor refuses what is deeper than 256; what is
/// deeper than this is most likely an object that contains itself.
const MOST_DEPTH: usize = 1_000;

/// How many values are written between two looks at the clock.
const VALUES_BETWEEN_LOOKS: u32 = 64;

/// An object that is being written.
pub(crate) struct Writer {
    out: Vec<u8>,
    stack: Vec<Level>,
    /// The object itself, before it is begun.
    root: Option<Py<PyAny>>,
    /// Members of the outermost object that are left out.
    left_out: &'static [&'static str],
    not_finite: Vec<NotFinite>,
}

/// An object that was written.
pub(crate) struct Written {
    pub(crate) text: String,
    /// The numbers in it that JSON cannot hold.
    pub(crate) not_finite: Vec<NotFinite>,
}

/// Why an object was not written.
pub(crate) enum Unwritable {
    /// A value that cannot be JSON.
    Value {
        /// Where it is, as a JSON Pointer.
        path: String,
        /// What it is.
        message: String,
    },
    /// Something that is no failure of the object, such as Ctrl-C.
    Raised(PyErr),
}

/// An object or array that is open.
struct Level {
    kind: Kind,
    /// Where it is among its members or items, for paths.
    key: Key,
    empty: bool,
}

enum Kind {
    Dict { dict: Py<PyDict>, position: isize, length: usize },
    Fields { fields: Vec<(String, Py<PyAny>)>, next: usize },
    List { list: Py<PyList>, next: usize, length: usize },
    Tuple { tuple: Py<PyTuple>, next: usize },
}

enum Key {
    None,
    Name(Py<PyAny>),
    Text(String),
    Index(usize),
}

/// What is next in the object or array that is open.
enum Next<'py> {
    Value(Bound<'py, PyAny>),
    LeftOut,
    End,
}

impl Writer {
    pub(crate) fn new(value: Bound<'_, PyAny>, left_out: &'static [&'static str]) -> Self {
        Writer {
            out: Vec::new(),
            stack: Vec::new(),
            root: Some(value.unbind()),
            left_out,
            not_finite: Vec::new(),
        }
    }

    /// Writes on, until it is done or, a little after, the clock says so; then `None`.
    pub(crate) fn proceed(
        &mut self,
        py: Python<'_>,
        until: Option<Instant>,
    ) -> Result<Option<Written>, Unwritable> {
        if let Some(root) = self.root.take() {
            self.value(root.into_bound(py))?;
        }
        loop {
            for _ in 0..VALUES_BETWEEN_LOOKS {
                if self.stack.is_empty() {
                    return self.finish().map(Some);
                }
                match self.next(py)? {
                    Next::Value(value) => self.value(value)?,
                    Next::LeftOut => {}
                    Next::End => {
                        let closed = self.stack.pop();
                        self.out.push(match closed.map(|level| level.kind) {
                            Some(Kind::Dict { .. } | Kind::Fields { .. }) => b'}',
                            _ => b']',
                        });
                    }
                }
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Ok(None);
            }
        }
    }

    fn finish(&mut self) -> Result<Written, Unwritable> {
        let text = String::from_utf8(std::mem::take(&mut self.out)).map_err(|error| {
            Unwritable::Value { path: String::new(), message: error.to_string() }
        })?;
        Ok(Written { text, not_finite: std::mem::take(&mut self.not_finite) })
    }

    /// Moves on in what is open, and writes the key of what is next.
    fn next<'py>(&mut self, py: Python<'py>) -> Result<Next<'py>, Unwritable> {
        let outermost = self.stack.len() == 1;
        let Some(level) = self.stack.last_mut() else { return Ok(Next::End) };
        let out = &mut self.out;
        let comma = |level: &mut Level, out: &mut Vec<u8>| {
            if !std::mem::replace(&mut level.empty, false) {
                out.push(b',');
            }
        };
        let (value, done) = match &mut level.kind {
            Kind::Dict { dict, position, length } => {
                let dict = dict.bind(py);
                let found = match plain::next_in_dict(dict, position, *length) {
                    Ok(found) => found,
                    Err(message) => return Err(self.refuse(py, message)),
                };
                let Some((key, value)) = found else { return Ok(Next::End) };
                let before = out.len();
                comma(level, out);
                let name_at = out.len();
                let written = plain::write_key(&key, out);
                level.key = Key::Name(key.unbind());
                if let Err(error) = written {
                    return Err(self.refuse_for(py, error));
                }
                let left_out = self.left_out;
                if outermost && !left_out.is_empty() {
                    let name = out.get(name_at + 1..out.len() - 1).unwrap_or_default();
                    if left_out.iter().any(|left_out| left_out.as_bytes() == name) {
                        level.empty = out.get(before - 1) == Some(&b'{');
                        out.truncate(before);
                        return Ok(Next::LeftOut);
                    }
                }
                out.push(b':');
                return Ok(Next::Value(value));
            }
            Kind::Fields { fields, next } => {
                let Some((name, value)) = fields.get(*next) else { return Ok(Next::End) };
                *next += 1;
                let (name, value) = (name.clone(), value.bind(py).clone());
                if outermost && self.left_out.contains(&name.as_str()) {
                    return Ok(Next::LeftOut);
                }
                comma(level, out);
                plain::write_text(&name, out);
                out.push(b':');
                level.key = Key::Text(name);
                return Ok(Next::Value(value));
            }
            // What has become shorter since would be recorded without its end.
            Kind::List { list, length, .. } if list.bind(py).len() != *length => {
                let message = "the list was changed while it was being recorded".to_owned();
                return Err(self.refuse(py, message));
            }
            Kind::List { list, next, .. } => (list.bind(py).get_item(*next).ok(), next),
            Kind::Tuple { tuple, next } => (tuple.bind(py).get_item(*next).ok(), next),
        };
        let Some(value) = value else { return Ok(Next::End) };
        let index = *done;
        *done += 1;
        comma(level, out);
        level.key = Key::Index(index);
        Ok(Next::Value(value))
    }

    /// Writes a value that is JSON as it is, or opens one that has parts.
    fn value(&mut self, value: Bound<'_, PyAny>) -> Result<(), Unwritable> {
        let py = value.py();
        let mut value = value;
        // What a model or an enum is made of may again be one.
        for _ in 0..MOST_DEPTH {
            let offset = self.out.len();
            match plain::write(&value, &mut self.out) {
                Err(error) => return Err(self.refuse_for(py, error)),
                Ok(Plain::Written) => return Ok(()),
                Ok(Plain::NotFinite(number)) => {
                    self.note(py, offset, number);
                    return Ok(());
                }
                Ok(Plain::Dict(dict)) => return self.open_dict(&dict),
                Ok(Plain::List(list)) => {
                    let length = list.len();
                    let kind = Kind::List { list: list.unbind(), next: 0, length };
                    return self.open(py, b'[', kind);
                }
                Ok(Plain::Tuple(tuple)) => {
                    return self.open(py, b'[', Kind::Tuple { tuple: tuple.unbind(), next: 0 });
                }
                Ok(Plain::Other) => {}
            }
            match others::reduce(&value) {
                Err(error) => return Err(self.refuse_for(py, error)),
                Ok(Other::Value(made_of)) => value = made_of,
                Ok(Other::Number(text)) => {
                    self.out.extend_from_slice(text.as_bytes());
                    return Ok(());
                }
                Ok(Other::NotFinite(number)) => {
                    self.out.extend_from_slice(b"null");
                    self.note(py, offset, number);
                    return Ok(());
                }
                Ok(Other::Fields(fields)) => {
                    return self.open(py, b'{', Kind::Fields { fields, next: 0 });
                }
                Ok(Other::Unknown(what)) => {
                    let message = format!(
                        "{what} cannot be JSON; make it a dict, a list, a text or a number, or give \
                         its class a to_dict()"
                    );
                    return Err(self.refuse(py, message));
                }
            }
        }
        Err(self.refuse(py, "its parts lead back to itself".to_owned()))
    }

    fn open_dict(&mut self, dict: &Bound<'_, PyDict>) -> Result<(), Unwritable> {
        let length = dict.len();
        let kind = Kind::Dict { dict: dict.clone().unbind(), position: 0, length };
        self.open(dict.py(), b'{', kind)
    }

    fn open(&mut self, py: Python<'_>, bracket: u8, kind: Kind) -> Result<(), Unwritable> {
        if self.stack.len() >= MOST_DEPTH {
            let message = format!(
                "objects and arrays are nested deeper than {MOST_DEPTH}: does one contain itself?"
            );
            return Err(self.refuse(py, message));
        }
        self.out.push(bracket);
        self.stack.push(Level { kind, key: Key::None, empty: true });
        Ok(())
    }

    fn note(&mut self, py: Python<'_>, offset: usize, number: NotFiniteNumber) {
        let path = self.path(py);
        self.not_finite.push(NotFinite { offset, path, number });
    }

    fn refuse(&self, py: Python<'_>, message: String) -> Unwritable {
        Unwritable::Value { path: self.path(py), message }
    }

    /// A failure of the object's own code is one of the object; Ctrl-C is none.
    fn refuse_for(&self, py: Python<'_>, error: PyErr) -> Unwritable {
        if !error.is_instance_of::<pyo3::exceptions::PyException>(py) {
            return Unwritable::Raised(error);
        }
        self.refuse(py, error.to_string())
    }

    /// Where the walk is, as a JSON Pointer.
    fn path(&self, py: Python<'_>) -> String {
        /// Of an object that contains itself, the beginning says enough.
        const SHOWN_LEVELS: usize = 32;
        let mut path = String::new();
        for level in self.stack.iter().take(SHOWN_LEVELS) {
            let text = match &level.key {
                Key::None => continue,
                Key::Index(index) => {
                    // Writing to a string cannot fail.
                    let _ = write!(path, "/{index}");
                    continue;
                }
                Key::Text(text) => text.clone(),
                Key::Name(name) => plain::key_text(name.bind(py)),
            };
            path.push('/');
            path.push_str(&text.replace('~', "~0").replace('/', "~1"));
        }
        if self.stack.len() > SHOWN_LEVELS {
            path.push_str("/…");
        }
        path
    }
}
