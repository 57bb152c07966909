"""The supported types of documents: Python objects become JSON, and text is stored unchanged."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import gc
import importlib
import json
import logging
import math
import os
import random
import subprocess
import sys
import textwrap
import types
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc_recorder import SyncArcAPI, ValidationError, create_sync_arc_api
from arc_recorder._native import Text

NAN, INFINITY = math.nan, math.inf
REQUIRED = os.environ.get("ARC_TEST_REQUIRE_TOOLS") == "1"


def needed(name: str) -> Any:
    """Imports a package that only these tests use."""
    try:
        return importlib.import_module(name)
    except ImportError:
        if REQUIRED:
            raise
        return pytest.skip(f"SKIPPED: {name} is not installed")


def written(value: Any) -> str:
    """Returns the JSON text of a value."""
    text = Text(value, "the metadata").proceed(60_000)
    assert text is not None
    return text


def read(value: Any) -> Any:
    """Returns a value after a round trip through JSON."""
    return json.loads(written(value))


def in_small_steps(value: Any) -> str:
    """Returns the JSON text of a value, written a few parts at a time."""
    text = Text(value, "the metadata")
    while (done := text.proceed(0)) is None:
        pass
    return done


def path_of_fault(value: Any) -> str:
    """Returns the path of the only violation, a value that cannot be converted to JSON."""
    with pytest.raises(ValidationError) as raised:
        written(value)
    [violation] = raised.value.violations
    assert violation["code"] == "not_json"
    assert violation["message"] in str(raised.value)
    return violation["path"]


def message_of_fault(value: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        written(value)
    return raised.value.violations[0]["message"]


# JSON's own types.

letters = st.characters() | st.sampled_from("\ud800\udbff\udc00\udfff\x00\x1f\"\\/\u2028\U0001f600")
texts = st.text(letters, max_size=8)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
names = texts | st.integers() | st.booleans() | st.none()
values = st.recursive(
    scalars,
    lambda parts: st.lists(parts, max_size=4)
    | st.lists(parts, max_size=4).map(tuple)
    | st.dictionaries(names, parts, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(values)
def test_json_is_the_same_as_that_of_json_dumps(value: Any) -> None:
    # Compared as text, which distinguishes 1 from 1.0 and 0.0 from -0.0.
    assert json.dumps(read(value)) == json.dumps(json.loads(json.dumps(value)))


@settings(max_examples=50, deadline=None)
@given(values)
def test_pauses_change_nothing(value: Any) -> None:
    many = [value] * 50
    assert in_small_steps(many) == written(many)


def test_writing_pauses() -> None:
    text = Text(list(range(1_000)), "the metadata")
    assert text.proceed(0) is None
    assert text.proceed(0) is None


@pytest.mark.parametrize(
    "value",
    [0.1, 1e16, 1e22, 1e-7, 5e-324, 1.7976931348623157e308, -0.0, 2.0**53, 123456789012345680.0],
)
def test_floats_come_back_as_they_were(value: float) -> None:
    assert repr(read(value)) == repr(value)


@pytest.mark.parametrize("value", [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**40, -(10**4_000)])
def test_great_integers_keep_each_digit(value: int) -> None:
    assert written(value) == str(value)


def test_half_a_surrogate_pair_is_escaped() -> None:
    assert written("a\ud800b\udfff") == r'"a\ud800b\udfff"'
    assert written({"\ud800": 1}) == r'{"\ud800":1}'


def test_two_halves_of_a_pair_are_one_letter() -> None:
    assert written("\ud83d\ude00\ud83d") == '"\U0001f600\\ud83d"'


def test_nul_is_escaped() -> None:
    assert written("a\0b") == r'"a\u0000b"'


def test_letters_are_not_escaped() -> None:
    assert written("é\u2028\U0001f600") == '"é\u2028\U0001f600"'


def test_order_of_members_is_kept() -> None:
    assert written({"b": 1, "a": {"z": 1, "y": 2}}) == '{"b":1,"a":{"z":1,"y":2}}'


def test_order_of_an_ordered_dict_is_kept() -> None:
    ordered = collections.OrderedDict(a=1, b=2)
    ordered.move_to_end("a")
    assert written(ordered) == '{"b":2,"a":1}'


def test_a_dict_with_its_own_items_is_asked_for_them() -> None:
    class Lazy(dict):  # type: ignore[type-arg]
        def items(self) -> Any:
            return [("loaded", True)]

    assert json.loads(json.dumps(Lazy(a=1))) == {"loaded": True}
    assert read(Lazy(a=1)) == {"loaded": True}


@pytest.mark.parametrize("empty", [{}, [], (), "", set(), [[], {}], {"a": {}}])
def test_empty_values(empty: Any) -> None:
    assert read(empty) == json.loads(json.dumps(empty if empty != set() else []))


# Names of members.


@pytest.mark.parametrize(
    "key", ["a", "", "a\"b", 1, -(10**30), True, False, None, 1.5, -0.0, 1e16, 1e-7, INFINITY, NAN]
)
def test_names_are_the_same_as_those_of_json_dumps(key: Any) -> None:
    assert read({key: 0}) == json.loads(json.dumps({key: 0}))


def test_other_names_that_can_be_text() -> None:
    class Colour(enum.Enum):
        RED = "red"

    class Level(enum.IntEnum):
        HIGH = 3

    day = dt.date(2025, 3, 1)
    one = uuid.UUID(int=1)
    named = {Colour.RED: 1, Level.HIGH: 2, day: 3, one: 4, PurePosixPath("a/b"): 5}
    assert read(named) == {"red": 1, "3": 2, "2025-03-01": 3, str(one): 4, "a/b": 5}


@pytest.mark.parametrize("key", [b"x", (1, 2), frozenset({1}), object(), int])
def test_names_that_cannot_be_text_are_refused(key: Any) -> None:
    assert path_of_fault([{"a": {key: 1}}]).startswith("/0/a/")
    assert type(key).__name__ in message_of_fault({key: 1})


def test_names_whose_conversion_does_not_end_are_refused() -> None:
    """Runs in a separate process with little memory, because this once crashed the process."""
    program = """
        import resource

        from arc_recorder import ValidationError
        from arc_recorder._native import Text

        resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

        class Itself:
            def to_dict(self):
                return self

        class Another:
            def to_dict(self):
                return Another()

        for key in (Itself(), Another()):
            try:
                Text({key: 1}, "the metadata").proceed(1_000)
            except ValidationError as error:
                print(error.violations[0]["code"])
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, ["not_json", "not_json"]), done.stderr[-500:]


# Classes that are derived from JSON's own types.


def test_derived_classes_count_as_what_they_are() -> None:
    class MyText(str):
        def __repr__(self) -> str:
            return "no"

        __str__ = __repr__

    class MyInt(int):
        def __repr__(self) -> str:
            return "no"

        __str__ = __repr__

    class MyFloat(float):
        def __repr__(self) -> str:
            return "no"

    class MyDict(dict):  # type: ignore[type-arg]
        pass

    class MyList(list):  # type: ignore[type-arg]
        pass

    class Point(NamedTuple):
        x: int
        y: int

    assert written(MyText("a")) == '"a"'
    assert written([MyInt(1), MyInt(10**30)]) == f"[1,{10**30}]"
    assert written(MyFloat(1.5)) == "1.5"
    assert written(MyDict(a=MyList([1]))) == '{"a":[1]}'
    assert written(collections.defaultdict(int, a=1)) == '{"a":1}'
    assert written(collections.Counter("aab")) == '{"a":2,"b":1}'
    assert written(Point(1, 2)) == "[1,2]"
    assert written({MyText("a"): 1, MyInt(2): 3}) == '{"a":1,"2":3}'


def test_enums_are_their_values() -> None:
    class Colour(enum.Enum):
        RED = "red"
        SIZE = (1, 2)
        NOTHING = None

    class Word(str, enum.Enum):
        A = "a"

        def __str__(self) -> str:
            return "no"

    class Level(enum.IntEnum):
        HIGH = 3

    class Access(enum.IntFlag):
        READ = 4
        WRITE = 2

    assert written(list(Colour)) == '["red",[1,2],null]'
    assert written([Word.A, Level.HIGH, Access.READ | Access.WRITE]) == '["a",3,6]'
    if sys.version_info >= (3, 11):

        class Name(enum.StrEnum):
            B = "b"

        assert written({Name.B: Name.B}) == '{"b":"b"}'


# Other types of Python's standard library.


def test_sets_are_sorted() -> None:
    texts = [f"text {number}" for number in range(50)]
    random.shuffle(texts)
    assert read(set(texts)) == sorted(texts)
    assert read(frozenset([3, 1, 2])) == [1, 2, 3]
    mixed = ["a", 1, None, ("b", 2)]
    assert read(set(mixed)) == read(set(reversed(mixed)))


def test_sets_of_sets_are_sorted() -> None:
    """A set of strings has a different order in each process, but its document must not."""
    program = """
        from arc_recorder._native import Text

        sets = {frozenset(letters) for letters in ("ab", "cd", "ef", "gh", "ij")}
        print(Text(sets, "the metadata").proceed(1_000))
    """
    texts = {
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


@pytest.mark.parametrize(
    "spelling",
    ["1.10", "1E+3", "-0", "0E-10", "-1E-7", "123456789012345678901234567890.5", "1E+400", "0.000001"],
)
def test_decimals_keep_their_spelling(spelling: str) -> None:
    text = written(decimal.Decimal(spelling))
    assert text == spelling
    assert json.loads(text, parse_float=decimal.Decimal) == decimal.Decimal(spelling)


def test_decimals_that_are_not_finite_are_null() -> None:
    for word in ("NaN", "sNaN", "Infinity", "-Infinity"):
        assert written(decimal.Decimal(word)) == "null"


def test_times() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    assert read(dt.datetime(2025, 3, 1, 12, 30)) == "2025-03-01T12:30:00"
    assert read(dt.datetime(2025, 3, 1, 12, tzinfo=dt.timezone.utc)) == "2025-03-01T12:00:00+00:00"
    assert read(dt.datetime(2025, 3, 1, 12, 0, 0, 5, zone)) == "2025-03-01T12:00:00.000005+02:00"
    assert read(dt.date(2025, 3, 1)) == "2025-03-01"
    assert read(dt.time(12, 30, 1)) == "12:30:01"
    assert read(dt.timedelta(minutes=1, milliseconds=500)) == 60.5


def test_ids_and_paths() -> None:
    one = uuid.uuid4()
    assert read([one, PurePosixPath("a/b"), Path("c")]) == [str(one), "a/b", "c"]


def test_mappings_and_sequences() -> None:
    proxy = types.MappingProxyType({"b": 1, "a": 2})
    assert written(proxy) == '{"b":1,"a":2}'
    assert written(collections.UserDict(b=1, a=2)) == '{"b":1,"a":2}'
    assert written(collections.ChainMap({"a": 1})) == '{"a":1}'
    assert written(collections.deque([1, 2], maxlen=2)) == "[1,2]"
    assert written(collections.UserList([1])) == "[1]"
    assert written(range(3)) == "[0,1,2]"


@pytest.mark.parametrize(
    "value",
    [b"abc", bytearray(b"abc"), memoryview(b"abc"), type("MyBytes", (bytes,), {})(b"abc")],
    ids=["bytes", "bytearray", "memoryview", "derived"],
)
def test_bytes_inside_are_refused(value: Any) -> None:
    assert path_of_fault({"a": [1, {"b": value}]}) == "/a/1/b"


@pytest.mark.parametrize(
    "value",
    [(number for number in range(3)), iter([1]), object(), object, len, 1j, lambda: 0, json, ...],
)
def test_unsupported_types_are_refused(value: Any) -> None:
    assert path_of_fault({"a/b": {"c~d": [0, value]}}) == "/a~1b/c~0d/1"


def test_a_fault_never_shows_what_is_in_the_value() -> None:
    class Secret:
        def __repr__(self) -> str:
            return "password"

        __str__ = __repr__

    message = message_of_fault({"key": Secret()})
    assert "Secret" in message
    assert "password" not in message


def test_attributes_that_are_made_when_asked_for_are_not_taken_for_methods() -> None:
    class Anything:
        def __getattr__(self, name: str) -> Any:
            return None

    class Order:
        def __init__(self) -> None:
            self.item = "tea"

    for value in (Anything(), Order()):
        assert "to_dict()" in message_of_fault(value)


@pytest.mark.parametrize(
    ("key", "name"), [(True, "true"), (None, "null"), (3, "3"), (1.5, "1.5"), ("ü", "ü")]
)
def test_a_path_has_the_names_of_the_document(key: Any, name: str) -> None:
    assert path_of_fault({key: object()}) == f"/{name}"


# Nesting.


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def test_deep_nesting_is_written() -> None:
    text = written(nested(1_000))
    assert text.count("[") + text.count("{") == 1_000
    assert text == in_small_steps(nested(1_000))


@pytest.mark.parametrize("depth", [1_001, 5_000, 50_000])
def test_deeper_nesting_is_refused(depth: int) -> None:
    path = path_of_fault(nested(depth))
    assert path.startswith("/a/0/a/0/") or path.startswith("/0/a/0/a/")
    assert len(path) < 200
    assert "1000" in message_of_fault(nested(depth))


def test_an_object_that_contains_itself_is_refused() -> None:
    loop: dict[str, Any] = {"a": []}
    loop["a"].append(loop)
    assert path_of_fault(loop).startswith("/a/0/a/0")
    assert "contain itself" in message_of_fault(loop)


def test_to_dict_that_returns_itself_is_refused() -> None:
    class Itself:
        def to_dict(self) -> Any:
            return self

    class Wrapped:
        def to_dict(self) -> Any:
            return {"a": self}

    assert path_of_fault({"b": Itself()}) == "/b"
    assert path_of_fault(Wrapped()).startswith("/a/a/a")


# Objects that change while they are written.


def test_a_dict_that_grows_meanwhile_is_refused() -> None:
    value = {str(number): number for number in range(1_000)}
    text = Text({"outer": value}, "the metadata")
    assert text.proceed(0) is None
    value["new"] = 1
    with pytest.raises(ValidationError, match="changed while it was being recorded") as raised:
        while text.proceed(0) is None:
            pass
    assert raised.value.violations[0]["path"].startswith("/outer/")


def test_a_dict_that_is_emptied_meanwhile_is_refused() -> None:
    value = {str(number): [number] for number in range(1_000)}
    text = Text(value, "the metadata")
    assert text.proceed(0) is None
    value.clear()
    gc.collect()
    with pytest.raises(ValidationError, match="changed"):
        text.proceed(60_000)


def test_a_dict_whose_members_are_exchanged_meanwhile_is_still_json() -> None:
    value: dict[str, Any] = {str(number): number for number in range(1_000)}
    text = Text(value, "the metadata")
    assert text.proceed(0) is None
    for number in range(1_000):
        del value[str(number)]
        value[f"new {number}"] = [number]
    try:
        done = text.proceed(60_000)
    except ValidationError as error:
        assert "changed" in str(error)
    else:
        assert done is not None
        json.loads(done)


@pytest.mark.parametrize("change", ["clear", "pop", "append"])
def test_a_list_that_changes_meanwhile_is_refused(change: str) -> None:
    value = list(range(1_000))
    text = Text([value, "end"], "the metadata")
    assert text.proceed(0) is None
    getattr(value, change)(*([7] if change == "append" else []))
    with pytest.raises(ValidationError, match="the list was changed") as raised:
        text.proceed(60_000)
    assert raised.value.violations[0]["path"].startswith("/0/")


def test_a_list_that_its_own_parts_change() -> None:
    value: list[Any] = []

    class Eraser:
        def to_dict(self) -> Any:
            value.clear()
            return {}

    value += [1, Eraser(), 2, 3]
    with pytest.raises(ValidationError, match="the list was changed"):
        written(value)


# Objects of other classes.


@dataclasses.dataclass
class Inner:
    when: dt.date
    notes: tuple[str, ...] = ()


@dataclasses.dataclass
class Outer:
    name: str
    inner: Inner
    _private: int = 0
    left_out: dataclasses.InitVar[int] = 0


def test_dataclasses() -> None:
    outer = Outer("n", Inner(dt.date(2025, 3, 1), ("a",)))
    assert written(outer) == '{"name":"n","inner":{"when":"2025-03-01","notes":["a"]},"_private":0}'
    assert path_of_fault([Outer(object(), Inner(dt.date(2025, 3, 1)))]) == "/0/name"  # type: ignore[arg-type]


def test_dataclasses_with_slots() -> None:
    @dataclasses.dataclass(frozen=True)
    class Slim:
        __slots__ = ("a", "b")
        a: int
        b: Any

    assert written(Slim(1, Slim(2, None))) == '{"a":1,"b":{"a":2,"b":null}}'


def test_a_dataclass_without_a_field_reports_its_path() -> None:
    outer = Outer("n", Inner(dt.date(2025, 3, 1)))
    del outer.inner.when
    assert path_of_fault([outer]) == "/0/inner"


def test_a_class_is_not_a_document() -> None:
    assert path_of_fault([Outer]) == "/0"


def test_to_dict_goes_before_fields() -> None:
    @dataclasses.dataclass
    class Told:
        a: int

        def to_dict(self) -> dict[str, Any]:
            return {"b": self.a, "when": dt.date(2025, 3, 1)}

    assert read({"told": [Told(1)]}) == {"told": [{"b": 1, "when": "2025-03-01"}]}


def test_to_dict_that_raises_reports_its_path() -> None:
    class Broken:
        def to_dict(self) -> Any:
            raise LookupError("no such run")

    assert path_of_fault({"a": [Broken()]}) == "/a/0"
    assert "no such run" in message_of_fault(Broken())


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_exceptions_that_end_the_program_pass_through(kind: type[BaseException]) -> None:
    class Stopped:
        def to_dict(self) -> Any:
            raise kind

    with pytest.raises(kind):
        written({"a": Stopped()})


def test_an_interrupted_sort_passes_through() -> None:
    class Slow(int):
        def __lt__(self, other: int) -> bool:
            raise KeyboardInterrupt

        __hash__ = int.__hash__

    with pytest.raises(KeyboardInterrupt):
        written({Slow(1), Slow(2)})


def test_models_of_pydantic() -> None:
    pydantic = needed("pydantic")

    class Usage(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        prompt_tokens: int = pydantic.Field(alias="promptTokens")

    class Run(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        at: dt.datetime
        day: dt.date
        run: uuid.UUID
        usage: Usage
        tags: set[str]
        score: float

    one = uuid.UUID(int=1)
    run = Run(
        at=dt.datetime(2025, 3, 1, tzinfo=dt.timezone.utc),
        day=dt.date(2025, 3, 1),
        run=one,
        usage=Usage(promptTokens=3),
        tags={"a"},
        score=NAN,
    )
    # As in the model's own `model_dump(mode="json")`, except that NaN is None.
    assert read([run]) == [
        {
            "at": "2025-03-01T00:00:00Z",
            "day": "2025-03-01",
            "run": str(one),
            "usage": {"prompt_tokens": 3},
            "tags": ["a"],
            "score": None,
        }
    ]


def test_other_models_of_pydantic() -> None:
    pydantic = needed("pydantic")

    class Numbers(pydantic.RootModel[list[int]]):  # type: ignore[misc,name-defined]
        pass

    @pydantic.dataclasses.dataclass
    class Point:
        x: int

    class Open(pydantic.BaseModel, extra="allow", arbitrary_types_allowed=True):  # type: ignore[misc,name-defined,call-arg]
        a: Any

    assert read([Numbers([1, 2]), Point(1), Open(a=1, b=[2])]) == [[1, 2], {"x": 1}, {"a": 1, "b": [2]}]
    assert path_of_fault({"run": Open(a=object())}) == "/run"


def test_classes_of_attrs() -> None:
    attrs = needed("attrs")

    @attrs.define
    class Step:
        tool: str
        took: dt.timedelta

    @attrs.define
    class Run:
        steps: list[Step]
        _kept: int = 1

    run = Run([Step("weather", dt.timedelta(seconds=2))])
    assert written(run) == '{"steps":[{"tool":"weather","took":2.0}],"_kept":1}'


# Numbers and arrays of numpy.


def test_numbers_of_numpy() -> None:
    numpy = needed("numpy")
    assert read([numpy.int8(-1), numpy.uint64(2**64 - 1), numpy.bool_(True)]) == [-1, 2**64 - 1, True]
    assert written(numpy.bool_(False)) == "false"
    assert read([numpy.float64(0.1), numpy.float32(0.5), numpy.float16(0.25)]) == [0.1, 0.5, 0.25]
    assert read(numpy.float16(0.1)) == float(numpy.float16(0.1))
    assert read(numpy.longdouble("1.5")) == 1.5
    assert read(numpy.str_("a")) == "a"
    assert read({numpy.int64(3): 1, numpy.float64(0.5): 2, numpy.str_("a"): 3}) == {
        "3": 1,
        "0.5": 2,
        "a": 3,
    }
    for nothing in (numpy.float64(NAN), numpy.float32(NAN), numpy.float16(INFINITY)):
        assert written(nothing) == "null"
    for value in (numpy.complex64(1), numpy.complex128(1j), numpy.clongdouble(1 + 2j), numpy.bytes_(b"a")):
        assert path_of_fault({"a": value}) == "/a"


def test_arrays_of_numpy() -> None:
    numpy = needed("numpy")
    assert written(numpy.array([[1, 2], [3, 4]])) == "[[1,2],[3,4]]"
    assert written(numpy.array(1.5)) == "1.5"
    assert written(numpy.array([])) == "[]"
    assert written(numpy.array([1.5, NAN, -INFINITY])) == "[1.5,null,null]"
    assert written(numpy.array([0.5, 1.5], dtype=numpy.longdouble)) == "[0.5,1.5]"
    assert written(numpy.array(["a", None, {"b": numpy.int8(1)}], dtype=object)) == '["a",null,{"b":1}]'
    assert path_of_fault({"a": numpy.array([1, object()], dtype=object)}) == "/a/1"


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_numpy(unit: str) -> None:
    numpy = needed("numpy")
    time = numpy.datetime64("2025-03-01T12:30:00", unit)
    assert read([time, numpy.array([time])]) == ["2025-03-01T12:30:00", ["2025-03-01T12:30:00"]]
    assert read(numpy.timedelta64(90, "s").astype(f"timedelta64[{unit}]")) == 90
    assert read(numpy.datetime64("NaT", unit)) is None


# Serialized objects are released.


def test_serialized_objects_are_released() -> None:
    class Part:
        def to_dict(self) -> Any:
            return {"a": 1}

    class Broken:
        def to_dict(self) -> Any:
            raise ValueError

    part, broken = Part(), Broken()
    value = {"a": [part] * 100, "b": {1, 2}, 3: dt.date(2025, 3, 1), "\ud800": "\ud800"}
    faulty = [value, {"c": (broken,)}]
    before = [sys.getrefcount(thing) for thing in (part, broken, value, faulty)]
    for _ in range(100):
        written(value)
        with pytest.raises(ValidationError):
            written(faulty)
        # Dropped halfway.
        Text([value] * 3, "the metadata").proceed(0)
    gc.collect()
    assert [sys.getrefcount(thing) for thing in (part, broken, value, faulty)] == before
    alive = weakref.ref(part)
    del part, value, faulty
    gc.collect()
    assert alive() is None


# Recording.


@pytest.fixture(scope="module")
def api(server: Any) -> Iterator[SyncArcAPI]:
    with create_sync_arc_api(server.database()) as api:
        yield api


@pytest.fixture
def simulation(api: SyncArcAPI) -> str:
    return api.start_simulation("documents", [{"id": f"s{n}"} for n in range(4)])["simulation_id"]


def good(scenario_id: str = "s0", **more: Any) -> dict[str, Any]:
    """Returns a result that is accepted without a warning."""
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "total_cost": 0.5}
    return {
        "scenario": {"id": scenario_id, "name": "n"},
        "trajectory": {"status": "success", "execution_time_seconds": 1.5, "token_usage": usage},
        "reliability_score": {"overall_score": 0.5, "dimension_scores": {"speed": 0.5}},
        **more,
    }


def document(api: SyncArcAPI, outcome_id: Optional[str]) -> str:
    """Returns a document as stored."""
    sql = "SELECT document_text AS d FROM outcome_documents WHERE outcome_id = :id"
    [row] = api.db.engine.execute(sql, {"id": outcome_id})
    text: str = row["d"]
    return text


def kept_bytes(api: SyncArcAPI, outcome_id: Optional[str]) -> bytes:
    """Returns the stored bytes of a rejected document."""
    sql = "SELECT encode(document, 'hex') AS d FROM rejected_results WHERE outcome_id = :id"
    [row] = api.db.engine.execute(sql, {"id": outcome_id})
    return bytes.fromhex(row["d"])


def record(api: SyncArcAPI, simulation: str, result: Any) -> Any:
    [verdict] = api.record_batch(simulation, [result])
    return verdict


def test_every_kind_of_document_is_recorded(api: SyncArcAPI, simulation: str) -> None:
    pydantic, attrs = needed("pydantic"), needed("attrs")

    class Model(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        scenario: dict[str, Any]
        trajectory: dict[str, Any]
        reliability_score: dict[str, Any]
        kind: str

    Data = dataclasses.make_dataclass("Data", list(Model.model_fields))
    Attrs = attrs.make_class("Attrs", list(Model.model_fields))

    class Told:
        def to_dict(self) -> Any:
            return good(kind="told")

    results = [
        good(kind="dict"),
        Data(**good(kind="dataclass")),
        Model(**good(kind="pydantic")),
        Attrs(**good(kind="attrs")),
        Told(),
        types.MappingProxyType(good(kind="mapping")),
        json.dumps(good(kind="text")),
        json.dumps(good(kind="bytes")).encode(),
        bytearray(json.dumps(good(kind="bytearray")).encode()),
    ]
    verdicts = api.record_batch(simulation, results)
    assert [(v["verdict"], v["warnings"]) for v in verdicts] == [("stored", [])] * len(results)
    kinds = [json.loads(document(api, v["outcome_id"]))["kind"] for v in verdicts]
    assert kinds == [
        "dict", "dataclass", "pydantic", "attrs", "told", "mapping", "text", "bytes", "bytearray"
    ]  # fmt: skip


def test_objects_are_recorded_as_they_are_written(api: SyncArcAPI, simulation: str) -> None:
    result = good(
        b=1, a="é\0\ud800", n=decimal.Decimal("1.10"), w={dt.date(2025, 3, 1)}, e=10**30
    )
    assert document(api, record(api, simulation, result)["outcome_id"]) == written(result)


@pytest.mark.parametrize("as_bytes", [False, True])
def test_text_is_kept_to_the_letter(api: SyncArcAPI, simulation: str, as_bytes: bool) -> None:
    text = '\n{ "note" : 1.10e+0,\t"note2":"\\u00e9é\\u0000\\ud800", "database_tracking": {},'
    text += json.dumps(good(), indent=1)[1:] + " \r\n"
    verdict = record(api, simulation, text.encode() if as_bytes else text)
    assert verdict["verdict"] == "stored"
    assert document(api, verdict["outcome_id"]) == text


def test_the_same_document_is_the_same_in_every_form(api: SyncArcAPI, simulation: str) -> None:
    text = written(good(x=1.0, y={"b", "a"}))
    first = record(api, simulation, text)
    for again in (text.encode(), bytearray(text.encode()), good(x=1.0, y={"a", "b"})):
        verdict = record(api, simulation, again)
        assert (verdict["verdict"], verdict["outcome_id"]) == ("duplicate", first["outcome_id"])


@pytest.mark.parametrize("number", [NAN, INFINITY, -INFINITY, decimal.Decimal("NaN")])
def test_a_number_that_json_cannot_hold_is_null(
    api: SyncArcAPI, simulation: str, number: Any
) -> None:
    verdict = record(api, simulation, good(notes=[1, {"a/b": number}]))
    assert verdict["verdict"] == "stored"
    [warning] = verdict["warnings"]
    assert (warning["path"], warning["code"]) == ("/notes/1/a~1b", "not_finite")
    assert json.loads(document(api, verdict["outcome_id"]))["notes"] == [1, {"a/b": None}]
    [outcome] = api.get_scenario_outcomes(simulation)
    assert outcome["warnings"] == [warning]


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/reliability_score", NAN),
        ("/reliability_score/overall_score", NAN),
        ("/reliability_score/dimension_scores/speed", -INFINITY),
        ("/trajectory/token_usage/total_cost", INFINITY),
        ("/trajectory/execution_time_seconds", NAN),
        ("/trajectory/execution_time_seconds", decimal.Decimal("Infinity")),
    ],
)
def test_a_score_cost_or_time_that_is_not_finite_is_absent(
    api: SyncArcAPI, simulation: str, path: str, number: Any
) -> None:
    result = good()
    *parents, name = path[1:].split("/")
    part = result
    for parent in parents:
        part = part[parent]
    part[name] = number
    verdict = record(api, simulation, result)
    assert verdict["verdict"] == "stored"
    assert (path, "not_finite") in [(w["path"], w["code"]) for w in verdict["warnings"]]
    assert api.record_scenario_outcome(simulation, result) == verdict["outcome_id"]
    assert api.get_rejected_results(simulation) == []
    # The rest of the result counts.
    [outcome] = api.get_scenario_outcomes(simulation)
    del part[name]
    [other] = api.record_batch(simulation, [result])
    assert other["verdict"] == "stored"
    for counted in api.get_scenario_outcomes(simulation):
        for member in ("status", "scores", "score", "execution_time_ms", "cost_usd", "tokens_used"):
            assert counted[member] == outcome[member], member


def test_nan_of_numpy_is_the_same(api: SyncArcAPI, simulation: str) -> None:
    numpy = needed("numpy")
    verdict = record(api, simulation, good(notes=numpy.array([1, NAN])))
    assert [w["path"] for w in verdict["warnings"]] == ["/notes/1"]
    result = good()
    result["reliability_score"]["overall_score"] = numpy.float32(NAN)
    codes = [warning["code"] for warning in record(api, simulation, result)["warnings"]]
    assert codes == ["score_missing", "not_finite"]


def test_nan_under_any_name_has_the_path_of_the_document(api: SyncArcAPI, simulation: str) -> None:
    verdict = record(api, simulation, good(notes={True: NAN, None: NAN, 2: NAN}))
    assert [w["path"] for w in verdict["warnings"]] == ["/notes/true", "/notes/null", "/notes/2"]


def test_nan_in_text_stays_in_the_document(api: SyncArcAPI, simulation: str) -> None:
    text = json.dumps(good(notes=[NAN]))
    verdict = record(api, simulation, text)
    assert verdict["verdict"] == "stored"
    assert [(w["path"], w["code"]) for w in verdict["warnings"]] == [("/notes/0", "not_finite")]
    assert document(api, verdict["outcome_id"]) == text


def test_bytes_that_are_not_text_are_stored(api: SyncArcAPI, simulation: str) -> None:
    broken = json.dumps(good()).encode() + b'"\xff\xfe"'
    for result in (broken, bytearray(broken)):
        verdict = record(api, simulation, result)
        assert verdict["verdict"] == "rejected"
        assert [v["code"] for v in verdict["violations"]] == ["invalid_utf8"]
        assert kept_bytes(api, verdict["outcome_id"]) == broken
    half = record(api, simulation, '{"a":"\ud800"}')
    assert [v["code"] for v in half["violations"]] == ["invalid_utf8"]
    assert kept_bytes(api, half["outcome_id"]) == b'{"a":"\xed\xa0\x80"}'


@pytest.mark.parametrize("as_text", [False, True])
def test_a_document_of_more_than_16_mib_is_rejected(
    api: SyncArcAPI, simulation: str, as_text: bool
) -> None:
    result = good(padding="")
    result["padding"] = "x" * ((16 << 20) - len(written(result)))
    longer = {**result, "padding": result["padding"] + "x"}
    results = [written(each) for each in (result, longer)] if as_text else [result, longer]
    fits, too_long = api.record_batch(simulation, [*results])
    assert fits["verdict"] == "stored"
    assert too_long["verdict"] == "rejected"
    assert [v["code"] for v in too_long["violations"]] == ["document_too_large"]
    [rejected] = api.get_rejected_results(simulation)
    assert rejected["document_bytes"] == (16 << 20) + 1


def test_database_tracking_is_left_out_at_the_top(api: SyncArcAPI, simulation: str) -> None:
    first = record(api, simulation, good(note=1))
    tracked = {"database_tracking": {"outcome_id": first["outcome_id"]}}
    last = {**good(note=1), **tracked}
    leading = {**tracked, **good(note=1)}
    between = {name: value for name, value in last.items() if name != "note"}
    between["note"] = 1
    for result in (last, leading, between):
        verdict = record(api, simulation, result)
        assert (verdict["verdict"], verdict["outcome_id"]) == ("duplicate", first["outcome_id"])


def test_database_tracking_that_cannot_be_json_does_not_matter(
    api: SyncArcAPI, simulation: str
) -> None:
    result = good(note=2, database_tracking=object())
    assert record(api, simulation, result)["verdict"] == "stored"


def test_database_tracking_elsewhere_is_kept(api: SyncArcAPI, simulation: str) -> None:
    result = good(steps=[{"database_tracking": 1}], more={"database_tracking": 2})
    assert json.loads(document(api, record(api, simulation, result)["outcome_id"])) == result
    only = record(api, simulation, {"database_tracking": 1})
    assert kept_bytes(api, only["outcome_id"]) == b"{}"


def bad_neighbours() -> list[Any]:
    class Broken:
        def to_dict(self) -> Any:
            raise ValueError("broken")

    loop: list[Any] = []
    loop.append(loop)
    return [
        good(x=object()),
        good(x=b"bytes"),
        {b"name": 1},
        Broken(),
        loop,
        (number for number in range(3)),
        None,
        5,
        [],
        {},
        "",
        "{",
        b"\xff",
        "\ud800",
        "null",
        '{"a":NaN}',
        {**good(), "trajectory": {"status": "unheard of"}},
        nested(300),
    ]


def test_invalid_results_do_not_affect_others(api: SyncArcAPI, simulation: str) -> None:
    results: list[Any] = []
    for number, bad in enumerate(bad_neighbours()):
        results += [good(f"s{number % 4}", number=number), bad]
    results.append(good(number=len(results)))
    call_ids = [f"call {number}" for number in range(len(results))]
    verdicts = api.record_batch(simulation, results, call_ids)
    assert [v["verdict"] for v in verdicts] == ["stored", "rejected"] * (len(results) // 2) + ["stored"]
    for position in range(0, len(results), 2):
        text = document(api, verdicts[position]["outcome_id"])
        assert json.loads(text) == results[position]
    found = api.get_scenario_outcomes(simulation)
    ids = {outcome["outcome_id"]: outcome["modal_call_id"] for outcome in found}
    assert ids == {v["outcome_id"]: call_ids[n] for n, v in enumerate(verdicts) if n % 2 == 0}
    assert all(verdict["violations"] for verdict in verdicts[1::2])
    again = api.record_batch_outcomes(simulation, results[::2])
    assert again == [verdict["outcome_id"] for verdict in verdicts[::2]]


def test_invalid_results_in_each_part_of_a_large_batch(api: SyncArcAPI, simulation: str) -> None:
    results = [good(number=number) for number in range(1_100)]
    bad = (0, 499, 500, 998, 1_099)
    for position in bad:
        results[position] = good(x=object())
    verdicts = api.record_batch(simulation, results)
    rejected = [n for n, verdict in enumerate(verdicts) if verdict["verdict"] == "rejected"]
    assert tuple(rejected) == bad
    assert json.loads(document(api, verdicts[501]["outcome_id"])) == good(number=501)


@pytest.mark.parametrize(
    "call_id", [5, uuid.UUID(int=7), "\ud800", "nul\0", b"call"], ids=lambda value: repr(value)[:8]
)
def test_an_invalid_call_id_does_not_affect_other_results(api: SyncArcAPI, simulation: str, call_id: Any) -> None:
    results = [good(number=number) for number in range(3)]
    first, _, last = api.record_batch(simulation, results, ["call 0", call_id, "call 2"])
    assert (first["verdict"], last["verdict"]) == ("stored", "stored")


@pytest.mark.parametrize("call_id", ["call \0", "call \ud800", "call \udc00"])
def test_a_call_id_that_cannot_be_stored_has_a_warning(
    api: SyncArcAPI, simulation: str, call_id: str
) -> None:
    results = [good(number=number) for number in range(2)]
    whole, replaced = api.record_batch(simulation, results, ["call \U0001f600", call_id])
    assert (whole["verdict"], whole["warnings"]) == ("stored", [])
    [warning] = replaced["warnings"]
    assert (warning["path"], warning["code"]) == ("/recording/modal_call_id", "id_replaced")
    sql = "SELECT modal_call_id FROM outcomes WHERE outcome_id = :id"
    for verdict, stored in ((whole, "call \U0001f600"), (replaced, "call \ufffd")):
        [row] = api.db.engine.execute(sql, {"id": verdict["outcome_id"]})
        assert row["modal_call_id"] == stored


def test_a_result_that_is_shortened_meanwhile_is_rejected(api: SyncArcAPI, simulation: str) -> None:
    events: list[Any] = []

    class Event:
        def to_dict(self) -> Any:
            events.pop()
            return {"event": "tool"}

    events += [Event(), {"event": "answer"}]
    result = {**good(number=1), "events": events}
    [verdict] = api.record_batch(simulation, [result])
    assert verdict["verdict"] == "rejected"
    assert verdict["violations"][0]["path"].startswith("/events")


def test_true_is_not_a_number(api: SyncArcAPI) -> None:
    with pytest.raises(ValidationError, match="invalid trials: True"):
        api.start_simulation("c", [{"id": "a"}], trials=True)


@pytest.mark.parametrize("trial", [0, -1, 2**31, 2**40, "first", 1.5, True])
def test_an_invalid_trial_does_not_affect_other_results(api: SyncArcAPI, simulation: str, trial: Any) -> None:
    results = [good(number=number) for number in range(3)]
    first, bad, last = api.record_batch(simulation, results, trials=[1, trial, None])
    assert (first["verdict"], bad["verdict"], last["verdict"]) == ("stored", "rejected", "stored")


def test_rejected_results_of_a_batch_have_no_id_and_a_warning(
    api: SyncArcAPI, simulation: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "arc.database")
    ids = api.record_batch_outcomes(simulation, [good(), good(x=object()), good("s1")])
    assert [outcome_id is None for outcome_id in ids] == [False, True, False]
    assert "result 1 was rejected: /x: " in caplog.text


@pytest.mark.parametrize("shape", [list, tuple, iter, lambda values: (v for v in values), dict.values])
def test_results_come_in_any_series(api: SyncArcAPI, simulation: str, shape: Any) -> None:
    results: Any = [good("s0"), good("s1")]
    series = dict(enumerate(results)).values() if shape is dict.values else shape(results)
    verdicts = api.record_batch(simulation, series, iter(["a", None]))
    assert [verdict["verdict"] for verdict in verdicts] == ["stored", "stored"]
    found = [outcome["modal_call_id"] for outcome in api.get_scenario_outcomes(simulation)]
    assert found == ["a", None]


def test_an_empty_batch(api: SyncArcAPI, simulation: str) -> None:
    assert api.record_batch(simulation, []) == []
    assert api.record_batch_outcomes(simulation, iter(())) == []


def test_a_generator_that_raises_records_nothing(api: SyncArcAPI, simulation: str) -> None:
    def results() -> Iterator[Any]:
        yield good()
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        api.record_batch(simulation, results())
    assert api.get_scenario_outcomes(simulation) == []


@pytest.mark.parametrize("count", [0, 1, 3])
def test_call_ids_that_do_not_match_are_refused(
    api: SyncArcAPI, simulation: str, count: int
) -> None:
    results = [good("s0"), good("s1")]
    message = f"has {count} elements for 2 results"
    for calls in (
        lambda: api.record_batch_outcomes(simulation, results, ["a"] * count),
        lambda: api.record_batch(simulation, results, ["a"] * count),
        lambda: api.record_batch(simulation, results, sandbox_ids=["a"] * count),
        lambda: api.record_batch(simulation, results, trials=[1] * count),
    ):
        with pytest.raises(ValidationError, match=message):
            calls()
    with pytest.raises(ValidationError, match="modal_call_ids is a single str"):
        api.record_batch(simulation, results, "ab")
    assert api.get_scenario_outcomes(simulation) == []


class Single:
    """A result that is an object."""

    def to_dict(self) -> Any:
        return good()


@pytest.mark.parametrize(
    "single",
    [good(), "{}", b"{}", bytearray(b"{}"), memoryview(b"{}"), None, 5, Single(), types.MappingProxyType({})],
    ids=lambda value: type(value).__name__,
)
def test_a_single_result_is_not_a_list(api: SyncArcAPI, simulation: str, single: Any) -> None:
    for call in (api.record_batch, api.record_batch_outcomes):
        with pytest.raises(ValidationError, match="scenario_results is a single .*expected a list"):
            call(simulation, single)  # type: ignore[operator]
    with pytest.raises(ValidationError, match="scenarios is a single"):
        api.start_simulation("documents", single)
    assert api.get_rejected_results(simulation) == []


def test_a_single_model_is_not_a_list(api: SyncArcAPI, simulation: str) -> None:
    pydantic = needed("pydantic")

    class Model(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        scenario: str = "s"

    # Iterating over it yields its fields.
    with pytest.raises(ValidationError, match="single"):
        api.record_batch(simulation, Model())
    assert api.get_rejected_results(simulation) == []


def test_scenarios_and_metadata_are_objects_too(api: SyncArcAPI) -> None:
    @dataclasses.dataclass
    class Scenario:
        id: str
        made: dt.date

    started = api.start_simulation(
        "documents",
        (Scenario(f"s{number}", dt.date(2025, 3, 1)) for number in range(3)),
        metadata={"seeds": {3, 1}, "limit": INFINITY, "at": dt.date(2025, 3, 1)},
    )
    assert started["scenario_count"] == 3
    status = api.get_simulation_status(started["simulation_id"])
    assert status["metadata"] == {"seeds": [1, 3], "limit": None, "at": "2025-03-01"}


def test_faults_of_other_arguments_name_them(api: SyncArcAPI, simulation: str) -> None:
    with pytest.raises(ValidationError, match="the list of scenarios .*/1/x"):
        api.start_simulation("documents", [{"id": "a"}, {"id": "b", "x": object()}])
    with pytest.raises(ValidationError, match="the metadata .*/x"):
        api.start_simulation("documents", [{"id": "a"}], metadata={"x": object()})
    with pytest.raises(ValidationError, match="the suite's summary .*/x"):
        api.complete_simulation(simulation, {"x": object()})
    with pytest.raises(ValidationError, match="the configuration .*/x"):
        api.create_configuration("c", {"x": object()})
