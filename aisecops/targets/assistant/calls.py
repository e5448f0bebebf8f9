"""Tool calls: from the model's text to a name and arguments, without running any of the text."""

import ast
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

Value = str | int | float | bool

_LONGEST = 2000  # characters; a model's call has some fifty


@dataclass(frozen=True)
class Call:
    """A tool's name, and its arguments by keyword. As text it is what the model writes to call the tool."""

    name: str
    arguments: Mapping[str, Value]

    def __str__(self) -> str:
        """Return the call as the model writes it: ``lookup(record="order 4821")``."""
        written = (
            f"{name}={json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)}"
            for name, value in self.arguments.items()
        )
        return f"{self.name}({', '.join(written)})"


def parse(text: str) -> Call:
    """Return the call that a text is: a name with literal keyword arguments, such as ``f(a="x", b=2)``.

    Raises:
        ValueError: it is anything else; the text says what is wrong.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"it has more than {_LONGEST} characters")
    try:
        with warnings.catch_warnings():  # on odd escapes in strings; they are not ours
            warnings.simplefilter("ignore")
            node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError("it is not of the form name(key=value)") from None
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise ValueError("it is not of the form name(key=value)")
    if node.args:
        raise ValueError("it has an argument without a keyword")
    arguments: dict[str, Value] = {}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in arguments:
            raise ValueError("it gives an argument twice or by **")
        arguments[keyword.arg] = _literal(keyword.arg, keyword.value)
    return Call(node.func.id, arguments)


def _literal(name: str, node: ast.expr) -> Value:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        value = None
    if not isinstance(value, str | int | float):
        raise ValueError(f"its argument {name} is not a plain text or number")
    return whole(value) if isinstance(value, str) else value


def whole(text: str) -> str:
    """Return a text with ``?`` for half characters (lone surrogates), which no file or database takes."""
    return text.encode("utf-8", "replace").decode("utf-8")
