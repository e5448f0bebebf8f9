"""Turns functions into ones that know by heart what they were asked before, and nothing else."""

import copy
import inspect
import io
import pickle
import types
from collections.abc import Callable
from typing import Any


class Memory:
    """Records the calls of some functions, then answers from that record.

    A call that was never recorded gets the answer to the first one: that is all a learner by heart can do.

    Args:
        namespace: where the functions stand by name, and are replaced.
        names: which of them.
    """

    def __init__(self, namespace: dict[str, Any], names: tuple[str, ...]) -> None:
        self._namespace = namespace
        self.functions = {
            name: function
            for name in names
            if isinstance(function := namespace.get(name), types.FunctionType)
            and inspect.signature(function).parameters
        }
        self._known: dict[str, dict[bytes, tuple[str, Any]]] = {name: {} for name in self.functions}

    def record(self) -> None:
        """Note from now on what each call returns or raises."""
        for name, function in self.functions.items():
            self._namespace[name] = self._recorder(name, function)

    def replay(self) -> None:
        """Answer from memory from now on."""
        for name in self.functions:
            self._namespace[name] = self._replayer(name)

    def _recorder(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def recorder(*args: Any, **kwargs: Any) -> Any:
            key = _fingerprint((args, kwargs))
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                self._known[name].setdefault(key, ("raises", error))
                raise
            self._known[name].setdefault(key, ("returns", copy.deepcopy(result)))
            return result

        return recorder

    def _replayer(self, name: str) -> Callable[..., Any]:
        known = self._known[name]

        def replayer(*args: Any, **kwargs: Any) -> Any:
            if not known:
                raise NotImplementedError("no visible check asks this")
            default = next(
                (told for told in known.values() if told[0] == "returns"), next(iter(known.values()))
            )
            told, value = known.get(_fingerprint((args, kwargs)), default)
            if told == "raises":
                raise value
            return copy.deepcopy(value)

        return replayer


def _fingerprint(value: Any) -> bytes:
    """Return bytes that are the same for equal arguments; functions all look the same."""
    buffer = io.BytesIO()
    try:
        _Pickler(buffer).dump(value)
    except Exception:
        return b"cannot tell"
    return buffer.getvalue()


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, types.FunctionType):
            return str, ("a function",)
        return NotImplemented
