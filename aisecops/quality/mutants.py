"""Changes a solution in the small ways in which people err, to see whether the tests notice.

Mutation testing as in DeMillo, Lipton & Sayward, *Hints on Test Data Selection* (1978). The tools for it
(mutmut, cosmic-ray) mutate modules on disk and run a test command for each; here a mutant is the text of
one notebook cell, and only what learners write in it changes.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

from aisecops.grading.names import bound, mentions

_OPPOSITE: dict[type, type] = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_BOUNDARY: dict[type, type] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_ARITHMETIC: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
_COUNTERPART = {
    "min": "max", "max": "min", "any": "all", "all": "any",
    "startswith": "endswith", "endswith": "startswith",
    "union": "intersection", "intersection": "union", "lower": "upper", "upper": "lower",
    "argmin": "argmax", "argmax": "argmin", "floor": "ceil", "ceil": "floor",
}  # fmt: skip
# Functions that give the same for arguments in any order. (And float() is never removed: to a test, NumPy's
# numbers are floats.)
_SYMMETRIC = {"min", "max", "isclose", "logaddexp", "gcd"}


@dataclass(frozen=True)
class Mutant:
    """One changed solution.

    Attributes:
        operator: the kind of change, such as ``boundary``.
        line: where in the cell, counted from 1.
        before: the changed line as it was, or what was cut from it; ``after`` as it is.
        source: the whole cell.
        names: what the changed statement defines, and what else in the cell uses that.
    """

    operator: str
    line: int
    before: str
    after: str
    source: str
    names: frozenset[str]


def mutants(source: str) -> list[Mutant]:
    """Return all mutants of a solution cell, each text once, in the order of the cell.

    Only what stands between BEGIN SOLUTION and END SOLUTION changes.

    Args:
        source: the cell, valid Python without magics.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    editable = _solution_lines(source)
    text = _Text(source)
    seen = {ast.dump(tree)}
    found = []
    for statement in tree.body:
        names = bound(statement) | _users(tree, bound(statement))
        for node in _nodes(statement):
            if not editable.issuperset(range(node.lineno, (node.end_lineno or node.lineno) + 1)):
                continue
            for operator, replacement in _changes(node):
                changed = text.replace(node, replacement)
                try:
                    shape = ast.dump(ast.parse(changed))
                except SyntaxError:
                    continue
                if shape not in seen:
                    seen.add(shape)
                    before, after = _difference(source, changed)
                    found.append(Mutant(operator, node.lineno, before, after, changed, frozenset(names)))
    return sorted(found, key=lambda mutant: mutant.line)


def _solution_lines(source: str) -> set[int]:
    lines: set[int] = set()
    inside = False
    for number, line in enumerate(source.splitlines(), 1):
        if "END SOLUTION" in line:
            inside = False
        if inside:
            lines.add(number)
        if "BEGIN SOLUTION" in line:
            inside = True
    return lines


def _users(tree: ast.Module, names: set[str]) -> set[str]:
    """Return what the cell defines with the help of these names."""
    users: set[str] = set()
    while True:
        more = {
            name for statement in tree.body if mentions(statement, names | users) for name in bound(statement)
        } - users
        if not more:
            return users
        users |= more


def _nodes(statement: ast.stmt) -> Iterator[ast.expr | ast.stmt]:
    """Walk over what may be changed: no text of messages, no docstring, no annotation."""
    skipped: set[int] = set()
    for node in ast.walk(statement):
        if id(node) in skipped:
            skipped.update(map(id, ast.iter_child_nodes(node)))
            continue
        if (
            isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module))
            and ast.get_docstring(node) is not None
        ):
            skipped.add(id(node.body[0]))
        if isinstance(node, ast.FunctionDef) and node.returns:
            skipped.add(id(node.returns))
        if isinstance(node, (ast.arg, ast.AnnAssign)) and node.annotation:
            skipped.add(id(node.annotation))
        if isinstance(node, (ast.JoinedStr, ast.Raise)):
            skipped.update(map(id, ast.iter_child_nodes(node)))
        if isinstance(node, (ast.expr, ast.stmt)):
            yield node


Change = tuple[str, "ast.AST | str"]


def _changes(node: ast.expr | ast.stmt) -> Iterator[Change]:
    """Yield what a node may become, each with the operator's name."""
    match node:
        case ast.Compare():
            for n, op in enumerate(node.ops):
                for operator, table in (("boundary", _BOUNDARY), ("comparison", _OPPOSITE)):
                    if type(op) in table:
                        ops = [*node.ops[:n], table[type(op)](), *node.ops[n + 1 :]]
                        yield operator, ast.Compare(node.left, ops, node.comparators)
        case ast.BoolOp():
            yield "and-or", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            for n in range(len(node.values)):
                rest = node.values[:n] + node.values[n + 1 :]
                yield "dropped condition", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            yield "negation", node.operand
        case ast.BinOp() if type(node.op) in _ARITHMETIC and not _is_text(node):
            yield "arithmetic", ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)
        case ast.AugAssign():
            if type(node.op) in _ARITHMETIC:
                yield "arithmetic", ast.AugAssign(node.target, _ARITHMETIC[type(node.op)](), node.value)
            yield "removed statement", "pass"
        case ast.Constant():
            yield from _constants(node.value)
        case ast.Call():
            yield from _calls(node)
        case ast.Name(id=name, ctx=ast.Load()) if name in _COUNTERPART:
            yield "counterpart", ast.Name(_COUNTERPART[name], ast.Load())
        case ast.Attribute(attr=name) if name in _COUNTERPART:
            yield "counterpart", ast.Attribute(node.value, _COUNTERPART[name], node.ctx)
        case ast.IfExp():
            yield "dropped branch", node.body
            yield "dropped branch", node.orelse
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            for n, generator in enumerate(node.generators):
                for k in range(len(generator.ifs)):
                    fewer = copy.deepcopy(node)
                    del fewer.generators[n].ifs[k]
                    yield "dropped condition", fewer
        case ast.Slice():
            if node.lower:
                yield "slice", ast.Slice(None, node.upper, node.step)
            if node.upper:
                yield "slice", ast.Slice(node.lower, None, node.step)
                more = ast.BinOp(node.upper, ast.Add(), ast.Constant(1))
                yield "off by one", ast.Slice(node.lower, more, node.step)
        case ast.If():
            yield "negated condition", ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
            yield "dropped branch", ast.If(node.test, [ast.Pass()], node.orelse)
            if node.orelse:
                yield "dropped branch", ast.If(node.test, node.body, [])
        case ast.For():
            yield "loop never", ast.For(node.target, ast.List([], ast.Load()), node.body, node.orelse)
        case ast.While():
            yield "loop never", ast.While(ast.Constant(False), node.body, node.orelse)
        case ast.Return(value=value) if value is not None and not _is_none(value):
            yield "returned default", ast.Return(ast.Constant(None))
        case ast.Break():
            yield "break-continue", "continue"
        case ast.Continue():
            yield "break-continue", "break"
        case ast.Raise() | ast.Delete() | ast.Expr(value=ast.Call()):
            yield "removed statement", "pass"
        case ast.Assign() if all(isinstance(t, (ast.Subscript, ast.Attribute)) for t in node.targets):
            yield "removed statement", "pass"


def _constants(value: object) -> Iterator[Change]:
    if isinstance(value, bool):
        yield "constant", ast.Constant(not value)
    elif isinstance(value, int):
        yield "off by one", ast.Constant(value + 1)
        # In brackets: a bare -1 would bind otherwise, in 0 ** 2 for one.
        yield "off by one", ast.Constant(value - 1) if value else "(-1)"
    elif isinstance(value, float):
        yield "constant", ast.Constant(value * 2 if value else 1.0)
    elif isinstance(value, str):
        yield "constant", ast.Constant("" if value else "mutant")


def _calls(node: ast.Call) -> Iterator[Change]:
    plain = not any(isinstance(argument, ast.Starred) for argument in node.args)
    called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if plain:
        for n in range(len(node.args) - 1) if called not in _SYMMETRIC else ():
            arguments = [*node.args[:n], node.args[n + 1], node.args[n], *node.args[n + 2 :]]
            yield "swapped arguments", ast.Call(node.func, arguments, node.keywords)
        if len(node.args) > 1:
            yield "dropped argument", ast.Call(node.func, node.args[:-1], node.keywords)
        if called == "range":
            for op in (ast.Add(), ast.Sub()):
                last = node.args[-1]
                if not isinstance(last, ast.Constant):
                    more = ast.BinOp(last, op, ast.Constant(1))
                    yield "off by one", ast.Call(node.func, [*node.args[:-1], more], [])
    for n in range(len(node.keywords)):
        yield "dropped argument", ast.Call(node.func, node.args, node.keywords[:n] + node.keywords[n + 1 :])
    if isinstance(node.func, ast.Name) and len(node.args) == 1 and plain and called != "float":
        yield "removed call", node.args[0]
    if isinstance(node.func, ast.Attribute) and isinstance(
        node.func.value, (ast.Call, ast.Attribute, ast.Name)
    ):
        yield "removed call", node.func.value


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _is_text(node: ast.BinOp) -> bool:
    """Tell whether an addition or a ``%`` obviously joins text: its mutants only raise TypeErrors."""
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


class _Text:
    """The cell's text, in which a node can be replaced while the rest keeps its form."""

    def __init__(self, source: str) -> None:
        self._bytes = source.encode()
        self._starts = [0]
        for line in self._bytes.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def replace(self, node: ast.expr | ast.stmt, replacement: "ast.AST | str") -> str:
        text = (
            replacement
            if isinstance(replacement, str)
            else ast.unparse(ast.fix_missing_locations(replacement))
        )
        if isinstance(node, ast.expr) and not isinstance(node, ast.Slice) and _binds_loosely(replacement):
            text = f"({text})"
        if isinstance(node, ast.stmt):
            text = text.replace("\n", "\n" + " " * node.col_offset)
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[end_line - 1] + end_column
        return (self._bytes[:start] + text.encode() + self._bytes[end:]).decode()


_TIGHT = (
    ast.Name, ast.Constant, ast.Call, ast.Attribute, ast.Subscript, ast.List, ast.Dict, ast.Set,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip


def _binds_loosely(replacement: "ast.AST | str") -> bool:
    """Tell whether an expression needs brackets where a tighter one stood."""
    return not isinstance(replacement, (str, *_TIGHT))


def _difference(before: str, after: str) -> tuple[str, str]:
    """Return the changed part of both texts, as whole lines joined by one blank."""
    old, new = before.splitlines(), after.splitlines()
    first = next(n for n in range(max(len(old), len(new))) if old[n : n + 1] != new[n : n + 1])
    tail = 0
    while tail < min(len(old), len(new)) - first and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return tuple(  # type: ignore[return-value]
        " ".join(" ".join(lines[first : len(lines) - tail]).split()) for lines in (old, new)
    )
