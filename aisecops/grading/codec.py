"""Carries values between the trusted process and the student process as bytes, and nothing but values.

The one who writes a message may be hostile. Reading one therefore builds only the types listed here, from
parts whose types are checked first: it calls no name that a message gives, imports no module but numpy,
pandas, scipy and the standard library's time zones, reserves no memory that the message's own length does
not justify, and does not recurse. What is wrong with a message ends in :class:`CodecError`.

A value is a *leaf* (tag, content) or a *compound* (tag, number of parts, parts), written in pre-order. A
mutable compound gets the next number when it is first met; later it is only referred to by that number,
so shared and recursive containers arrive as they were, and both sides number the mutable objects alike.
Many plain parts of one compound go as a *run*: a leaf that holds all of them as JSON, which the standard
library reads and writes a hundred times faster than this module goes through them one by one.
Types are matched exactly: an instance of a subclass, as every type not listed here, stays where it lives
and crosses as a :class:`Handle`. No method of such an object is called.

Why not a library: JSON, MessagePack and CBOR as implemented for Python merge tuples with lists, or lose
sets, references, NaN payloads or big integers, or let a tag choose what code runs; pickle runs code.

Not carried: views that share memory (each array arrives with memory of its own), ``attrs`` of frames,
metadata of dtypes. Arrays of pandas outside a frame, a series or an index arrive as copies.
"""

import collections
import datetime
import decimal
import fractions
import functools
import json
import math
import pathlib
import random
import re
import struct
import sys
import types
import zoneinfo
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise, zip_longest
from typing import Any, Final, Literal, NamedTuple

Owner = Literal["trusted", "student"]


class CodecError(ValueError):
    """A value cannot cross, or a message is not one that this codec wrote."""


@dataclass(frozen=True)
class Limits:
    """What one message may cost either side.

    Attributes:
        bytes: length of a message.
        depth: compounds inside one another.
        nodes: values, where one that is dear to build counts as several.
        int_bits: bits of one integer.
    """

    bytes: int = 256 << 20
    depth: int = 200
    nodes: int = 5_000_000
    int_bits: int = 8 << 20


@dataclass(frozen=True)
class Handle:
    """Stands for an object that stays in its owner's process.

    Attributes:
        id: the owner's number for the object, 0 to 2⁶³ - 1.
        owner: the process in which the object lives.
        kind: what the object is, for messages to people; see :func:`describe`.

    Raises:
        CodecError: a field holds something else.
    """

    id: int
    owner: Owner
    kind: str

    def __post_init__(self) -> None:
        """Check the fields: they may come from a hostile message."""
        if type(self.id) is not int or not 0 <= self.id < 1 << 63:
            raise CodecError("a handle's id must be a number from 0 to 2**63 - 1")
        if self.owner not in ("trusted", "student"):
            raise CodecError("a handle's owner must be 'trusted' or 'student'")
        if type(self.kind) is not str or len(self.kind) > 80 or not self.kind.isprintable():
            raise CodecError("a handle's kind must be at most 80 printable characters")


@dataclass(eq=False, repr=False)
class Message:
    """A value and its bytes.

    Attributes:
        data: the bytes.
        value: the value.
        mutables: every mutable object in the value, in the order of the bytes; the same on both sides.
        spans: where each of them lies in ``data`` (start, end); empty for a message written here.
    """

    data: bytes
    value: Any
    mutables: list[Any]
    spans: list[tuple[int, int]] = field(default_factory=list)


def describe(value: object) -> str:
    """Return what a handle may say about an object, such as ``function least``, ``class Vault``, ``Vault``.

    Runs no code of the object, its class or its metaclass.
    """
    kind = type(value)
    if kind is types.FunctionType or kind is types.BuiltinFunctionType:
        words = ["function", value.__name__]  # type: ignore[attr-defined]
    elif issubclass(kind, type):
        words = ["class", _NAME.__get__(value)]
    else:
        words = [_NAME.__get__(kind)]
    # A name can be set to an instance of a subclass of str, which could have a say in what follows.
    text = " ".join(word if type(word) is str else "?" for word in words)
    return "".join(filter(str.isprintable, text))[:80]


_NAME = type.__dict__["__name__"]


class Codec:
    """Turns values into bytes and back.

    Args:
        export: gives the handle for an object that cannot cross by value. It may raise CodecError.
        resolve: gives the object that a handle stands for here: a stand-in for the other side's, the
            object itself for one of this side's that comes home. It may raise CodecError.
        limits: what one message may cost.
    """

    def __init__(
        self,
        export: Callable[[object], Handle],
        resolve: Callable[[Handle], object],
        limits: Limits = Limits(),
    ) -> None:
        self._export = export
        self._resolve = resolve
        self._limits = limits

    def dumps(self, value: object, name: str = "value") -> Message:
        """Return the message that carries ``value``.

        Args:
            value: what shall cross.
            name: what errors call it.

        Raises:
            CodecError: a part of it cannot cross; the error says which, as in ``args[0]['x']``.
        """
        writer = _Writer(self._export, self._limits, [])
        writer.write(value, name)
        return Message(bytes(writer.out), value, writer.mutables)

    def loads(self, data: bytes) -> Message:
        """Return the message that ``data`` is.

        Raises:
            CodecError: ``data`` is no message, or breaks a limit.
        """
        reader = _Reader(self._resolve, self._limits, data, [])
        value = reader.read()
        if reader.position != len(data):
            raise CodecError(f"the message goes on after its end at byte {reader.position}")
        spans = [reader.spans[index] for index in range(len(reader.mutables))]
        return Message(data, value, reader.mutables, spans)

    def changes(self, message: Message) -> bytes:
        """Return how the mutable objects of a received message have changed since, for :meth:`apply`.

        Raises:
            CodecError: something that a changed object now holds cannot cross.
        """
        writer = _Writer(self._export, self._limits, message.mutables)
        before = _bodies(message)
        for index, target in enumerate(message.mutables):
            start = len(writer.out)
            writer.write_again(index, target)
            if writer.out[start:] == before[index]:
                del writer.out[start:]
        return bytes(writer.out)

    def apply(self, message: Message, data: bytes) -> None:
        """Do to the mutable objects of a sent message what the other side did to its copies.

        Each stays the object that it is and gets the new content. If the changes are malformed, none of
        them is made.

        Args:
            message: what :meth:`dumps` returned.
            data: what :meth:`changes` returned on the other side.

        Raises:
            CodecError: ``data`` is malformed, or an object here can't take its change: an array that is
                read-only or has another shape or dtype.
        """
        reader = _Reader(self._resolve, self._limits, data, list(message.mutables))
        moves: list[tuple[_Kind, Any, Any]] = []
        last = -1
        while reader.position < len(data):
            index = reader.length()
            if not last < index < len(message.mutables):
                raise CodecError(f"the changes name object {index}, which is not the next of the message's")
            last, target = index, message.mutables[index]
            new = reader.read(again=True)
            kind = _KINDS[id(type(target))].kind
            if type(new) is not type(target) or not kind.fits(target, new):
                raise CodecError(f"the {type(target).__name__} numbered {index} cannot take its change")
            moves.append((kind, target, new))
        for kind, target, new in moves:
            assert kind.move
            _guarded(kind, kind.move, target, new)


_Types = frozenset[type] | None  # None: any
_NOTHING: Final[frozenset[type]] = frozenset()


class _Kind(NamedTuple):
    """How a type crosses.

    A mutable type has ``move``. A type that may hold itself has ``fill`` in place of ``make``: the empty
    object is there before its parts are.
    """

    types: tuple[type, ...]
    split: Callable[[Any], Collection[Any] | None]  # the parts; None if this one must cross as a handle
    make: Callable[[list[Any]], Any] | None = None
    fill: Callable[[Any, list[Any]], None] | None = None
    move: Callable[[Any, Any], object] | None = None  # gives the first object the content of the second
    fits: Callable[[Any, Any], bool] = lambda old, new: True  # whether move can do that
    parts: tuple[_Types, ...] = ()  # the types of the first parts
    rest: _Types = None  # the types of all further ones
    strict: bool = False  # whether any of them is limited; a handle in there turns the whole into a handle
    bag: bool = False  # the order of the parts means nothing
    cost: int = 1  # what it counts against Limits.nodes

    @property
    def name(self) -> str:
        """The type's name, for errors."""
        return self.types[0].__name__


class _Entry(NamedTuple):
    """A kind and the tag that stands for it in messages."""

    tag: int
    kind: _Kind


def _guarded(kind: _Kind, build: Callable[..., Any], *args: Any) -> Any:
    """Call what belongs to ``kind``; a library may raise anything when it is handed nonsense."""
    try:
        return build(*args)
    except CodecError:
        raise
    except Exception as error:
        raise CodecError(f"malformed {kind.name} ({type(error).__name__})") from error


# ------------------------------------------------------------------------------------------------ writing


class _Open(NamedTuple):
    """A compound of which some parts are written."""

    items: Iterator[Any]
    value: Any
    strict: bool
    start: int  # where its bytes begin
    numbered: int  # how many mutable objects had a number before it


class _Writer:
    """Writes one message; ``mutables`` have numbers already."""

    def __init__(self, export: Callable[[object], Handle], limits: Limits, mutables: Sequence[Any]) -> None:
        self.export = export
        self.limits = limits
        self.nodes = 0
        self.out = bytearray()
        self.mutables = list(mutables)  # and keeps them alive, so that no id is used twice
        self.numbers = {id(target): index for index, target in enumerate(mutables)}

    def write(self, value: object, name: str) -> None:
        """Write a value; ``name`` is what errors call it."""
        self._run([_Open(iter((value,)), None, False, 0, 0)], name)

    def write_again(self, index: int, target: Any) -> None:
        """Write the number of a mutable object that has one, and its content."""
        self.length(index)
        start = len(self.out)
        entry = _entry(type(target))
        if entry is None:
            raise CodecError(f"object {index} has become one of a type that cannot cross")
        stack = [_Open(iter(()), None, False, 0, 0)]
        self._open(entry, target, stack, len(self.mutables))
        self._run(stack, f"object {index}")
        if self.out[start] != entry.tag:
            raise CodecError(f"object {index}, {entry.kind.name}, has become one that cannot cross")

    def _run(self, stack: list[_Open], name: str) -> None:
        value: Any = None
        try:
            while stack:
                holder = stack[-1]
                for value in holder.items:
                    leaf = _LEAVES.get(id(type(value)))
                    if leaf is not None:
                        leaf(self, value)
                    else:
                        self._compound(value, stack)
                        if stack[-1] is not holder:
                            break
                else:
                    stack.pop()
            self.room(0)
        except CodecError as error:
            raise CodecError(f"{error}: {_path(stack, value, name)}") from error

    def _compound(self, value: Any, stack: list[_Open]) -> None:
        """Write the head of a compound and put it on the stack; write a reference or a handle outright."""
        entry = _entry(type(value))
        if entry is None:
            self._stay(value, stack)
            return
        kind = entry.kind
        numbered = len(self.mutables)
        if kind.move is not None:
            number = self.numbers.get(id(value))
            if number is not None:
                if kind.fill is None and any(holder.value is value for holder in stack):
                    raise CodecError(f"{kind.name} that holds itself cannot cross")
                self.out.append(_REFERENCE)
                self.length(number)
                return
            self.numbers[id(value)] = numbered
            self.mutables.append(value)
        if len(stack) > self.limits.depth:
            raise CodecError(f"nested more than {self.limits.depth} deep")
        self._open(entry, value, stack, numbered)

    def _open(self, entry: _Entry, value: Any, stack: list[_Open], numbered: int) -> None:
        tag, kind = entry
        start = len(self.out)
        parts = _guarded(kind, kind.split, value)
        self.out.append(tag)
        if parts is None:
            stack.append(_Open(iter(()), value, True, start, numbered))
            self._stay(value, stack)
            return
        self.nodes += len(parts) + kind.cost
        if self.nodes > self.limits.nodes:
            raise CodecError(f"more than {self.limits.nodes} values")
        self.length(len(parts))
        run = _as_run(parts, kind.bag) if len(parts) >= _RUN_FROM else None
        if run is not None:
            self.content(_RUN, run)
            items: Iterator[Any] = iter(())
        else:
            items = self._sorted(parts) if kind.bag else iter(parts)
        stack.append(_Open(items, value, kind.strict, start, numbered))

    def _stay(self, value: Any, stack: list[_Open]) -> None:
        """Write a handle for ``value``, or for the innermost compound around it that may hold one."""
        while stack[-1].strict:
            whole = stack.pop()
            value = whole.value
            del self.out[whole.start :]
            for target in self.mutables[whole.numbered :]:
                del self.numbers[id(target)]
            del self.mutables[whole.numbered :]
        handle = self.export(value)
        self.out.append(_HANDLE)
        self.out.append(_OWNERS.index(handle.owner))
        self.length(handle.id)
        self.content(_STR, handle.kind.encode())

    def _sorted(self, parts: Iterable[Any]) -> Iterator[Any]:
        """Give the parts out, and when they are written put their bytes in order: a set has none.

        If some got numbers, they must stay in the order of those.
        """
        marks = []
        numbered = len(self.mutables)
        for part in parts:
            marks.append(len(self.out))
            yield part
        marks.append(len(self.out))
        if len(self.mutables) == numbered:
            self.out[marks[0] :] = b"".join(sorted(self.out[a:b] for a, b in pairwise(marks)))

    def length(self, number: int) -> None:
        """Write a number of 0 or more."""
        _append(self.out, number)

    def room(self, size: int) -> None:
        """Check that ``size`` more bytes fit."""
        if len(self.out) + size > self.limits.bytes:
            raise CodecError(f"more than {self.limits.bytes} bytes")

    def content(self, tag: int, data: bytes) -> None:
        """Write a leaf of any length."""
        self.room(len(data))
        self.out.append(tag)
        self.length(len(data))
        self.out += data

    def integer(self, value: int) -> None:
        """Write an int."""
        bits = value.bit_length()
        if bits > self.limits.int_bits:
            raise CodecError(f"an integer of more than {self.limits.int_bits} bits")
        self.content(_INT, value.to_bytes(bits // 8 + 1, "little", signed=True))

    def double(self, value: float) -> None:
        """Write a float."""
        self.out.append(_FLOAT)
        self.out += _DOUBLE.pack(value)

    def blob(self, value: "_Blob") -> None:
        """Write the bytes of an array."""
        self.room(value.array.nbytes)
        self.content(_BYTES, value.array.tobytes(value.order))


def _append(out: bytearray, number: int) -> None:
    """Append a number of 0 or more: seven bits a byte, the lowest first."""
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


class _Blob(NamedTuple):
    """The bytes of an array, in the writer's hands only."""

    array: Any
    order: Literal["C", "F"] = "C"


class _Plain(NamedTuple):
    """An array that is part of something else, and not a mutable object of its own."""

    array: Any


_NONE, _FALSE, _TRUE, _INT, _FLOAT, _STR, _BYTES, _REFERENCE, _HANDLE, _RUN = range(10)
_OWNERS: Final[tuple[Owner, Owner]] = ("trusted", "student")
_DOUBLE = struct.Struct("<d")
# The tables of types go by a type's id: to hash a class may run code of its metaclass.
_LEAVES: dict[int, Callable[[_Writer, Any], None]] = {
    id(types.NoneType): lambda writer, value: writer.out.append(_NONE),
    id(bool): lambda writer, value: writer.out.append(_TRUE if value else _FALSE),
    id(int): _Writer.integer,
    id(float): _Writer.double,
    id(str): lambda writer, value: writer.content(_STR, value.encode("utf-8", "surrogatepass")),
    id(bytes): lambda writer, value: writer.content(_BYTES, value),
    id(_Blob): _Writer.blob,
}


_RUN_FROM = 16  # parts; fewer are as fast one by one
_LONG_TEXT = 64  # characters; longer texts cost more in JSON, which looks for what it must escape
_TEXT: Final = frozenset((id(str),))
_RUN_KINDS: Final = frozenset((types.NoneType, bool, int, float, str))
_RUN_TYPES: Final = frozenset(map(id, _RUN_KINDS))


def _as_run(parts: Collection[Any], bag: bool) -> bytes | None:
    """Return many plain parts as one text; None if they have to go one by one."""
    found = set(map(id, map(type, parts)))
    if not found <= _RUN_TYPES or (bag and len(found) > 1):
        return None
    if found == _TEXT and sum(map(len, parts)) > _LONG_TEXT * len(parts):
        return None
    if bag:
        parts = sorted(parts)
    try:
        text = json.dumps(list(parts), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:  # not a number, infinite, or an integer of thousands of digits
        return None
    return text.encode("utf-8", "surrogatepass")


def _path(stack: list[_Open], value: Any, name: str) -> str:
    """Return where ``value`` lies: through which of the containers on the stack, outermost first."""
    holders = [holder.value for holder in stack[1:]]
    for holder, inner in pairwise([*holders, value]):
        name += _step(holder, inner)
    return name if len(name) <= 200 else f"{name[:150]} …"


def _step(holder: Any, inner: Any) -> str:
    kind = type(holder)
    if kind is list or kind is tuple or kind is collections.deque:
        return next((f"[{place}]" for place, item in enumerate(holder) if item is inner), "")
    if kind in (dict, collections.OrderedDict, collections.Counter, collections.defaultdict):
        key = next((key for key, item in holder.items() if item is inner), None)
        named = type(key) is str or (type(key) is int and key.bit_length() < 64)
        return f"[{key!r:.40}]" if named else "[…]"
    return ""


def _bodies(message: Message) -> list[bytes]:
    """Return number and bytes of each mutable object of a received message, with references inside."""
    starts = [start for start, _ in message.spans]
    bodies = []
    for index, (start, end) in enumerate(message.spans):
        body = bytearray()
        _append(body, index)
        inner = index + 1
        while inner < len(starts) and starts[inner] < end:
            body += message.data[start : starts[inner]]
            body.append(_REFERENCE)
            _append(body, inner)
            start = message.spans[inner][1]
            inner = bisect_left(starts, start, inner)
        bodies.append(bytes(body + message.data[start:end]))
    return bodies


# ---------------------------------------------------------------------------------------------- reading

_PENDING: Final = object()  # in the place of a mutable object whose parts are not all there


class _Frame:
    """A compound whose parts are being read."""

    __slots__ = ("count", "index", "kind", "parts", "start", "target")

    def __init__(self, kind: _Kind, count: int, start: int) -> None:
        self.kind = kind
        self.count = count
        self.start = start
        self.index = -1
        self.parts: list[Any] = []
        self.target: Any = _PENDING if kind.fill is None else kind.types[0]()


class _Reader:
    """Reads one message; ``mutables`` have numbers already."""

    def __init__(
        self, resolve: Callable[[Handle], object], limits: Limits, data: bytes, mutables: list[Any]
    ) -> None:
        if len(data) > limits.bytes:
            raise CodecError(f"a message of more than {limits.bytes} bytes")
        self.resolve = resolve
        self.limits = limits
        self.data = data
        self.mutables = mutables
        self.spans: dict[int, tuple[int, int]] = {}
        self.nodes = 0
        self.position = 0

    def read(self, again: bool = False) -> Any:
        """Return the next value.

        Args:
            again: it is a mutable object that has a number, with its new content.
        """
        stack: list[_Frame] = []
        numbered = again
        while True:
            start = self.position
            tag = self._byte()
            if tag < len(_READ):
                value = _READ[tag](self)
            else:
                frame = self._open(tag, start, len(stack))
                if frame.kind.move is not None and not numbered:
                    frame.index = len(self.mutables)
                    self.mutables.append(frame.target)
                numbered = False
                if frame.count and self._run(frame):
                    value = self._close(frame)
                elif frame.count:
                    stack.append(frame)
                    continue
                else:
                    value = self._close(frame)
            while stack:
                frame = stack[-1]
                frame.parts.append(value)
                if len(frame.parts) < frame.count:
                    break
                value = self._close(stack.pop())
            else:
                return value

    def _open(self, tag: int, start: int, depth: int) -> _Frame:
        kind = _tagged(tag)
        count = self.length()
        if count > len(self.data) - self.position:
            raise CodecError(f"the message ends early: {count} parts at byte {start}")
        self.nodes += count + kind.cost
        if self.nodes > self.limits.nodes:
            raise CodecError(f"the message holds more than {self.limits.nodes} values")
        if depth >= self.limits.depth:
            raise CodecError(f"the message is nested more than {self.limits.depth} deep")
        if count < len(kind.parts) or (count > len(kind.parts) and kind.rest == _NOTHING):
            raise CodecError(f"{kind.name} cannot have {count} parts")
        return _Frame(kind, count, start)

    def _run(self, frame: _Frame) -> bool:
        """Read the parts of a compound if they come as a run."""
        if self.position >= len(self.data) or self.data[self.position] != _RUN:
            return False
        self.position += 1
        try:
            parts = json.loads(self.text())
        except (ValueError, RecursionError) as error:
            raise CodecError(f"the message holds a broken run before byte {self.position}") from error
        if type(parts) is not list or len(parts) != frame.count or not set(map(type, parts)) <= _RUN_KINDS:
            raise CodecError(f"the message holds a run of other parts before byte {self.position}")
        frame.parts = parts
        return True

    def _close(self, frame: _Frame) -> Any:
        kind = frame.kind
        if kind.strict:
            for part, allowed in zip_longest(frame.parts, kind.parts, fillvalue=kind.rest):
                if allowed is not None and type(part) not in allowed:
                    raise CodecError(f"{kind.name} cannot hold {type(part).__name__} there")
        if kind.fill is not None:
            value = frame.target
            _guarded(kind, kind.fill, value, frame.parts)
        else:
            assert kind.make
            value = _guarded(kind, kind.make, frame.parts)
        if frame.index >= 0:
            self.mutables[frame.index] = value
            self.spans[frame.index] = (frame.start, self.position)
        return value

    def _byte(self) -> int:
        position = self.position
        if position >= len(self.data):
            raise CodecError("the message ends early")
        self.position = position + 1
        return self.data[position]

    def length(self) -> int:
        """Read a number as :meth:`_Writer.length` writes it, of at most 63 bits."""
        number = self._byte()
        if number < 128:
            return number
        number &= 127
        for shift in range(7, 63, 7):
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
        raise CodecError(f"the message has a number of more than 63 bits before byte {self.position}")

    def content(self) -> bytes:
        """Read what follows the tag of a leaf of any length."""
        size = self.length()
        start = self.position
        if size > len(self.data) - start:
            raise CodecError(f"the message ends early: {size} bytes at byte {start}")
        self.position = start + size
        return self.data[start : self.position]

    def integer(self) -> int:
        """Read an int."""
        content = self.content()
        if len(content) * 8 > self.limits.int_bits + 8:
            raise CodecError(f"the message holds an integer of more than {self.limits.int_bits} bits")
        return int.from_bytes(content, "little", signed=True)

    def double(self) -> float:
        """Read a float."""
        start = self.position
        if len(self.data) - start < 8:
            raise CodecError("the message ends early")
        self.position = start + 8
        value: float = _DOUBLE.unpack_from(self.data, start)[0]
        return value

    def text(self) -> str:
        """Read a str."""
        try:
            return str(self.content(), "utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise CodecError(f"the message holds broken text before byte {self.position}") from None

    def reference(self) -> Any:
        """Read a reference to a mutable object met before."""
        index = self.length()
        if index >= len(self.mutables) or self.mutables[index] is _PENDING:
            raise CodecError(f"the message refers to object {index}, which is not there yet")
        return self.mutables[index]

    def handle(self) -> object:
        """Read a handle and give what it stands for here."""
        owner = self._byte()
        number = self.length()
        if owner >= len(_OWNERS) or self._byte() != _STR:
            raise CodecError(f"the message holds a broken handle before byte {self.position}")
        handle = Handle(number, _OWNERS[owner], self.text())
        try:
            return self.resolve(handle)
        except CodecError:
            raise
        except Exception as error:
            raise CodecError(f"the handle of {handle.kind} leads nowhere") from error


_READ: tuple[Callable[[_Reader], Any], ...] = (
    lambda reader: None,
    lambda reader: False,
    lambda reader: True,
    _Reader.integer,
    _Reader.double,
    _Reader.text,
    _Reader.content,
    _Reader.reference,
    _Reader.handle,
)

# Comparing an integer with a Decimal and shortening a fraction take quadratic time. So no longer integer is
# a key, and no longer fraction crosses.
_SLOW_BITS = 4096
# So many different keys may share a hash: honest ones hardly ever do, and each costs a search through all.
_COLLISIONS = 64


def _check_keys(keys: Iterable[Any]) -> None:
    """Refuse keys that can't be hashed, could run code or were chosen to collide.

    Raises:
        CodecError: there is such a key.
    """
    keys = list(keys)
    if set(map(id, map(type, keys))) <= _TEXT:  # whose hashes nobody can foresee
        return
    first: dict[int, Any] = {}
    strangers = 0
    for key in keys:
        _check_key(key)
        try:
            other = first.setdefault(hash(key), key)
        except (TypeError, ValueError):
            raise CodecError(f"{type(key).__name__} cannot be a key") from None
        if other is not key and other != key:
            strangers += 1
    if strangers > _COLLISIONS:
        raise CodecError(f"more than {_COLLISIONS} keys collide")


def _check_key(key: Any) -> None:
    todo = [key]
    while todo:
        key = todo.pop()
        kind: Any = type(key)
        if kind is tuple:
            todo += key
        elif kind is slice:
            todo += (key.start, key.stop, key.step)
        elif kind is int:
            if key.bit_length() > _SLOW_BITS:
                raise CodecError(f"an integer of more than {_SLOW_BITS} bits cannot be a key")
        elif (
            id(kind) not in _LEAVES
            and id(kind) not in _KINDS
            and not (kind.__hash__ is object.__hash__ and kind.__eq__ is object.__eq__)
        ):
            raise CodecError(f"{kind.__name__}, which stays on the other side, cannot be a key")


# ------------------------------------------------------------------------------------------------- kinds


def _of(*alternatives: type | tuple[type, ...] | None) -> tuple[_Types, ...]:
    """Return types of parts as :class:`_Kind` holds them."""
    return tuple(
        None if given is None else frozenset(given if isinstance(given, tuple) else (given,))
        for given in alternatives
    )


def _value(
    kind: type | tuple[type, ...],
    split: Callable[[Any], Collection[Any] | None],
    *parts: type | tuple[type, ...] | None,
    make: Callable[[list[Any]], Any] | None = None,
    rest: tuple[type, ...] = (),
    **more: Any,
) -> _Kind:
    """Return a kind with parts of these types, whose type is called with them unless ``make`` is given."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    build = make or (lambda given: kinds[0](*given))
    strict = bool(rest) or any(part is not None for part in parts)
    return _Kind(kinds, split, build, parts=_of(*parts), rest=frozenset(rest), strict=strict, **more)


def _attributes(*names: str) -> Callable[[Any], tuple[Any, ...]]:
    return lambda value: tuple(getattr(value, name) for name in names)


def _singleton(value: object) -> _Kind:
    return _value(type(value), lambda value: (), make=lambda parts: value)


def _pairs(parts: Sequence[Any]) -> dict[Any, Any]:
    keys = parts[::2]
    _check_keys(keys)
    result = dict(zip(keys, parts[1::2], strict=True))
    if len(result) < len(keys):
        raise CodecError("a key occurs twice")
    return result


def _members(parts: list[Any]) -> set[Any]:
    _check_keys(parts)
    result = set(parts)
    if len(result) < len(parts):
        raise CodecError("a member of a set occurs twice")
    return result


def _flat(value: dict[Any, Any]) -> tuple[Any, ...]:
    return tuple(chain.from_iterable(value.items()))


def _replace(old: Any, new: Any) -> None:
    old[:] = new


def _move_dict(old: Any, new: Any) -> None:
    old.clear()
    if type(old) is dict:
        old.update(new)
        return
    for key, value in new.items():  # a Counter's update adds up
        old[key] = value


def _fill_dict(target: Any, parts: list[Any]) -> None:
    _move_dict(target, _pairs(parts))


def _move_set(old: set[Any], new: set[Any]) -> None:
    old.clear()
    old.update(new)


def _fill_default(target: Any, parts: list[Any]) -> None:
    target.default_factory = parts[0]
    _fill_dict(target, parts[1:])


def _move_default(old: Any, new: Any) -> None:
    old.default_factory = new.default_factory
    _move_dict(old, new)


def _fill_deque(target: Any, parts: list[Any]) -> None:
    if type(parts[0]) not in (int, types.NoneType):
        raise CodecError("a deque's greatest length must be a number")
    collections.deque.__init__(target, parts[1:], parts[0])  # the one way to set maxlen


def _move_deque(old: Any, new: Any) -> None:
    collections.deque.__init__(old, new, new.maxlen)


_LONG_RANGE = 10_000_000
_CLOCK = ("hour", "minute", "second", "microsecond", "tzinfo", "fold")
_ZONES = (types.NoneType, datetime.timezone, zoneinfo.ZoneInfo)


def _make_clock(kind: type) -> Callable[[list[Any]], Any]:
    return lambda parts: kind(*parts[:-1], fold=parts[-1])


def _split_offset(value: Any) -> tuple[Any, ...]:
    offset, *name = value.__getinitargs__()
    return offset, name[0] if name else None


def _make_offset(parts: list[Any]) -> datetime.timezone:
    offset, name = parts
    return datetime.timezone(offset) if name is None else datetime.timezone(offset, name)


def _split_zone(value: zoneinfo.ZoneInfo) -> tuple[str] | None:
    return (value.key,) if value.key else None


def _make_zone(parts: list[Any]) -> zoneinfo.ZoneInfo:
    if len(parts[0]) > 64 or not re.fullmatch(r"[\w+-]+(/[\w+-]+)*", parts[0], re.ASCII):
        raise CodecError("a time zone cannot have that name")
    return zoneinfo.ZoneInfo(parts[0])


def _split_fraction(value: fractions.Fraction) -> tuple[int, int] | None:
    parts = value.numerator, value.denominator
    return None if max(map(int.bit_length, parts)) > _SLOW_BITS else parts


def _make_fraction(parts: list[Any]) -> fractions.Fraction:
    if max(map(int.bit_length, parts)) > _SLOW_BITS:
        raise CodecError(f"a fraction of more than {_SLOW_BITS} bits")
    return fractions.Fraction(*parts)


_WORDS = struct.Struct("<625I")


def _split_random(value: random.Random) -> tuple[Any, ...]:
    _, words, gauss = value.getstate()
    return _WORDS.pack(*words), gauss


def _make_random(parts: list[Any]) -> random.Random:
    words, gauss = parts
    result = random.Random(0)
    result.setstate((3, _WORDS.unpack(words), gauss))
    return result


def _move_random(old: random.Random, new: random.Random) -> None:
    old.setstate(new.getstate())


_NAMED_TYPES = {
    kind.__name__: kind
    for kind in (bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, object)
}


def _split_range(value: range) -> tuple[int, int, int] | None:
    """Keep a range here whose items nobody can go through, for going through it cannot be interrupted."""
    endless = value.start + value.step * _LONG_RANGE
    short = value.stop <= endless if value.step > 0 else value.stop >= endless
    return (value.start, value.stop, value.step) if short else None


def _split_type(value: type) -> tuple[str] | None:
    return next(((name,) for name, kind in _NAMED_TYPES.items() if kind is value), None)


def _language() -> Iterable[_Kind]:
    text_of = lambda value: (str(value),)  # noqa: E731
    bounds = _attributes("start", "stop", "step")
    clock = (int, int, int, int, _ZONES, int)
    yield _Kind((tuple,), lambda value: value, tuple)
    yield _Kind((list,), tuple, fill=_replace, move=_replace)
    yield _Kind((dict,), _flat, fill=_fill_dict, move=_move_dict)
    yield _Kind((set,), tuple, _members, move=_move_set, bag=True, cost=3)
    yield _Kind((frozenset,), tuple, lambda parts: frozenset(_members(parts)), bag=True, cost=3)
    yield _Kind((collections.OrderedDict,), _flat, fill=_fill_dict, move=_move_dict, cost=3)
    yield _Kind((collections.Counter,), _flat, fill=_fill_dict, move=_move_dict)
    yield _Kind(
        (collections.defaultdict,),
        lambda value: (value.default_factory, *_flat(value)),
        fill=_fill_default,
        move=_move_default,
    )
    yield _Kind(
        (collections.deque,),
        lambda value: (value.maxlen, *value),
        fill=_fill_deque,
        move=_move_deque,
        cost=10,
    )
    yield _value(bytearray, lambda value: (bytes(value),), bytes, move=_replace)
    yield _value(
        random.Random,
        _split_random,
        bytes,
        (float, types.NoneType),
        make=_make_random,
        move=_move_random,
        cost=10,
    )
    yield _singleton(...)
    yield _singleton(NotImplemented)
    yield _value(type, _split_type, str, make=lambda parts: _NAMED_TYPES[parts[0]])
    yield _value(complex, _attributes("real", "imag"), float, float)
    yield _value(range, _split_range, int, int, int)
    yield _value(slice, bounds, None, None, None)
    yield _value(datetime.date, _attributes("year", "month", "day"), int, int, int)
    yield _value(datetime.time, _attributes(*_CLOCK), *clock, make=_make_clock(datetime.time))
    yield _value(
        datetime.datetime,
        _attributes("year", "month", "day", *_CLOCK),
        *(int, int, int, *clock),
        make=_make_clock(datetime.datetime),
    )
    yield _value(datetime.timedelta, _attributes("days", "seconds", "microseconds"), int, int, int)
    yield _value(
        datetime.timezone, _split_offset, datetime.timedelta, (str, types.NoneType), make=_make_offset
    )
    yield _value(zoneinfo.ZoneInfo, _split_zone, str, make=_make_zone, cost=10)
    yield _value(decimal.Decimal, text_of, str)
    yield _value(fractions.Fraction, _split_fraction, int, int, make=_make_fraction)
    yield _value(pathlib.PurePosixPath, text_of, str)
    yield _value(pathlib.PosixPath, text_of, str)


# ------------------------------------------------------------------------------------------------- numpy

_SIMPLE_DTYPE = re.compile(
    r"[<>|](b1|[iu][1248]|f(2|4|8|16)|c(8|16|32)|O|[SUV]\d{1,9}"
    r"|[mM]8(\[\d{0,9}(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as|generic)\])?)"
)


@functools.lru_cache(maxsize=256)
def _simple_dtype(text: str) -> Any:
    import numpy as np

    if not _SIMPLE_DTYPE.fullmatch(text):
        raise CodecError("a dtype cannot have that name")
    return np.dtype(text)


def _naturals(value: Any) -> bool:
    return type(value) is tuple and all(type(item) is int and 0 <= item < 1 << 40 for item in value)


def _split_dtype(dtype: Any) -> tuple[Any, ...] | None:
    """Split into its name, into base and shape, or into names, formats, offsets and size."""
    if dtype.char == "O":
        return ("|O",)
    if dtype.hasobject:
        return None
    if dtype.subdtype is not None:
        return None if _split_dtype(dtype.base) is None else (dtype.base, dtype.shape)
    if dtype.names is None:
        return (dtype.str,)
    fields = [dtype.fields[name] for name in dtype.names]
    if any(len(item) > 2 or _split_dtype(item[0]) is None for item in fields):
        return None  # a field has a title, or does not cross
    return dtype.names, tuple(item[0] for item in fields), tuple(item[1] for item in fields), dtype.itemsize


def _known_dtypes(value: Any) -> bool:
    """Whether it is a tuple of dtypes without objects."""
    return type(value) is tuple and all(id(type(item)) in _DTYPES and not item.hasobject for item in value)


def _make_dtype(parts: list[Any]) -> Any:
    import numpy as np

    kinds = [type(part) for part in parts]  # not isinstance, which would ask what a handle stands for
    if kinds == [str]:
        return _simple_dtype(*parts)
    if len(parts) == 2 and _known_dtypes((parts[0],)) and _naturals(parts[1]):
        return np.dtype((parts[0], parts[1]))
    if kinds == [tuple, tuple, tuple, int]:
        names, formats, offsets, size = parts
        texts = all(type(name) is str for name in names)
        if texts and _known_dtypes(formats) and _naturals(offsets) and _naturals((size,)):
            spec: Any = {"names": names, "formats": formats, "offsets": offsets, "itemsize": size}
            return np.dtype(spec)
    raise CodecError("a dtype cannot have these parts")


_FORTRAN, _READ_ONLY = 1, 2


def _split_array(array: Any) -> tuple[Any, ...] | None:
    dtype, flags = array.dtype, array.flags
    if not dtype.itemsize and array.size:
        return None
    order: Literal["C", "F"] = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
    marks = _FORTRAN * (order == "F") | _READ_ONLY * (not flags.writeable)
    content = tuple(array.ravel(order).tolist()) if dtype.char == "O" else _Blob(_tidy(array, order), order)
    return dtype, marks, array.shape, content


def _tidy(array: Any, order: Literal["C", "F"] = "C") -> Any:
    """Return the array; if it has fields, with zeros between them, where memory of old may show."""
    import numpy as np

    if array.dtype.names is None:
        return array
    result = np.zeros(array.shape, array.dtype, order)
    result[...] = array
    return result


def _split_plain(plain: _Plain) -> tuple[Any, ...] | None:
    parts = _split_array(plain.array)
    return parts and (parts[0], parts[1] & _FORTRAN, *parts[2:])


def _make_array(parts: list[Any]) -> Any:
    import numpy as np

    content: Any
    dtype, marks, shape, content = parts
    if not _naturals(shape) or dtype.subdtype is not None or not 0 <= marks < 4:
        raise CodecError("an array cannot have that head")
    order: Literal["C", "F"] = "F" if marks & _FORTRAN else "C"
    objects = dtype.char == "O"
    count = math.prod(shape)
    size = count if objects else count * dtype.itemsize
    if type(content) is not (tuple if objects else bytes) or size != len(content) or (count and not size):
        raise CodecError("an array's content does not have its shape")
    if objects:
        array = np.empty(shape, dtype, order)
        array.reshape(-1, order=order)[:] = np.fromiter(content, dtype, count)
    else:
        array = np.ndarray(shape, dtype, bytes(content), order=order).copy(order)
        _check_items(array)
    array.flags.writeable = not marks & _READ_ONLY
    return array


def _check_items(array: Any) -> None:
    """Refuse bytes that are no character, or no bool: numpy adds up a byte of 255 as 255."""
    dtype = array.dtype
    for name in dtype.names or ():
        _check_items(array[name])
    if dtype.char in "?U" and array.size and dtype.itemsize:
        unit, most = ("u1", 1) if dtype.char == "?" else (f"{dtype.byteorder}u4", sys.maxunicode)
        if array.ravel().view(unit).max() > most:
            raise CodecError("an array holds bytes that its dtype does not allow")


def _same_form(old: Any, new: Any) -> bool:
    return bool(old.flags.writeable and old.shape == new.shape and old.dtype == new.dtype)


def _move_array(old: Any, new: Any) -> None:
    old[...] = new
    old.flags.writeable = new.flags.writeable


def _split_scalar(scalar: Any) -> tuple[Any, ...]:
    # By its name a dtype is one part, not two: scalars come in thousands.
    dtype = scalar.dtype
    return dtype.str if dtype.names is None else dtype, _Blob(_tidy(scalar))


def _make_scalar(parts: list[Any]) -> Any:
    dtype, content = parts
    return _make_array([_simple_dtype(dtype) if type(dtype) is str else dtype, 0, (1,), content])[0]


# numpy seeds in quadratic time, and spawned streams are made again one by one.
_SEED_BITS, _SEED_NUMBERS, _SPAWNED = 128, 32, 1 << 12


def _quick_seed(entropy: Any, spawn_key: Any, spawned: int) -> bool:
    numbers = [*(entropy if type(entropy) is tuple else (entropy,)), *spawn_key]
    small = all(type(number) is int and 0 <= number < 1 << _SEED_BITS for number in numbers)
    return small and len(numbers) <= _SEED_NUMBERS and 0 <= spawned <= _SPAWNED


def _split_generator(generator: Any) -> tuple[Any, ...] | None:
    import numpy as np

    bits = generator.bit_generator
    if type(bits) is not np.random.PCG64 or type(bits.seed_seq) is not np.random.SeedSequence:
        return None
    state, seed = bits.state, bits.seed_seq
    entropy: Any = seed.entropy
    entropy = tuple(map(int, entropy)) if np.iterable(entropy) else int(entropy)
    origin = entropy, tuple(map(int, seed.spawn_key)), seed.n_children_spawned
    if seed.pool_size != 4 or not _quick_seed(*origin):
        return None
    return state["state"]["state"], state["state"]["inc"], state["has_uint32"], state["uinteger"], *origin


def _make_generator(parts: list[Any]) -> Any:
    import numpy as np

    state, increment, has_half, half, entropy, spawn_key, spawned = parts
    sizes = zip((state, increment, has_half, half), (128, 128, 1, 32), strict=True)
    if not all(0 <= number < 1 << bits for number, bits in sizes):
        raise CodecError("a generator cannot have that state")
    if not _quick_seed(entropy, spawn_key, spawned):
        raise CodecError("a generator cannot have that seed")
    seed = np.random.SeedSequence(entropy, spawn_key=spawn_key, n_children_spawned=spawned)
    generator = np.random.default_rng(seed)
    generator.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": state, "inc": increment},
        "has_uint32": has_half,
        "uinteger": half,
    }
    return generator


def _move_generator(old: Any, new: Any) -> None:
    old.bit_generator.state = new.bit_generator.state
    seed = old.bit_generator.seed_seq
    missing = new.bit_generator.seed_seq.n_children_spawned - seed.n_children_spawned
    if missing > 0:
        seed.spawn(missing)  # the one way to count them


def _numpy() -> Iterable[_Kind]:
    import numpy as np

    dtypes = tuple({type(np.dtype(code)) for code in np.typecodes["All"]})
    _DTYPES.update(map(id, dtypes))
    scalars = set(np.sctypeDict.values()) - {np.object_, np.str_, np.bytes_}
    head = (dtypes, int, tuple, (bytes, tuple))
    yield _value(
        np.ndarray, _split_array, *head, make=_make_array, move=_move_array, fits=_same_form, cost=10
    )
    yield _value(_Plain, _split_plain, *head, make=_make_array, cost=20)
    yield _Kind((np.dtype, *dtypes), _split_dtype, _make_dtype)
    yield _value((np.generic, *scalars), _split_scalar, (str, *dtypes), bytes, make=_make_scalar, cost=5)
    yield _value(np.str_, lambda value: (value[:],), str)
    yield _value(np.bytes_, lambda value: (value[:],), bytes)
    yield _value(
        np.random.Generator,
        _split_generator,
        *(int, int, int, int, (int, tuple), tuple, int),
        make=_make_generator,
        move=_move_generator,
        cost=30,
    )


_DTYPES: set[int] = set()  # ids of numpy's classes of dtypes


# ------------------------------------------------------------------------------------------------ pandas


def _column(values: Any) -> Any:
    """Return the array of a series or an index as a part."""
    import numpy as np

    return _Plain(np.asarray(values)) if isinstance(values.dtype, np.dtype) else values.array


def _split_index(index: Any) -> tuple[Any, ...]:
    from pandas.tseries.frequencies import to_offset

    freq = getattr(index, "freq", None)
    text = freq.freqstr if freq is not None else None
    return _column(index), index.name, text if text and to_offset(text) == freq else None


def _make_index(parts: list[Any]) -> Any:
    import pandas as pd

    values, name, freq = parts
    _check_keys((name,))
    if values.dtype == object:
        _check_keys(values.tolist())
    index = pd.Index(values, dtype=values.dtype, name=name, tupleize_cols=False)
    if freq is not None:
        if len(freq) > 64:
            raise CodecError("an index cannot have that frequency")
        index.freq = freq
    return index


def _make_range_index(parts: list[Any]) -> Any:
    import pandas as pd

    *bounds, name = parts
    _check_keys((name,))
    return pd.RangeIndex(*bounds, name=name)


def _spelled_out(index: Any) -> Any:
    """Return an index that is no range: here pandas would make every item, however many."""
    import numpy as np
    import pandas as pd

    return pd.Index(np.asarray(index), name=index.name) if type(index) is pd.RangeIndex else index


def _split_multi_index(index: Any) -> tuple[Any, ...]:
    import numpy as np

    codes = (_Plain(np.asarray(code)) for code in index.codes)
    return tuple(index.names), *chain.from_iterable(zip(map(_spelled_out, index.levels), codes, strict=True))


def _make_multi_index(parts: list[Any]) -> Any:
    import numpy as np
    import pandas as pd

    names, *rest = parts
    levels, codes = rest[::2], rest[1::2]
    _check_keys(names)
    if np.ndarray in map(type, levels) or any(type(code) is not np.ndarray for code in codes):
        raise CodecError("a MultiIndex cannot have these parts")
    return pd.MultiIndex(levels=levels, codes=codes, names=names)


def _split_masked(array: Any) -> tuple[Any, ...]:
    return _Plain(array.to_numpy(array.dtype.numpy_dtype, na_value=0)), _Plain(array.isna())


def _split_strings(array: Any) -> tuple[Any, ...] | None:
    import numpy as np

    items, missing = array.tolist(), array.isna()
    if missing.any():
        there = [item for item, gone in zip(items, missing.tolist(), strict=True) if not gone]
    else:
        there = items
    if not set(map(id, map(type, there))) <= _TEXT:
        return None
    sizes = np.full(len(items), -1, "<i4")
    sizes[~missing] = list(map(len, there))
    dtype = array.dtype
    return "".join(there), _Plain(sizes), dtype.storage, type(dtype.na_value) is float


def _make_strings(parts: list[Any]) -> Any:
    import numpy as np
    import pandas as pd

    text, sizes, storage, as_nan = parts
    if sizes.dtype != "<i4" or sizes.ndim != 1 or sizes[sizes > 0].sum(dtype=np.int64) != len(text):
        raise CodecError("a column of strings cannot have these lengths")
    ends = np.maximum(sizes, 0).cumsum(dtype=np.int64).tolist()
    items: list[str | None] = [text[start:end] for start, end in pairwise([0, *ends])]
    for place in np.flatnonzero(sizes < 0).tolist():
        items[place] = None
    return pd.array(items, dtype=pd.StringDtype(storage, na_value=np.nan if as_nan else pd.NA))


def _split_category(array: Any) -> tuple[Any, ...]:
    return _Plain(array.codes), _spelled_out(array.categories), bool(array.ordered)


def _make_category(parts: list[Any]) -> Any:
    import pandas as pd

    codes, categories, ordered = parts
    return pd.Categorical.from_codes(codes, categories=categories, ordered=ordered)


def _split_dates(array: Any) -> tuple[Any, ...]:
    import numpy as np

    return _Plain(np.asarray(array, f"M8[{array.unit}]")), array.tz


def _at_zone(stamps: Any, zone: Any) -> Any:
    """Return naive stamps, which are in UTC, as stamps of a time zone."""
    return stamps if zone is None else stamps.tz_localize("UTC").tz_convert(zone)


def _series(values: Any, index: Any, name: Any = None) -> Any:
    import pandas as pd

    _check_keys((name,))
    return pd.Series(values, index=index, name=name, dtype=values.dtype)


def _split_frame(frame: Any) -> tuple[Any, ...]:
    return frame.columns, frame.index, *(_column(column) for _, column in frame.items())


def _make_frame(parts: list[Any]) -> Any:
    import pandas as pd

    columns, index, *arrays = parts
    if len(columns) != len(arrays):
        raise CodecError("a frame cannot have these columns")
    frame = pd.DataFrame({place: _series(array, index) for place, array in enumerate(arrays)}, index=index)
    frame.columns = columns
    return frame


def _start_over(old: Any, new: Any) -> None:
    type(old).__init__(old, new)


def _pandas() -> Iterable[_Kind]:
    import numpy as np
    import pandas as pd

    kept = pd.arrays
    masked = (kept.IntegerArray, kept.FloatingArray, kept.BooleanArray)
    strings = (kept.StringArray, kept.ArrowStringArray)
    arrays = (np.ndarray, pd.Categorical, kept.DatetimeArray, kept.TimedeltaArray, *masked, *strings)
    simple = (pd.Index, pd.DatetimeIndex, pd.TimedeltaIndex, pd.CategoricalIndex)
    indexes = (*simple, pd.RangeIndex, pd.MultiIndex)
    yield _value(
        pd.DataFrame,
        _split_frame,
        indexes,
        indexes,
        rest=arrays,
        make=_make_frame,
        move=_start_over,
        cost=200,
    )
    yield _value(
        pd.Series,
        lambda series: (_column(series), series.index, series.name),
        arrays,
        indexes,
        None,
        make=lambda parts: _series(*parts),
        move=_start_over,
        cost=100,
    )
    yield _value(simple, _split_index, arrays, None, (str, types.NoneType), make=_make_index, cost=50)
    yield _value(
        pd.RangeIndex,
        _attributes("start", "stop", "step", "name"),
        int,
        int,
        int,
        None,
        make=_make_range_index,
        cost=20,
    )
    yield _value(
        pd.MultiIndex,
        _split_multi_index,
        tuple,
        rest=(np.ndarray, *simple),
        make=_make_multi_index,
        cost=200,
    )
    for kind in masked:
        yield _value(kind, _split_masked, np.ndarray, np.ndarray, cost=50)
    yield _value(strings, _split_strings, str, np.ndarray, str, bool, make=_make_strings, cost=50)
    yield _value(pd.Categorical, _split_category, np.ndarray, simple, bool, make=_make_category, cost=100)
    yield _value(
        kept.DatetimeArray,
        _split_dates,
        np.ndarray,
        _ZONES,
        make=lambda parts: _at_zone(pd.DatetimeIndex(parts[0]), parts[1]).array,
        cost=100,
    )
    yield _value(
        kept.TimedeltaArray,
        lambda array: (_Plain(np.asarray(array)),),
        np.ndarray,
        make=lambda parts: pd.TimedeltaIndex(*parts).array,
        cost=50,
    )
    yield _value(
        pd.Timestamp,
        _attributes("asm8", "tzinfo"),
        np.datetime64,
        _ZONES,
        make=lambda parts: _at_zone(pd.Timestamp(parts[0]), parts[1]),
        cost=5,
    )
    yield _value(pd.Timedelta, _attributes("asm8"), np.timedelta64, cost=5)
    yield _singleton(pd.NaT)
    yield _singleton(pd.NA)


# ----------------------------------------------------------------------------------------- scipy and torch


def _split_sparse(matrix: Any) -> tuple[Any, ...]:
    return *(_Plain(part) for part in (matrix.data, matrix.indices, matrix.indptr)), matrix.shape


def _make_sparse(kind: type) -> Callable[[list[Any]], Any]:
    def make(parts: list[Any]) -> Any:
        data, indices, starts, shape = parts
        if (
            data.dtype.char == "O"
            or indices.dtype.kind != "i"
            or starts.dtype.kind != "i"
            or not _naturals(shape)
        ):
            raise CodecError("a sparse matrix cannot have these parts")
        matrix: Any = kind((data, indices, starts), shape=shape)
        matrix.check_format(full_check=True)  # an index out of bounds would read foreign memory
        return matrix

    return make


def _scipy() -> Iterable[_Kind]:
    import numpy as np
    from scipy import sparse  # type: ignore[import-untyped]

    for kind in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.csc_array):
        yield _value(
            kind,
            _split_sparse,
            np.ndarray,
            np.ndarray,
            np.ndarray,
            tuple,
            make=_make_sparse(kind),
            move=_start_over,
            cost=200,
        )


def _split_tensor(tensor: Any) -> tuple[Any, ...] | None:
    try:
        return _Plain(tensor.detach().resolve_conj().resolve_neg().numpy()), tensor.requires_grad
    except TypeError:  # on another device, sparse, or of a dtype that numpy lacks
        return None


def _make_tensor(parts: list[Any]) -> Any:
    return sys.modules["torch"].from_numpy(parts[0]).requires_grad_(parts[1])


def _move_tensor(old: Any, new: Any) -> None:
    old.detach().copy_(new.detach())


def _torch() -> Iterable[_Kind]:
    import numpy as np

    torch = sys.modules["torch"]  # never imported for a message: that takes seconds
    yield _value(
        torch.Tensor,
        _split_tensor,
        np.ndarray,
        bool,
        make=_make_tensor,
        move=_move_tensor,
        fits=lambda old, new: old.shape == new.shape and old.dtype is new.dtype,
        cost=20,
    )


# ------------------------------------------------------------------------------------------------- tables

# Where the tags of each library's kinds begin. Its kinds are made when a value of it is first met.
_LIBRARIES: dict[str, tuple[int, Callable[[], Iterable[_Kind]]]] = {
    "numpy": (0x40, _numpy),
    "pandas": (0x60, _pandas),
    "scipy.sparse": (0x80, _scipy),
    "torch": (0xA0, _torch),
}
_LEARNED: set[str] = set()
_KINDS: dict[int, _Entry] = {}
_TAGGED: dict[int, _Kind] = {}


def _learn(first: int, kinds: Iterable[_Kind]) -> None:
    for tag, kind in enumerate(kinds, first):
        _TAGGED[tag] = kind
        for known in kind.types:
            _KINDS[id(known)] = _Entry(tag, kind)


def _learn_library(name: str) -> None:
    first, kinds = _LIBRARIES[name]
    _learn(first, list(kinds()))
    _LEARNED.add(name)


def _entry(kind: type) -> _Entry | None:
    """Return how a type crosses; None if its values stay behind a handle."""
    found = _KINDS.get(id(kind))
    if found is None:
        # A value of a library cannot be met before the library is loaded.
        for name in _LIBRARIES.keys() - _LEARNED:
            if sys.modules.get(name) is not None:
                _learn_library(name)
        found = _KINDS.get(id(kind))
    return found


def _tagged(tag: int) -> _Kind:
    """Return the kind that a tag stands for."""
    if tag not in _TAGGED:
        for name, (first, _) in _LIBRARIES.items():
            if first <= tag < first + 32 and name not in _LEARNED:
                try:
                    _learn_library(name)
                except (ImportError, KeyError, AttributeError) as error:
                    raise CodecError(f"the message needs {name}, which is not here") from error
    if tag not in _TAGGED:
        raise CodecError(f"the message has an unknown tag, {tag}")
    return _TAGGED[tag]


_learn(0x10, _language())
