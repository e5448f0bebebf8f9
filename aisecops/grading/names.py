"""Which names a piece of code binds and uses."""

import ast
from collections.abc import Collection


def defined(source: str) -> tuple[str, ...]:
    """Return the names that a cell binds at its top level, in order; none if it is not Python."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return ()
    names = [name for statement in body for name in sorted(bound(statement))]
    return tuple(dict.fromkeys(names))


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
