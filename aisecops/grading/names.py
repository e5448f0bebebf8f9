"""Which names a piece of code binds and uses."""

import ast
import dis
import threading
import types
from collections.abc import Collection
from functools import lru_cache

_parsing = threading.Lock()


def parse(source: str) -> ast.Module:
    """Return the syntax tree of a piece of code, for one thread at a time.

    CPython 3.11 counts how deep a tree is in one place for all threads, and raises SystemError when two of
    them build one at the same time.

    Raises:
        SyntaxError, ValueError: it is no Python.
    """
    with _parsing:
        return ast.parse(source)


@lru_cache(maxsize=1024)
def python_of(source: str) -> str:
    """Return a cell as Python, with IPython's own lines, such as ``%precision 3``, as calls."""
    try:
        parse(source)
    except (SyntaxError, ValueError):
        from IPython.core.inputtransformer2 import TransformerManager

        try:
            return str(TransformerManager().transform_cell(source))
        except (SyntaxError, ValueError):
            pass
    return source


@lru_cache(maxsize=1024)
def defined(source: str) -> tuple[str, ...]:
    """Return the names that a cell binds at its top level, in order; none if it is not Python."""
    try:
        body = parse(python_of(source)).body
    except (SyntaxError, ValueError):
        return ()
    names = [name for statement in body for name in sorted(bound(statement))]
    return tuple(dict.fromkeys(names))


@lru_cache(maxsize=1024)
def stored(source: str) -> frozenset[str]:
    """Return the names that a cell binds when it runs, imports included; none if it is not Python."""
    try:
        code = compile(python_of(source), "cell", "exec")
    except (SyntaxError, ValueError):
        return frozenset()
    return frozenset(step.argval for step in dis.get_instructions(code) if step.opname == "STORE_NAME")


def bound(statement: ast.stmt) -> set[str]:
    """Return the names that a statement binds."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    return {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def mentions(node: ast.AST, names: Collection[str]) -> bool:
    """Tell whether code uses one of the names."""
    return any(isinstance(part, ast.Name) and part.id in names for part in ast.walk(node))


@lru_cache(maxsize=1024)
def free(source: str) -> frozenset[str]:
    """Return the names that a cell reads before it binds them itself; functions read when they are made."""
    try:
        code = compile(python_of(source), "cell", "exec")
    except (SyntaxError, ValueError):
        return frozenset()
    own: set[str] = set()
    found: set[str] = set()
    for step in dis.get_instructions(code):
        if step.opname == "STORE_NAME":
            own.add(step.argval)
        elif step.opname == "LOAD_NAME":
            found |= {step.argval} - own
        elif isinstance(step.argval, types.CodeType):
            found |= _globals(step.argval) - own
    return frozenset(found)


def _globals(code: types.CodeType) -> set[str]:
    """Return the global names that a function uses, and those inside it."""
    names = {
        step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    return names.union(*(_globals(part) for part in code.co_consts if isinstance(part, types.CodeType)))
