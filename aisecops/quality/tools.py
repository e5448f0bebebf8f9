"""Whether each tool of the roadmap is used in a month that fits it. What fits stands in ``tools.yaml``."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aisecops.build import START, names
from aisecops.build.read import cell_lines
from aisecops.course import CourseError
from aisecops.quality.finding import Finding
from aisecops.roadmap import Roadmap, load

_FACTS = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Tool:
    """What is known of a tool: the ``months`` it fits, by id, and the modules whose import shows its use."""

    id: str
    name: str
    months: tuple[str, ...]
    imports: tuple[str, ...]
    licence: str
    status: str


def check(course: Path) -> list[Finding]:
    """Report tools that no fitting month uses: as a fault once all of these are written, else as a note."""
    roadmap = load(course / "roadmap.yaml")
    written = {roadmap.month(name).id for name in names(course) if name != START}
    used = {tool for tools in uses(course, roadmap).values() for tool in tools}
    findings, planned = [], []
    for tool in tools(roadmap):
        if tool.id in used:
            continue
        if missing := [month for month in tool.months if month not in written]:
            planned.append(f"{tool.name} ({' or '.join(missing)})")
        else:
            where = f"notebooks/{roadmap.notebook(tool.months[-1])}.py:1"
            sentence = f"{tool.name} fits here, and no month uses it: work with it"
            findings.append(Finding(where, "tools", sentence))
    if planned:
        sentence = f"no month uses these tools yet; those that fit are not written: {', '.join(planned)}"
        findings.append(Finding("roadmap.yaml:1", "tools", sentence, note=True))
    return findings


def tools(roadmap: Roadmap) -> list[Tool]:
    """Return all tools of the roadmap, in its order.

    Raises:
        CourseError: ``tools.yaml`` lacks one, has one too many, or names a month that does not exist.
    """
    named = {
        tool.id: tool.name
        for family in roadmap.tools
        for purpose in family.purposes
        for tool in purpose.tools
    }
    facts = _facts()
    if odd := sorted(named.keys() ^ facts.keys()):
        raise CourseError(
            f"{_FACTS.name}:1: {odd[0]} is not in both roadmap.yaml and {_FACTS.name}: add or delete it"
        )
    known = {month.id for month in roadmap.months}
    found = []
    for id_, name in named.items():
        fact = facts[id_]
        if stranger := [month for month in fact["months"] if month not in known]:
            raise CourseError(
                f"{_FACTS.name}:1: {id_} names the month {stranger[0]}, which the roadmap lacks"
            )
        found.append(
            Tool(id_, name, tuple(fact["months"]), tuple(fact["imports"]), fact["licence"], fact["status"])
        )
    return found


def uses(course: Path, roadmap: Roadmap) -> dict[str, tuple[str, ...]]:
    """Return the ids of the tools that each written month uses, by the month's id."""
    by_month = {}
    for name in names(course):
        if name != START:
            path = course / "notebooks" / f"{name}.py"
            modules = {
                module
                for _, cell in cell_lines(path, path.read_text(encoding="utf-8"))
                for module in _modules(cell)
            }
            by_month[roadmap.month(name).id] = tuple(
                tool.id for tool in tools(roadmap) if modules.intersection(tool.imports)
            )
    return by_month


def _modules(cell) -> Iterator[str]:  # type: ignore[no-untyped-def]
    """Yield the modules a code cell imports: the first part of the name, or of a bench in the toolbox."""
    if cell.cell_type != "code":
        return
    lines = ("pass" if line.startswith(("%", "!")) else line for line in cell.source.splitlines())
    for node in ast.walk(ast.parse("\n".join(lines))):
        found = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        for module in found:
            yield module.removeprefix("aisecops.toolbox.").partition(".")[0]


@cache
def _facts() -> dict[str, dict]:  # type: ignore[type-arg]
    import yaml

    facts: dict[str, dict] = yaml.safe_load(_FACTS.read_text(encoding="utf-8"))  # type: ignore[type-arg]
    for id_, fact in facts.items():
        if set(fact) != {"months", "imports", "licence", "status"}:
            raise CourseError(
                f"{_FACTS.name}:1: {id_} needs months, imports, licence and status, and nothing else"
            )
    return facts
