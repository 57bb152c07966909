//! Serializes an object. It keeps its own stack, so that nesting does not use the thread's stack, and so
//! that it can pause to let an event loop run other tasks.

use std::fmt::Write as _;
use std::time::Instant;

use arc_host::recorder::{NotFinite, NotFiniteNumber};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use super::others::{self, Other};
use super::plain::{self, Plain};

/// The deepest nesting that is written. The extractor rejects documents deeper than 256; an object deeper
/// than this most likely contains itself.
const MAX_DEPTH: usize = 1_000;

/// How many values are written between two reads of the clock.
const VALUES_BETWEEN_CLOCK_READS: u32 = 64;

/// Serializes an object to JSON text.
pub(crate) struct Writer {
    out: Vec<u8>,
    stack: Vec<Level>,
    /// The object itself, before it is begun.
    root: Option<Py<PyAny>>,
    /// Members of the outermost object that are not written.
    excluded: &'static [&'static str],
    not_finite: Vec<NotFinite>,
}

/// The JSON text of an object.
pub(crate) struct JsonText {
    pub(crate) text: String,
    /// The numbers in it that JSON cannot represent.
    pub(crate) not_finite: Vec<NotFinite>,
}

/// The reason for which an object was not written.
pub(crate) enum Unwritable {
    /// A value that cannot be converted to JSON.
    Value {
        /// A JSON Pointer to the value.
        path: String,
        /// The error message.
        message: String,
    },
    /// An exception that the object did not cause, such as Ctrl-C.
    Raised(PyErr),
}

/// An object or array that is open.
struct Level {
    kind: Kind,
    /// The key or index of the current item, for paths.
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

/// The next item of the open object or array.
enum Next<'py> {
    Value(Bound<'py, PyAny>),
    Excluded,
    End,
}

impl Writer {
    pub(crate) fn new(value: Bound<'_, PyAny>, excluded: &'static [&'static str]) -> Self {
        Writer {
            out: Vec::new(),
            stack: Vec::new(),
            root: Some(value.unbind()),
            excluded,
            not_finite: Vec::new(),
        }
    }

    /// Continues until the text is complete, or shortly after `until`, when it returns `None`.
    pub(crate) fn proceed(
        &mut self,
        py: Python<'_>,
        until: Option<Instant>,
    ) -> Result<Option<JsonText>, Unwritable> {
        if let Some(root) = self.root.take() {
            self.value(root.into_bound(py))?;
        }
        loop {
            for _ in 0..VALUES_BETWEEN_CLOCK_READS {
                if self.stack.is_empty() {
                    return self.finish().map(Some);
                }
                match self.next(py)? {
                    Next::Value(value) => self.value(value)?,
                    Next::Excluded => {}
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

    fn finish(&mut self) -> Result<JsonText, Unwritable> {
        let text = String::from_utf8(std::mem::take(&mut self.out)).map_err(|error| {
            Unwritable::Value { path: String::new(), message: error.to_string() }
        })?;
        Ok(JsonText { text, not_finite: std::mem::take(&mut self.not_finite) })
    }

    /// Advances in the open object or array, and writes the key of the next item.
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
                let excluded = self.excluded;
                if outermost && !excluded.is_empty() {
                    let name = out.get(name_at + 1..out.len() - 1).unwrap_or_default();
                    if excluded.iter().any(|excluded| excluded.as_bytes() == name) {
                        level.empty = out.get(before - 1) == Some(&b'{');
                        out.truncate(before);
                        return Ok(Next::Excluded);
                    }
                }
                out.push(b':');
                return Ok(Next::Value(value));
            }
            Kind::Fields { fields, next } => {
                let Some((name, value)) = fields.get(*next) else { return Ok(Next::End) };
                *next += 1;
                let (name, value) = (name.clone(), value.bind(py).clone());
                if outermost && self.excluded.contains(&name.as_str()) {
                    return Ok(Next::Excluded);
                }
                comma(level, out);
                plain::write_text(&name, out);
                out.push(b':');
                level.key = Key::Text(name);
                return Ok(Next::Value(value));
            }
            // A list that became shorter would be recorded incompletely.
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

    /// Writes a value, or opens it if it is a container.
    fn value(&mut self, value: Bound<'_, PyAny>) -> Result<(), Unwritable> {
        let py = value.py();
        let mut value = value;
        // The conversion of a model or an enum can again be one.
        for _ in 0..MAX_DEPTH {
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
                Ok(Other::Value(converted)) => value = converted,
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
                        "{what} cannot be converted to JSON; make it a dict, a list, a str or a number, \
                         or add a to_dict() to its class"
                    );
                    return Err(self.refuse(py, message));
                }
            }
        }
        Err(self.refuse(py, "its conversion to JSON does not end".to_owned()))
    }

    fn open_dict(&mut self, dict: &Bound<'_, PyDict>) -> Result<(), Unwritable> {
        let length = dict.len();
        let kind = Kind::Dict { dict: dict.clone().unbind(), position: 0, length };
        self.open(dict.py(), b'{', kind)
    }

    fn open(&mut self, py: Python<'_>, bracket: u8, kind: Kind) -> Result<(), Unwritable> {
        if self.stack.len() >= MAX_DEPTH {
            let message = format!(
                "objects and arrays are nested deeper than {MAX_DEPTH}: does one contain itself?"
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

    /// Returns an exception of the object's own code as an error of the object, but passes on others, such as Ctrl-C.
    fn refuse_for(&self, py: Python<'_>, error: PyErr) -> Unwritable {
        if !error.is_instance_of::<pyo3::exceptions::PyException>(py) {
            return Unwritable::Raised(error);
        }
        self.refuse(py, error.to_string())
    }

    /// Returns a JSON Pointer to the current value.
    fn path(&self, py: Python<'_>) -> String {
        /// The most levels of a path, because an object can contain itself.
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
