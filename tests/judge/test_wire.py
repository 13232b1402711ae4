import math
import struct
from collections import Counter, OrderedDict
from contextlib import suppress
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from evolve.judge import wire

finite = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers() | st.integers(-(2**63) - 1, 2**63) | st.integers(-(2**4000), 2**4000)
leaves = st.none() | st.booleans() | integers | finite | st.text(st.characters(exclude_categories=["Cs"])) | st.binary()
keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
values = st.recursive(
    leaves | st.lists(finite) | st.lists(integers) | st.lists(finite).map(tuple),
    lambda inner: (
        st.lists(inner, max_size=5) | st.lists(inner, max_size=5).map(tuple) | st.dictionaries(keys, inner, max_size=5)
    ),
    max_leaves=30,
)
numbers = (
    npst.boolean_dtypes()
    | npst.integer_dtypes()
    | npst.unsigned_integer_dtypes()
    | npst.floating_dtypes(sizes=(16, 32, 64))
)
arrays = npst.arrays(numbers | npst.complex_number_dtypes(sizes=(64, 128)), npst.array_shapes(min_dims=0, min_side=0))


def same(a: Any, b: Any) -> bool:
    """Equal, and of the same types all the way down."""
    assert type(a) is type(b)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return a == b and (a != 0 or not isinstance(a, float) or math.copysign(1, a) == math.copysign(1, b))


@given(values)
def test_plain_values_come_back_with_their_types(value: object) -> None:
    assert same(wire.decode(wire.encode(value)), value)


@given(arrays)
def test_arrays_come_back(array: npt.NDArray[np.generic]) -> None:
    back = wire.decode(wire.encode([array], nonfinite=True), nonfinite=True)[0]
    assert (type(back), back.dtype, back.shape) == (np.ndarray, array.dtype.newbyteorder("="), array.shape)
    assert back.tobytes() == array.astype(back.dtype).tobytes()
    assert back.flags.writeable


@pytest.mark.parametrize(
    "array",
    [np.arange(6).reshape(2, 3).T, np.arange(10)[::3], np.zeros((3, 0)), np.float32(1) * np.ones(3), np.array(True)],
)
def test_arrays_of_any_memory_layout(array: npt.NDArray[np.generic]) -> None:
    back = wire.decode(wire.encode(array))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_arbitrary_bytes_raise_nothing_but_wire_errors(data: bytes) -> None:
    with suppress(wire.WireError):
        wire.decode(data)


@given(values | arrays, st.data())
@settings(max_examples=300)
def test_damaged_messages_raise_nothing_but_wire_errors(value: object, data: st.DataObject) -> None:
    message = bytearray(wire.encode({"id": b"1", "value": value}, nonfinite=True))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(message) - 1))
        message[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=9))
        if not message:
            break
    with suppress(wire.WireError):
        wire.decode(bytes(message))


def array_message(dtype: bytes, shape: tuple[int, ...], data: bytes, tag: bytes = b"a") -> bytes:
    size = struct.Struct("<Q").pack
    return tag + size(len(dtype)) + dtype + bytes([len(shape)]) + b"".join(map(size, shape)) + size(len(data)) + data


@pytest.mark.parametrize(
    "message",
    [
        array_message(b"|O8", (1,), bytes(8)),
        array_message(b"<f8", (2,), bytes(8)),
        array_message(b"<f8", (1 << 63, 2), b""),
        array_message(b"<f8", (0, 1 << 62, 1 << 62), b""),
        array_message(b"<f8", (1,) * 33, bytes(8)),
        array_message(b"|b1", (1,), b"\2"),
        array_message(b"bool", (1,), b"\2", b"x"),
        array_message(b"object", (1,), bytes(8), b"x"),
        b"",
        b"N",
        b"00",
        b"s" + struct.pack("<Q", 1) + b"\xff",
        b"s" + struct.pack("<Q", 1 << 63) + b"a",
        b"l?" + struct.pack("<Q", 0),
        b"lv" + struct.pack("<Q", 1 << 62),
        b"lf" + struct.pack("<Q", 1 << 61),
        b"lf" + struct.pack("<Qd", 1, math.inf),
        b"f" + struct.pack("<d", math.nan),
        b"d" + struct.pack("<Q", 2) + 2 * (struct.pack("<Q", 1) + b"k0"),
        b"I" + struct.pack("<Q", wire.INTEGER + 1) + bytes(wire.INTEGER + 1),
        (b"lv" + struct.pack("<Q", 1)) * 100 + b"0",
        b"h" + struct.pack("<Q", 1) + b"x",
    ],
)
def test_hostile_messages_are_refused(message: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode(message)


def test_what_would_grow_beyond_its_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "ITEMS", 10_000)
    empty = b"lv" + struct.pack("<Q", 0)
    count = 10_001
    with pytest.raises(wire.WireError, match="more than"):
        wire.decode(b"lv" + struct.pack("<Q", count) + empty)
    with pytest.raises(wire.WireError, match="more than"):
        wire.encode([None] * count)


class Pair(NamedTuple):
    a: int
    b: float


class Colour(IntEnum):
    RED = 3


class Liar(int):
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __int__(self) -> int:
        return 99


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (Pair(1, 2.5), (1, 2.5)),
        (Colour.RED, 3),
        (Liar(7), 7),
        (OrderedDict(a=1), {"a": 1}),
        (Counter("aab"), {"a": 2, "b": 1}),
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (np.int8(-3), -3),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (bytearray(b"ab"), b"ab"),
        ([np.float64(1.5), 2], [1.5, 2]),
    ],
)
def test_subclasses_arrive_as_what_they_extend(value: object, arrives: object) -> None:
    assert same(wire.decode(wire.encode(value)), arrives)


def test_a_complex_scalar_is_an_array_without_dimensions() -> None:
    back = wire.decode(wire.encode(np.complex64(1 + 2j)))
    assert back.shape == ()
    assert back == 1 + 2j


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"a": [1, {2}]}, r"type set, which is not plain data, at \['a'\]\[1\]"),
        ({1: 2}, "key of type int"),
        ([1.0, math.nan], r"nan, which is not finite, at \[1\]"),
        ((math.inf,), "inf"),
        (object(), "type object"),
        (1j, "type complex"),
        ("\ud800", "surrogate"),
        (1 << 9000, "8192 bits"),
        (np.array([None]), "dtype object"),
        (np.array(["a"]), "dtype"),
        (np.array([1.0, math.nan]), "not finite"),
        (np.array([complex(0, math.inf)]), "not finite"),
        (np.longdouble(1), "longdouble|float"),
        (lambda: 1, "function"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_place(value: object, says: str) -> None:
    with pytest.raises(wire.WireError, match=says):
        wire.encode(value)


def test_circles_and_fans_end() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(wire.WireError, match="nested"):
        wire.encode(circle)
    fan: list[object] = []
    for _ in range(40):
        fan = [fan, fan]
    with pytest.raises(wire.WireError, match="larger"):
        wire.encode(fan, limit=10_000)


@pytest.mark.parametrize("value", [math.nan, [math.inf, 0.0], np.array([math.nan]), (1, -math.inf)])
def test_tasks_may_allow_what_is_not_finite(value: npt.ArrayLike) -> None:
    data = wire.encode(value, nonfinite=True)
    np.testing.assert_array_equal(wire.decode(data, nonfinite=True), value)
    with pytest.raises(wire.WireError, match="not finite"):
        wire.decode(data)


def test_limit_counts_bytes() -> None:
    size = len(wire.encode("abc"))
    assert wire.encode("abc", limit=size)
    with pytest.raises(wire.WireError, match="larger"):
        wire.encode("abc", limit=size - 1)


def test_handles_are_looked_up() -> None:
    data = wire.encode({"x": wire.Shared("big")})
    assert wire.decode(data, shared={"big": [1]}) == {"x": [1]}


def test_tensors_come_back() -> None:
    torch = pytest.importorskip("torch")
    for name in wire._TENSORS:
        tensor = torch.arange(6).reshape(2, 3).t().to(getattr(torch, name))
        back = wire.decode(wire.encode({"w": tensor}))["w"]
        assert (back.dtype, back.shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(back, tensor)
        empty = torch.empty((0, 3), dtype=getattr(torch, name))
        assert wire.decode(wire.encode(empty)).shape == (0, 3)
    parameter = torch.nn.Parameter(torch.ones(2))
    assert torch.equal(wire.decode(wire.encode(parameter)), torch.ones(2))
    assert wire.decode(wire.encode(torch.tensor(2.5))).shape == ()
    for bad in (torch.tensor([math.nan]), torch.ones(2).to_sparse()):
        with pytest.raises(wire.WireError):
            wire.encode(bad)
    with pytest.raises(wire.WireError, match="finite"):
        wire.decode(wire.encode(torch.tensor([math.inf]), nonfinite=True))
