"""Plain data to bytes and back: all that ever crosses between a judge and a candidate.

What crosses: None, bool, int, finite float, str, bytes, list, tuple, dict with str keys, NumPy arrays and Torch tensors
of booleans and numbers. Subclasses arrive as the plain type beneath them (a namedtuple as a tuple, ``numpy.float64`` as a
float). Nothing else has an encoding, so nothing that arrives can carry behaviour: the decoder builds exact built-in
types, from known tags, within caps on depth, count and size.

A value is one tag byte and its body; all numbers are little-endian, a *size* is an unsigned 64-bit integer.

    0 1 2           None, True, False
    i  int64        I  size, two's complement (an integer beyond 64 bits)
    f  float64      s  size, UTF-8              b  size, bytes
    l  list, t  tuple: a kind byte, size, then the items: kind v values, i int64s, f float64s
    d  size, then (size, UTF-8, value) for each entry
    a  NumPy array, x  Torch tensor: (size, dtype's name), rank byte, a size for each dimension, (size, the data in C order)
    h  size, UTF-8: a handle to shared data, which only a jail resolves

The file needs the standard library alone: its text is also sent into the jail, where `evolve.judge.runner` executes it.
"""

from __future__ import annotations

import math
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # not from typing, whose import would more than double the start of the jail's interpreter
    from collections.abc import Mapping
    from typing import Any

DEPTH = 64
"""How deep values may nest."""
ITEMS = 4_000_000
"""How many values one message may hold (an array is one): bounds what a hostile reply can make of each of its bytes."""
INTEGER = 1024
"""Bytes of the largest integer: 8192 bits, which ``str()`` can still print."""

_SIZE = struct.Struct("<Q")
_INT = struct.Struct("<q")
_FLOAT = struct.Struct("<d")
_ARRAYS = {
    name: int(name[2:])
    for name in ("|b1", "|i1", "|u1", "<i2", "<u2", "<f2", "<i4", "<u4", "<f4", "<i8", "<u8", "<f8", "<c8", "<c16")
}
_TENSORS = {"bool": 1, "uint8": 1, "int8": 1, "int16": 2, "int32": 4, "int64": 8, "float16": 2, "bfloat16": 2}
_TENSORS |= {"float32": 4, "float64": 8, "complex64": 8, "complex128": 16}


class WireError(ValueError):
    """A value that may not cross, or bytes that are no value. ``path`` leads to the place inside the value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = ""

    def __str__(self) -> str:
        return f"{self.reason} at {self.path}" if self.path else self.reason.removesuffix(",")


class Shared:
    """A handle to data that was put into the jail beforehand: as an argument it becomes that data."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Shared({self.name!r})"


def encode(value: Any, *, nonfinite: bool = False, limit: int | None = None) -> bytes:
    """Return the bytes of ``value``, at most ``limit`` of them; ``nonfinite`` lets NaN and infinities pass.

    Raises:
        WireError: for anything that is not plain data, and says where it is.
    """
    writer = _Writer(nonfinite, sys.maxsize if limit is None else limit)
    writer.value(value, 0)
    return b"".join(writer.parts)


def decode(data: bytes, *, nonfinite: bool = False, shared: Mapping[str, Any] | None = None) -> Any:
    """Return the value that ``data`` encodes, of exact built-in types; handles are looked up in ``shared``.

    Raises:
        WireError: whatever else the bytes may hold. No other exception, but MemoryError where memory is out.
    """
    reader = _Reader(data, nonfinite, {} if shared is None else shared)
    value = reader.value(0)
    if reader.position != len(data):
        raise WireError(f"{len(data) - reader.position} bytes too many")
    return value


class _Writer:
    """Collects the parts of one message."""

    def __init__(self, nonfinite: bool, limit: int) -> None:
        self.parts: list[bytes] = []
        self.nonfinite = nonfinite
        self.room = limit
        self.items = ITEMS

    def put(self, *parts: bytes) -> None:
        for part in parts:
            self.room -= len(part)
        if self.room < 0:
            raise WireError("the whole is larger than the limit on a reply")
        self.parts += parts

    def sized(self, tag: bytes, body: bytes) -> None:
        self.put(tag, _SIZE.pack(len(body)), body)

    def value(self, value: Any, depth: int) -> None:
        """Write ``value``; exact types first, which is what almost every value is."""
        self.items -= 1
        if depth > DEPTH or self.items < 0:
            raise WireError(f"nested deeper than {DEPTH}" if depth > DEPTH else f"more than {ITEMS} values")
        kind = type(value)
        if kind is float:
            if not (self.nonfinite or math.isfinite(value)):
                raise WireError(f"{value}, which is not finite,")
            self.put(b"f", _FLOAT.pack(value))
        elif kind is int:
            self.integer(value)
        elif value is None or kind is bool:
            self.put(b"0" if value is None else b"1" if value else b"2")
        elif kind is str:
            self.sized(b"s", _utf8(value))
        elif kind is list or kind is tuple:
            self.sequence(value, b"l" if kind is list else b"t", depth)
        elif kind is dict:
            self.mapping(value, depth)
        else:
            self.other(value, depth)

    def integer(self, value: int) -> None:
        if -(1 << 63) <= value < 1 << 63:
            self.put(b"i", _INT.pack(value))
        else:
            size = value.bit_length() // 8 + 1
            if size > INTEGER:
                raise WireError(f"an integer of more than {8 * INTEGER} bits")
            self.sized(b"I", value.to_bytes(size, "little", signed=True))

    def sequence(self, value: list[Any] | tuple[Any, ...], tag: bytes, depth: int) -> None:
        """Write a sequence; one of floats only or 64-bit integers only is packed, 100 times as fast as one by one."""
        kinds = set(map(type, value))
        if kinds == {float} and (self.nonfinite or all(map(math.isfinite, value))):
            self.put(tag + b"f", _SIZE.pack(len(value)), struct.pack(f"<{len(value)}d", *value))
        elif kinds == {int} and min(value) >= -(1 << 63) and max(value) < 1 << 63:
            self.put(tag + b"i", _SIZE.pack(len(value)), struct.pack(f"<{len(value)}q", *value))
        else:
            self.put(tag + b"v", _SIZE.pack(len(value)))
            for index, item in enumerate(value):
                self.inside(item, index, depth)

    def mapping(self, value: dict[Any, Any], depth: int) -> None:
        self.put(b"d", _SIZE.pack(len(value)))
        for key, item in value.items():
            if not isinstance(key, str):
                raise WireError(f"a dict's key of type {type(key).__name__}, where only str crosses,")
            self.sized(b"", _utf8(str.__str__(key)))
            self.inside(item, key, depth)

    def inside(self, item: Any, key: Any, depth: int) -> None:
        try:
            self.value(item, depth + 1)
        except WireError as error:
            error.path = f"[{key!r}]{error.path}"
            raise

    def other(self, value: Any, depth: int) -> None:
        """Write what is not of an exact built-in type: bytes, arrays, handles, and subclasses as what they extend."""
        numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
        if isinstance(value, bytes | bytearray | memoryview):
            self.sized(b"b", bytes(value))
        elif isinstance(value, Shared):
            self.sized(b"h", _utf8(value.name))
        elif torch is not None and isinstance(value, torch.Tensor):
            self.tensor(torch, value)
        elif numpy is not None and isinstance(value, numpy.ndarray | numpy.complexfloating):
            self.array(numpy, numpy.asarray(value))
        elif numpy is not None and isinstance(value, numpy.bool_ | numpy.integer | numpy.floating):
            self.value(value.item() if value.dtype.str in _ARRAYS else _exact(value), depth)
        else:
            self.value(_exact(value), depth)

    def array(self, numpy: Any, value: Any) -> None:
        dtype = value.dtype.newbyteorder("<")
        if dtype.str not in _ARRAYS:
            raise WireError(f"an array of dtype {value.dtype}")
        if not self.nonfinite and dtype.kind in "fc" and not numpy.isfinite(value).all():
            raise WireError("an array with a number that is not finite")
        self.dense(b"a", dtype.str, value.shape, value.astype(dtype, copy=False).tobytes())

    def tensor(self, torch: Any, value: Any) -> None:
        import ctypes

        name = str(value.dtype).removeprefix("torch.")
        if name not in _TENSORS or value.layout is not torch.strided:
            raise WireError(f"a tensor of {value.dtype}, {value.layout}")
        value = value.detach().resolve_conj().resolve_neg().cpu().contiguous()
        if not self.nonfinite and not torch.isfinite(value).all():
            raise WireError("a tensor with a number that is not finite")
        data = ctypes.string_at(value.data_ptr(), value.numel() * value.element_size()) if value.numel() else b""
        self.dense(b"x", name, tuple(value.shape), data)

    def dense(self, tag: bytes, dtype: str, shape: tuple[int, ...], data: bytes) -> None:
        self.sized(tag, dtype.encode())
        self.put(bytes([len(shape)]), *map(_SIZE.pack, shape))
        self.sized(b"", data)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise WireError("a text with half a surrogate pair") from None


def _exact(value: Any) -> Any:
    """Return the plain value that an instance of a subclass extends, calling nothing that the subclass overrides."""
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, list):
        return list(list.__iter__(value))
    if isinstance(value, tuple):
        return tuple(tuple.__iter__(value))
    if isinstance(value, dict):
        return dict(dict.items(value))
    raise WireError(f"a value of type {type(value).__name__}, which is not plain data,")


class _Reader:
    """Takes one message apart."""

    def __init__(self, data: bytes, nonfinite: bool, shared: Mapping[str, Any]) -> None:
        self.data = memoryview(data)
        self.position = 0
        self.nonfinite = nonfinite
        self.shared = shared
        self.items = ITEMS

    def take(self, size: int) -> memoryview:
        end = self.position + size
        if end > len(self.data):
            raise WireError("the message ends inside a value")
        part = self.data[self.position : end]
        self.position = end
        return part

    def size(self) -> int:
        return int(_SIZE.unpack(self.take(8))[0])

    def text(self) -> str:
        try:
            return str(self.take(self.size()), "utf-8")
        except UnicodeDecodeError:
            raise WireError("a text that is not UTF-8") from None

    def value(self, depth: int) -> Any:
        """Read the next value."""
        self.items -= 1
        if depth > DEPTH or self.items < 0:
            raise WireError(f"nested deeper than {DEPTH}" if depth > DEPTH else f"more than {ITEMS} values")
        tag = bytes(self.take(1))
        if tag == b"f":
            return self.finite(_FLOAT.unpack(self.take(8)))[0]
        if tag == b"i":
            return _INT.unpack(self.take(8))[0]
        if tag in (b"l", b"t"):
            items = self.sequence(depth)
            return items if tag == b"l" else tuple(items)
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        read = _READERS.get(tag)
        if read is None:
            raise WireError(f"the unknown tag {tag!r}")
        return read(self, depth)

    def finite(self, values: tuple[float, ...]) -> tuple[float, ...]:
        if not self.nonfinite and not all(map(math.isfinite, values)):
            raise WireError("a number that is not finite")
        return values

    def sequence(self, depth: int) -> list[Any]:
        kind, count = bytes(self.take(1)), self.size()
        if count > self.items:
            raise WireError(f"more than {ITEMS} values")
        if kind == b"v":
            return [self.value(depth + 1) for _ in range(count)]
        if kind not in (b"f", b"i"):
            raise WireError(f"the unknown kind of sequence {kind!r}")
        self.items -= count
        packed = self.take(8 * count)
        return list(
            self.finite(struct.unpack(f"<{count}d", packed)) if kind == b"f" else struct.unpack(f"<{count}q", packed)
        )

    def integer(self, depth: int) -> int:
        size = self.size()
        if size > INTEGER:
            raise WireError(f"an integer of more than {8 * INTEGER} bits")
        return int.from_bytes(self.take(size), "little", signed=True)

    def mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(self.size()):
            key = self.text()
            if key in found:
                raise WireError("a dict with the same key twice")
            found[key] = self.value(depth + 1)
        return found

    def handle(self, depth: int) -> Any:
        name = self.text()
        if name not in self.shared:
            raise WireError("a handle to data that is not shared")
        return self.shared[name]

    def dense(self, widths: Mapping[str, int]) -> tuple[str, tuple[int, ...], memoryview]:
        """Read dtype, shape and data, and hold them against each other."""
        dtype = self.text()
        shape = tuple(self.size() for _ in range(self.take(1)[0]))
        data = self.take(self.size())
        if dtype not in widths or len(shape) > 32:
            raise WireError(
                "an array of unknown dtype" if dtype not in widths else "an array of more than 32 dimensions"
            )
        if math.prod(shape) * widths[dtype] != len(data) or math.prod(filter(None, shape)) >= 1 << 40:
            raise WireError("an array whose data does not fit its shape")
        if dtype in ("|b1", "bool") and bytes(data).translate(None, b"\0\1"):
            raise WireError("an array of booleans that are neither 0 nor 1")
        return dtype, shape, data

    def array(self, depth: int) -> Any:
        dtype, shape, data = self.dense(_ARRAYS)
        try:
            import numpy
        except ImportError:
            raise WireError("a NumPy array, where there is no NumPy") from None
        value = numpy.frombuffer(data, dtype=dtype).reshape(shape).copy()
        if not self.nonfinite and value.dtype.kind in "fc" and not numpy.isfinite(value).all():
            raise WireError("an array with a number that is not finite")
        return value

    def tensor(self, depth: int) -> Any:
        dtype, shape, data = self.dense(_TENSORS)
        try:
            import torch
        except ImportError:
            raise WireError("a Torch tensor, where there is no Torch") from None
        kind = getattr(torch, dtype)
        value = torch.frombuffer(bytearray(data), dtype=kind).reshape(shape) if data else torch.empty(shape, dtype=kind)
        if not self.nonfinite and not torch.isfinite(value).all():
            raise WireError("a tensor with a number that is not finite")
        return value


_CONSTANTS = {b"0": None, b"1": True, b"2": False}
_READERS = {
    b"I": _Reader.integer,
    b"s": lambda reader, depth: reader.text(),
    b"b": lambda reader, depth: bytes(reader.take(reader.size())),
    b"d": _Reader.mapping,
    b"a": _Reader.array,
    b"x": _Reader.tensor,
    b"h": _Reader.handle,
}
