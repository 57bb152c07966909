//! Converts other types: enums, dates, models, arrays, sets.

use arc_host::recorder::NotFiniteNumber;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyFloat, PyList, PyString, PyType};

use super::plain::not_finite;

/// The conversion of a value.
pub(super) enum Other<'py> {
    /// Another value, which is serialized in its place.
    Value(Bound<'py, PyAny>),
    /// A number in JSON's syntax.
    Number(String),
    /// A number that JSON cannot represent.
    NotFinite(NotFiniteNumber),
    /// An object with these members.
    Fields(Vec<(String, Py<PyAny>)>),
    /// A value of an unsupported type: its description.
    Unknown(String),
}

/// The supported classes of Python's standard library.
struct Classes {
    enumeration: Py<PyType>,
    date: Py<PyType>,
    time: Py<PyType>,
    duration: Py<PyType>,
    uuid: Py<PyType>,
    decimal: Py<PyType>,
    path: Py<PyType>,
    mapping: Py<PyType>,
    set: Py<PyType>,
    sequence: Py<PyType>,
    memory: Py<PyType>,
}

fn classes(py: Python<'_>) -> PyResult<&Classes> {
    static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();
    CLASSES.get_or_try_init(py, || {
        let class = |module: &str, name: &str| -> PyResult<Py<PyType>> {
            Ok(py.import(module)?.getattr(name)?.cast_into::<PyType>()?.unbind())
        };
        Ok(Classes {
            enumeration: class("enum", "Enum")?,
            date: class("datetime", "date")?,
            time: class("datetime", "time")?,
            duration: class("datetime", "timedelta")?,
            uuid: class("uuid", "UUID")?,
            decimal: class("decimal", "Decimal")?,
            path: class("os", "PathLike")?,
            mapping: class("collections.abc", "Mapping")?,
            set: class("collections.abc", "Set")?,
            sequence: class("collections.abc", "Sequence")?,
            memory: class("builtins", "memoryview")?,
        })
    })
}

/// Returns whether a value is an enum's member, which is serialized as its value even if it is a string or number.
pub(super) fn is_enum(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    value.is_instance(classes(value.py())?.enumeration.bind(value.py()))
}

/// Converts a value that is not of JSON's own types.
pub(super) fn reduce<'py>(value: &Bound<'py, PyAny>) -> PyResult<Other<'py>> {
    let py = value.py();
    let classes = classes(py)?;
    let is = |class: &Py<PyType>| value.is_instance(class.bind(py));
    if is(&classes.enumeration)? {
        return Ok(Other::Value(value.getattr("value")?));
    }
    if is(&classes.date)? || is(&classes.time)? {
        return Ok(Other::Value(value.call_method0("isoformat")?));
    }
    if is(&classes.duration)? {
        return Ok(Other::Value(value.call_method0("total_seconds")?));
    }
    if is(&classes.uuid)? {
        return Ok(Other::Value(value.str()?.into_any()));
    }
    if is(&classes.decimal)? {
        return decimal(value);
    }
    if let Some(model) = model(value)? {
        return Ok(model);
    }
    // Bytes are a sequence of integers, but are never meant as a list of numbers.
    let bytes = value.is_instance_of::<PyBytes>() || value.is_instance_of::<PyByteArray>();
    if bytes || is(&classes.memory)? {
        return Ok(Other::Unknown(describe(value)));
    }
    // numpy's arrays and numbers, and similar types such as torch's tensors and pandas' series. The class
    // decides: an instance can have an unrelated attribute `item`, or create attributes on access.
    let kind = value.get_type();
    for method in ["tolist", "item"] {
        if kind.hasattr(method)? {
            return array(value, method);
        }
    }
    if is(&classes.mapping)? {
        return Ok(Other::Value(py.get_type::<PyDict>().call1((value,))?));
    }
    if is(&classes.set)? {
        return sorted(value);
    }
    if is(&classes.path)? {
        return Ok(Other::Value(py.import("os")?.call_method1("fspath", (value,))?));
    }
    if is(&classes.sequence)? {
        return Ok(Other::Value(py.get_type::<PyList>().call1((value,))?));
    }
    Ok(Other::Unknown(describe(value)))
}

/// Returns a decimal in its own spelling, which is valid JSON, unless JSON cannot represent it.
fn decimal<'py>(value: &Bound<'py, PyAny>) -> PyResult<Other<'py>> {
    if value.call_method0("is_finite")?.is_truthy()? {
        let text = value.str()?;
        let text = text.to_cow()?;
        // Python writes 1E+3 as JSON does, and never a point without a digit before it.
        return Ok(Other::Number(text.into_owned()));
    }
    if value.call_method0("is_nan")?.is_truthy()? {
        return Ok(Other::NotFinite(NotFiniteNumber::NaN));
    }
    let number = not_finite(value.call_method0("__float__")?.cast::<PyFloat>()?.value());
    Ok(Other::NotFinite(number.unwrap_or(NotFiniteNumber::NaN)))
}

/// Converts pydantic models, dataclasses, attrs classes, and other classes with `to_dict()`.
fn model<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Other<'py>>> {
    let py = value.py();
    if value.is_instance_of::<PyType>() {
        return Ok(None);
    }
    let kind = value.get_type();
    if kind.hasattr("model_dump")? {
        let how = PyDict::new(py);
        how.set_item("mode", "json")?;
        return Ok(Some(Other::Value(value.call_method("model_dump", (), Some(&how))?)));
    }
    if kind.hasattr("to_dict")? {
        return Ok(Some(Other::Value(value.call_method0("to_dict")?)));
    }
    if kind.hasattr("__dataclass_fields__")? {
        let fields = py.import("dataclasses")?.call_method1("fields", (value,))?;
        return fields_of(value, &fields).map(Some);
    }
    if kind.hasattr("__attrs_attrs__")? {
        return fields_of(value, &kind.getattr("__attrs_attrs__")?).map(Some);
    }
    // The models of pydantic 1.
    if kind.hasattr("__fields__")? && kind.hasattr("dict")? {
        return Ok(Some(Other::Value(value.call_method0("dict")?)));
    }
    Ok(None)
}

fn fields_of<'py>(value: &Bound<'py, PyAny>, fields: &Bound<'py, PyAny>) -> PyResult<Other<'py>> {
    let mut members = Vec::new();
    for field in fields.try_iter()? {
        let name = field?.getattr("name")?.cast_into::<PyString>()?;
        let member = value.getattr(&name)?.unbind();
        members.push((name.to_cow()?.into_owned(), member));
    }
    Ok(Other::Fields(members))
}

fn array<'py>(value: &Bound<'py, PyAny>, method: &str) -> PyResult<Other<'py>> {
    /// The units of numpy's times that are too fine for Python's types; such times would become numbers.
    const FINE_UNITS: [&str; 4] = ["ns]", "ps]", "fs]", "as]"];
    let dtype = match value.getattr_opt("dtype")? {
        Some(dtype) => match dtype.getattr_opt("str")? {
            Some(name) => name.str()?.to_string_lossy().into_owned(),
            None => String::new(),
        },
        None => String::new(),
    };
    let mut value = value.clone();
    if FINE_UNITS.iter().any(|unit| dtype.ends_with(unit)) {
        let time = if dtype.contains('M') { "datetime64[us]" } else { "timedelta64[us]" };
        value = value.call_method1("astype", (time,))?;
    }
    let made = value.call_method0(method)?;
    // A complex number of a type that Python does not have.
    if dtype.contains('c') && made.get_type().is(value.get_type()) {
        return Ok(Other::Unknown(describe(&value)));
    }
    // `item` of a number type that Python does not have returns the same type.
    if made.get_type().is(value.get_type()) {
        let float = value.call_method0("__float__")?.cast_into::<PyFloat>()?;
        return Ok(Other::Value(float.into_any()));
    }
    Ok(Other::Value(made))
}

/// Converts a set to a sorted list, so that the same set is always the same document. The order of a set of
/// strings is different in each process.
fn sorted<'py>(set: &Bound<'py, PyAny>) -> PyResult<Other<'py>> {
    let py = set.py();
    let mut items = Vec::new();
    // Sets have only a partial order.
    let mut ordered = true;
    for item in set.try_iter()? {
        let item = item?;
        ordered &= !item.is_instance(classes(py)?.set.bind(py))?;
        items.push(item);
    }
    if ordered {
        match py.import("builtins")?.call_method1("sorted", (set,)) {
            Ok(list) => return Ok(Other::Value(list)),
            Err(error) if error.is_instance_of::<PyTypeError>(py) => {}
            Err(error) => return Err(error),
        }
    }
    let mut named = Vec::with_capacity(items.len());
    for item in items {
        named.push((sorting_name(&item, 0)?, item));
    }
    named.sort_by(|(one, _), (other, _)| one.cmp(other));
    let list = PyList::new(py, named.into_iter().map(|(_, item)| item))?;
    Ok(Other::Value(list.into_any()))
}

/// Returns the sort key of a value that has no order: its `repr`, with the items of a set sorted.
fn sorting_name(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<String> {
    /// The deepest nesting of sets that is sorted.
    const MAX_DEPTH: usize = 16;
    let py = value.py();
    if depth >= MAX_DEPTH || !value.is_instance(classes(py)?.set.bind(py))? {
        return Ok(value.repr()?.to_string_lossy().into_owned());
    }
    let mut names = Vec::new();
    for part in value.try_iter()? {
        names.push(sorting_name(&part?, depth + 1)?);
    }
    names.sort();
    Ok(format!("{{{}}}", names.join(",")))
}

/// Describes a value by its type, never by its content.
fn describe(value: &Bound<'_, PyAny>) -> String {
    let name = value.get_type().fully_qualified_name();
    name.map_or_else(|_| "an object".to_owned(), |name| format!("a value of type {name}"))
}
