"""Values of the model as bytes and back, derived from the annotations of its dataclasses.

Little-endian, no padding: an int is an i64, a float an f64, a string its u32 length and UTF-8, a
tuple of any length its u32 count and items, a dict the tuple of its pairs sorted by key, an enum
its value as i64, a dataclass its fields in order. Fields that hold arrays are left out: their bytes
are sections of their own. A new field of the model is a new field of the file and needs a new
format version.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum
from functools import cache
from types import GenericAlias
from typing import Any, Generic, TypeVar, cast, get_args, get_origin, get_type_hints

from neuronc.errors import ArtifactError

T = TypeVar("T")

DAMAGED = "the file is damaged or was not written by neuronc; compile the model again"

_COUNT, _INT, _FLOAT = struct.Struct("<I"), struct.Struct("<q"), struct.Struct("<d")
_ITEM_BYTES_MIN = _COUNT.size


class Reader:
    """A cursor over the bytes of one section that never reads past their end."""

    def __init__(self, data: memoryview, where: str) -> None:
        self.data = data
        self.where = where
        self.at = 0

    def fail(self, problem: str) -> ArtifactError:
        """Make the error for the place the cursor is at."""
        return ArtifactError(f"{self.where}+{self.at:#x}", problem, DAMAGED, code="NRC-0406")

    def number(self, form: struct.Struct) -> int | float:
        """Read one number."""
        if len(self.data) - self.at < form.size:
            raise self.fail(f"{form.size} bytes are needed, {len(self.data) - self.at} are left")
        (value,) = form.unpack_from(self.data, self.at)
        self.at += form.size
        return value

    def count(self, item_bytes_min: int) -> int:
        """Read the count of items that take at least so many bytes each."""
        count = int(self.number(_COUNT))
        left = len(self.data) - self.at
        if count * item_bytes_min > left:
            raise self.fail(f"{count} items do not fit in the {left} bytes that are left")
        return count

    def text(self) -> str:
        """Read one string."""
        count = self.count(1)
        try:
            value = str(self.data[self.at : self.at + count], "utf-8")
        except UnicodeDecodeError:
            raise self.fail("a string is not UTF-8") from None
        self.at += count
        return value


@dataclass(frozen=True)
class Codec(Generic[T]):
    """How values of one type are written and read, and the name of the layout in the docs."""

    layout: str
    write: Callable[[T, bytearray], None]
    read: Callable[[Reader], T]


def encode(hint: type[T] | GenericAlias, value: T) -> bytes:
    """Encode a value of the annotated type `hint`."""
    out = bytearray()
    codec_of(hint).write(value, out)
    return bytes(out)


def decode(hint: type[T], data: memoryview, where: str) -> T:
    """Decode all of `data`, which must be exactly one value of type `hint`.

    Raises:
        ArtifactError: it is not.
    """
    reader = Reader(data, where)
    value = codec_of(hint).read(reader)
    if reader.at != len(data):
        raise reader.fail(f"{len(data) - reader.at} bytes are left over")
    return value


@cache
def codec_of(hint: object) -> Codec[Any]:
    """Derive the codec of an annotation."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    if is_dataclass(hint):
        return _record(cast(type[object], hint))
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return _enum(hint)
    arguments = get_args(hint)
    if get_origin(hint) is dict:
        return _mapping(codec_of(tuple[arguments[0], arguments[1]]))
    if arguments[-1] is Ellipsis:
        return _sequence(codec_of(arguments[0]))
    return _tuple([codec_of(a) for a in arguments])


def record_fields(cls: type[object]) -> dict[str, Codec[Any]]:
    """The fields of a dataclass that are written, in order."""
    hints = get_type_hints(cls)
    names = [f.name for f in fields(cast(Any, cls))]
    return {name: codec_of(hints[name]) for name in names if "ndarray" not in repr(hints[name])}


def _write_text(value: str, out: bytearray) -> None:
    data = value.encode()
    out += _COUNT.pack(len(data))
    out += data


_PLAIN: dict[object, Codec[Any]] = {
    int: Codec[int]("i64", lambda v, out: out.extend(_INT.pack(v)), lambda r: int(r.number(_INT))),
    float: Codec[float](
        "f64", lambda v, out: out.extend(_FLOAT.pack(v)), lambda r: r.number(_FLOAT)
    ),
    str: Codec[str]("string", _write_text, Reader.text),
}


def _enum(cls: type[IntEnum]) -> Codec[IntEnum]:
    def read(reader: Reader) -> IntEnum:
        value = int(reader.number(_INT))
        try:
            return cls(value)
        except ValueError:
            raise reader.fail(f"{value} is not a {cls.__name__}") from None

    return Codec(f"i64 ({cls.__name__})", lambda v, out: out.extend(_INT.pack(v)), read)


def _record(cls: type[object]) -> Codec[object]:
    """Array fields read as {} or None; the container fills them in."""
    parts = record_fields(cls)
    elsewhere: dict[str, object] = {
        name: {} if get_origin(hint) is dict else None
        for name, hint in get_type_hints(cls).items()
        if name not in parts
    }

    def write(value: object, out: bytearray) -> None:
        for name, part in parts.items():
            part.write(getattr(value, name), out)

    def read(reader: Reader) -> object:
        return cls(**{name: part.read(reader) for name, part in parts.items()}, **elsewhere)

    return Codec(cls.__name__, write, read)


def _sequence(item: Codec[Any]) -> Codec[tuple[Any, ...]]:
    def write(value: tuple[Any, ...], out: bytearray) -> None:
        out += _COUNT.pack(len(value))
        for v in value:
            item.write(v, out)

    def read(reader: Reader) -> tuple[Any, ...]:
        return tuple([item.read(reader) for _ in range(reader.count(_ITEM_BYTES_MIN))])

    return Codec(f"list of {item.layout}", write, read)


def _tuple(parts: list[Codec[Any]]) -> Codec[tuple[Any, ...]]:
    def write(value: tuple[Any, ...], out: bytearray) -> None:
        for part, v in zip(parts, value, strict=True):
            part.write(v, out)

    layout = "(" + ", ".join(part.layout for part in parts) + ")"
    return Codec(layout, write, lambda r: tuple([part.read(r) for part in parts]))


def _mapping(pair: Codec[Any]) -> Codec[dict[Any, Any]]:
    pairs = _sequence(pair)

    def write(value: dict[Any, Any], out: bytearray) -> None:
        pairs.write(tuple(sorted(value.items())), out)

    def read(reader: Reader) -> dict[Any, Any]:
        items: Iterable[tuple[Any, Any]] = pairs.read(reader)
        return dict(items)

    return Codec(f"{pairs.layout}, sorted by the first", write, read)
