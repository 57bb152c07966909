//! Serializes values of JSON's own types: strings, numbers, booleans, None; dicts, lists and tuples.

use std::borrow::Cow;
use std::ffi::c_char;
use std::io::Write as _;

use arc_host::recorder::NotFiniteNumber;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use super::others::is_enum;

/// The kind of a value.
pub(super) enum Plain<'py> {
    Written,
    /// It was written as null.
    NotFinite(NotFiniteNumber),
    Dict(Bound<'py, PyDict>),
    List(Bound<'py, PyList>),
    Tuple(Bound<'py, PyTuple>),
    /// Another type.
    Other,
}

/// Writes a value that is not a container.
pub(super) fn write<'py>(value: &Bound<'py, PyAny>, out: &mut Vec<u8>) -> PyResult<Plain<'py>> {
    // The commonest types first; each is one comparison of pointers.
    if let Ok(text) = value.cast_exact::<PyString>() {
        write_string(text, out)?;
    } else if let Ok(dict) = value.cast_exact::<PyDict>() {
        return Ok(Plain::Dict(dict.clone()));
    } else if let Ok(float) = value.cast_exact::<PyFloat>() {
        return Ok(write_float(float.value(), out));
    } else if let Ok(int) = value.cast_exact::<PyInt>() {
        write_int(int, out)?;
    } else if let Ok(list) = value.cast_exact::<PyList>() {
        return Ok(Plain::List(list.clone()));
    } else if value.is_none() {
        out.extend_from_slice(b"null");
    } else if let Ok(truth) = value.cast_exact::<PyBool>() {
        out.extend_from_slice(if truth.is_true() { b"true" } else { b"false" });
    } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        return Ok(Plain::Tuple(tuple.clone()));
    } else {
        return write_subclass(value, out);
    }
    Ok(Plain::Written)
}

/// Writes a value of a derived class like one of its base class, except for enums.
fn write_subclass<'py>(value: &Bound<'py, PyAny>, out: &mut Vec<u8>) -> PyResult<Plain<'py>> {
    if is_enum(value)? {
        return Ok(Plain::Other);
    }
    if let Ok(text) = value.cast::<PyString>() {
        write_string(text, out)?;
    } else if let Ok(dict) = value.cast::<PyDict>() {
        // An OrderedDict has its own order, and other subclasses can compute their items.
        let items = dict.get_type().getattr("items")?;
        if items.is(&dict.py().get_type::<PyDict>().getattr("items")?) {
            return Ok(Plain::Dict(dict.clone()));
        }
        return Ok(Plain::Dict(PyDict::from_sequence(&items.call1((dict,))?)?));
    } else if let Ok(float) = value.cast::<PyFloat>() {
        return Ok(write_float(float.value(), out));
    } else if let Ok(int) = value.cast::<PyInt>() {
        write_int(int, out)?;
    } else if let Ok(list) = value.cast::<PyList>() {
        return Ok(Plain::List(list.clone()));
    } else if let Ok(tuple) = value.cast::<PyTuple>() {
        return Ok(Plain::Tuple(tuple.clone()));
    } else {
        return Ok(Plain::Other);
    }
    Ok(Plain::Written)
}

/// The block of a string that is checked for escapes at once, in bytes.
const BLOCK_BYTES: usize = 64;

/// Writes a string. Blocks without escapes are copied; serde_json writes the others.
pub(super) fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while !rest.is_empty() {
        let (plain, escaped) = rest.split_at(rest.floor_char_boundary(plain_length(rest)));
        out.extend_from_slice(plain.as_bytes());
        let (escaped, after) = escaped.split_at(escaped.ceil_char_boundary(BLOCK_BYTES));
        if !escaped.is_empty() {
            let quote = out.len();
            // Writing a string to memory cannot fail.
            let _ = serde_json::to_writer(&mut *out, escaped);
            out.remove(quote);
            out.pop();
        }
        rest = after;
    }
    out.push(b'"');
}

/// Returns the length of a prefix that needs no escapes. It is checked in blocks, which the compiler
/// vectorizes.
fn plain_length(text: &str) -> usize {
    let escapes = |block: &[u8]| {
        block
            .iter()
            .fold(false, |found, &byte| found | (byte < b' ') | (byte == b'"') | (byte == b'\\'))
    };
    let blocks = text.as_bytes().chunks(BLOCK_BYTES);
    blocks.take_while(|block| !escapes(block)).map(<[u8]>::len).sum()
}

fn write_string(text: &Bound<'_, PyString>, out: &mut Vec<u8>) -> PyResult<()> {
    match utf8(text) {
        Some(text) => write_text(text, out),
        None => write_with_surrogates(text, out)?,
    }
    Ok(())
}

/// Writes a float, or null if JSON cannot represent it.
pub(super) fn write_float(value: f64, out: &mut Vec<u8>) -> Plain<'static> {
    match not_finite(value) {
        None => {
            let _ = serde_json::to_writer(out, &value);
            Plain::Written
        }
        Some(number) => {
            out.extend_from_slice(b"null");
            Plain::NotFinite(number)
        }
    }
}

/// Returns the kind of a float that JSON cannot represent.
pub(super) fn not_finite(value: f64) -> Option<NotFiniteNumber> {
    if value.is_nan() {
        Some(NotFiniteNumber::NaN)
    } else if value == f64::INFINITY {
        Some(NotFiniteNumber::Infinity)
    } else if value == f64::NEG_INFINITY {
        Some(NotFiniteNumber::NegativeInfinity)
    } else {
        None
    }
}

fn write_int(int: &Bound<'_, PyInt>, out: &mut Vec<u8>) -> PyResult<()> {
    match int.extract::<i64>() {
        // Writing to memory cannot fail.
        Ok(value) => drop(write!(out, "{value}")),
        // More than 64 bits: int's own `__repr__`, because a derived class can override it.
        Err(_) => {
            let digits = int.py().get_type::<PyInt>().call_method1("__repr__", (int,))?;
            out.extend_from_slice(digits.cast::<PyString>()?.to_cow()?.as_bytes());
        }
    }
    Ok(())
}

/// Writes the name of a member: a string, or another type that is commonly used as a key.
pub(super) fn write_key(key: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<()> {
    /// The most conversions of a key, because an enum's value can be another enum's member.
    const MAX_CONVERSIONS: usize = 8;
    if let Ok(text) = key.cast_exact::<PyString>() {
        return write_string(text, out);
    }
    let mut name = key.clone();
    for _ in 0..MAX_CONVERSIONS {
        let mut made = Vec::new();
        match write(&name, &mut made)? {
            Plain::Written => {
                if let Ok(float) = name.cast::<PyFloat>() {
                    // In Python's spelling, as json.dumps writes it: 1e-07.
                    let float_type = float.py().get_type::<PyFloat>();
                    let spelled = float_type.call_method1("__repr__", (float,))?;
                    made = spelled.cast::<PyString>()?.to_cow()?.as_bytes().to_vec();
                }
            }
            Plain::NotFinite(number) => made = number.as_str().as_bytes().to_vec(),
            Plain::Other => match super::others::reduce(&name)? {
                super::others::Other::Value(value) => {
                    name = value;
                    continue;
                }
                _ => return Err(invalid_key(key)),
            },
            Plain::Dict(_) | Plain::List(_) | Plain::Tuple(_) => return Err(invalid_key(key)),
        }
        if made.first() == Some(&b'"') {
            out.extend_from_slice(&made);
        } else {
            out.push(b'"');
            out.extend_from_slice(&made);
            out.push(b'"');
        }
        return Ok(());
    }
    Err(invalid_key(key))
}

fn invalid_key(key: &Bound<'_, PyAny>) -> PyErr {
    let kind = key.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("a key of type {kind} cannot be the name of a member in JSON"))
}

/// Returns a member's name for a path: as in the document, if it can be written there.
pub(super) fn key_text(key: &Bound<'_, PyAny>) -> String {
    let mut name = Vec::new();
    if write_key(key, &mut name).is_ok()
        && let Ok(name) = serde_json::from_slice(&name)
    {
        return name;
    }
    key.str().map_or_else(|_| "?".to_owned(), |text| text.to_string_lossy().into_owned())
}

#[expect(unsafe_code, reason = "PyO3 does not declare the function for Python 3.9")]
unsafe extern "C" {
    /// Returns the text of a string as UTF-8, which lives as long as the string. CPython exports it since 3.3,
    /// and in the stable ABI since 3.10.
    fn PyUnicode_AsUTF8AndSize(
        text: *mut ffi::PyObject,
        size: *mut ffi::Py_ssize_t,
    ) -> *const c_char;
}

/// Returns a string's text, unless it has a lone surrogate.
#[expect(
    unsafe_code,
    reason = "the safe way copies each string, which doubles the time of a document"
)]
fn utf8<'a>(text: &'a Bound<'_, PyString>) -> Option<&'a str> {
    let mut size = 0;
    // SAFETY: the object is a string, and the interpreter's lock is held. The bytes are UTF-8 and
    // live as long as the string, which the answer borrows.
    unsafe {
        let bytes = PyUnicode_AsUTF8AndSize(text.as_ptr(), &raw mut size);
        if bytes.is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        let size = usize::try_from(size).ok()?;
        Some(std::str::from_utf8_unchecked(std::slice::from_raw_parts(bytes.cast(), size)))
    }
}

/// Writes a string with lone surrogates, which JSON can represent, as `\ud800`, and which real output of models has.
fn write_with_surrogates(text: &Bound<'_, PyString>, out: &mut Vec<u8>) -> PyResult<()> {
    let encoded = text.call_method1("encode", ("utf-16-be", "surrogatepass"))?;
    let bytes: Cow<'_, [u8]> = Cow::Borrowed(encoded.cast::<PyBytes>()?.as_bytes());
    let units = bytes.chunks_exact(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    out.push(b'"');
    let mut one = Vec::new();
    for letter in char::decode_utf16(units) {
        match letter {
            Ok(letter) => {
                one.clear();
                write_text(letter.encode_utf8(&mut [0; 4]), &mut one);
                out.extend_from_slice(one.get(1..one.len() - 1).unwrap_or_default());
            }
            Err(half) => drop(write!(out, "\\u{:04x}", half.unpaired_surrogate())),
        }
    }
    out.push(b'"');
    Ok(())
}

/// A key and its value.
type Member<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Returns the next member of a dict, or an error if the dict has changed since its iteration began.
#[expect(
    unsafe_code,
    reason = "an iteration that pauses cannot keep PyO3's iterator, which borrows"
)]
pub(super) fn next_in_dict<'py>(
    dict: &Bound<'py, PyDict>,
    position: &mut isize,
    length: usize,
) -> Result<Option<Member<'py>>, String> {
    if dict.len() != length {
        return Err("the dict was changed while it was being recorded".to_owned());
    }
    let (mut key, mut value) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the dict is one, the interpreter's lock is held, and the position is 0 or came from
    // here. The returned references are borrowed from the dict, and made owned at once.
    unsafe {
        if ffi::PyDict_Next(dict.as_ptr(), position, &raw mut key, &raw mut value) == 0 {
            return Ok(None);
        }
        let py = dict.py();
        Ok(Some((Bound::from_borrowed_ptr(py, key), Bound::from_borrowed_ptr(py, value))))
    }
}
