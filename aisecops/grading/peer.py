"""The conversation between the trusted process and the student process: questions, answers, call-backs.

Both sides are alike. Whoever asks waits for the answer, and meanwhile answers what the other side asks
back, as a call-back does. Everything that crosses goes through the codec; an error crosses as the names of
its types and its arguments, and is rebuilt from a type that the reader already has.
"""

import builtins
import math
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

from aisecops.grading.codec import Codec, CodecError, Handle, Message, Owner, describe

_HEAD = struct.Struct("!cII")
_LARGEST = 256 << 20
_CHUNK = 1 << 16
_PLAIN = (str, int, float, bool, type(None))


class GoneError(RuntimeError):
    """The other side has ended, takes too long, or does not speak the protocol."""


# No error of the other side's may look like the end of the conversation, or end a loop on this side.
_NEVER = (GoneError, StopIteration, StopAsyncIteration)


class Peer:
    """One end of the conversation.

    Args:
        channel: the socket to the other side.
        side: who this is.
        verbs: what the other side may ask, by name; each takes the values of the question.
        may_stay: whether an object that no value can carry may be handed over as a handle.
        stand_in: makes what stands here for an object of the other side.
        types: where error types that are not built in are looked up by name.
    """

    def __init__(
        self,
        channel: socket.socket,
        side: Owner,
        verbs: Mapping[str, Callable[..., Any]],
        may_stay: Callable[[object], bool],
        stand_in: Callable[["Peer", Handle], object],
        types: Mapping[str, Any],
    ) -> None:
        self._channel = channel
        self._side: Owner = side
        self._verbs = verbs
        self._may_stay = may_stay
        self._stand_in = stand_in
        self._types = types
        self._handed_out: list[object] = []
        self._numbers: dict[int, int] = {}
        self._met: dict[int, object] = {}
        self._home: dict[int, Handle] = {}
        self._codec = Codec(self._export, self._resolve)
        self._gone = ""
        self._buffer = bytearray()
        self._patience: int | None = None
        self.deadline = float("inf")

    def ask(self, verb: str, *values: object) -> Any:
        """Ask the other side and return its answer.

        Mutable values that the other side changes are changed here as well.

        Raises:
            GoneError: there will be no answer.
            Exception: what the other side raised.
        """
        if self._gone:
            raise GoneError(self._gone)
        question = self._codec.dumps((verb, values))
        self._send(b"Q", b"", question.data)
        while True:
            kind, changes, body = self._receive()
            if kind == b"Q":
                self._answer(body)
                continue
            try:
                answer = self._codec.loads(body).value
            except CodecError as error:
                raise self._end(f"what came back cannot be read: {error}") from None
            try:
                self._codec.apply(question, changes)
            except CodecError as error:
                raise ValueError(
                    f"what the answer did to its arguments cannot be done here: {error}"
                ) from None
            if kind == b"E":
                raise self._error(answer)
            return answer

    def has_handed_out(self, value: object) -> bool:
        """Tell whether an object of this side is known to the other side, as a handle."""
        return id(value) in self._numbers

    def serve(self) -> None:
        """Answer questions until the other side hangs up."""
        while True:
            try:
                kind, _, body = self._receive()
            except GoneError:
                return
            if kind != b"Q":
                return
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        try:
            question = self._codec.loads(body)
            verb, values = question.value
            serve = self._verbs[verb]
        except (CodecError, ValueError, TypeError, KeyError) as error:
            raise self._end(f"what was asked cannot be read: {error}") from None
        try:
            answer, kind = self._codec.dumps(serve(*values), "the answer"), b"A"
        except GoneError:
            raise
        except BaseException as error:
            answer, kind = self._codec.dumps(_describe_error(error)), b"E"
        self._send(kind, self._changes(question), answer.data)

    def _changes(self, question: Message) -> bytes:
        try:
            return self._codec.changes(question)
        except CodecError:
            return b""  # an argument now holds what cannot cross: the other side keeps its own

    def _send(self, kind: bytes, changes: bytes, body: bytes) -> None:
        try:
            self._channel.sendall(_HEAD.pack(kind, len(changes), len(body)) + changes + body)
        except OSError as error:
            raise self._end(f"it has ended ({error.strerror or error})") from None

    def _receive(self) -> tuple[bytes, bytes, bytes]:
        kind, changes, body = _HEAD.unpack(self._read(_HEAD.size))
        if kind not in b"QAE" or changes + body > _LARGEST:
            raise self._end("it does not speak the protocol")
        return kind, self._read(changes), self._read(body)

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise self._end("it ran longer than it may")
            # In whole seconds, for each change costs a system call.
            patience = None if left == float("inf") else math.ceil(left)
            try:
                if patience != self._patience:
                    self._channel.settimeout(patience)
                    self._patience = patience
                part = self._channel.recv(max(size - len(self._buffer), _CHUNK))
            except TimeoutError:
                continue
            except OSError as error:
                raise self._end(f"it has ended ({error.strerror or error})") from None
            if not part:
                raise self._end("it has ended")
            self._buffer += part
        found = bytes(self._buffer[:size])
        del self._buffer[:size]
        return found

    def _end(self, why: str) -> GoneError:
        self._gone = self._gone or f"the process with the answers is gone: {why}"
        self._channel.close()
        return GoneError(self._gone)

    def _export(self, value: object) -> Handle:
        if id(value) in self._home:
            return self._home[id(value)]
        if not self._may_stay(value):
            raise CodecError(f"{describe(value)} cannot be handed to the other side")
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._handed_out)
            self._handed_out.append(value)
        return Handle(number, self._side, describe(value))

    def _resolve(self, handle: Handle) -> object:
        if handle.owner == self._side:
            if handle.id >= len(self._handed_out):
                raise CodecError("a handle names nothing that was handed out")
            return self._handed_out[handle.id]
        if handle.id not in self._met:
            met = self._met[handle.id] = self._stand_in(self, handle)
            self._home[id(met)] = handle
        return self._met[handle.id]

    def _error(self, told: Any) -> BaseException:
        """Rebuild an error from the first of its types that is known here."""
        try:
            names, arguments = told
            for module, name in names:
                kind = vars(builtins).get(name) if module == "builtins" else self._types.get(name)
                if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, _NEVER):
                    return kind(*arguments)
        except (TypeError, ValueError):
            pass
        return RuntimeError(str(told))


def _describe_error(error: BaseException) -> tuple[list[tuple[str, str]], tuple[Any, ...]]:
    names = [(str(kind.__module__), kind.__name__) for kind in type(error).__mro__]
    if not isinstance(error, Exception):  # SystemExit and the like end a cell, not the grading
        return [("builtins", "RuntimeError")], (f"{type(error).__name__}: {error}",)
    arguments = error.args
    if not all(type(argument) in _PLAIN for argument in arguments):
        arguments = (str(error),)
    return names, arguments
