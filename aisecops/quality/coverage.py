"""The coverage page: objective × exercise × standard × tool, for the whole roadmap, gaps included."""

import html as markup
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aisecops import exercises, standards
from aisecops.build import CATALOGUE
from aisecops.course import write
from aisecops.exercises import Exercise
from aisecops.quality import tools
from aisecops.roadmap import Roadmap, load

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = Path("docs")
_MARKDOWN, _HTML, _PICTURE = (FOLDER / f"coverage.{kind}" for kind in ("md", "html", "png"))


@dataclass(frozen=True)
class Row:
    """One objective: its month, the exercises that teach it, and the tools that its month uses."""

    month: str
    title: str
    written: bool
    objective: str
    text: str
    exercises: tuple[Exercise, ...]
    tools: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The ids of the standards that its exercises map to, each once."""
        return tuple(dict.fromkeys(label for exercise in self.exercises for label in exercise.standards))


def rows(course: Path) -> list[Row]:
    """Return a row for each objective of the roadmap, in its order."""
    roadmap = load(course / "roadmap.yaml")
    catalogue = exercises.load(course / CATALOGUE)
    used = tools.uses(course, roadmap)
    names = {tool.id: tool.name for tool in tools.tools(roadmap)}
    return [
        Row(
            month.id,
            month.title,
            month.id in used,
            objective.id,
            objective.text,
            tuple(exercise for exercise in catalogue if exercise.objective == objective.id),
            tuple(dict.fromkeys(names[tool] for tool in used.get(month.id, ()))),
        )
        for month in roadmap.months
        for objective in month.objectives
    ]


def words(course_rows: list[Row]) -> str:
    """Return what the heat map shows, in one sentence."""
    _, sources, total = _matrix(course_rows)
    most = ", ".join(f"{name} ({count})" for name, count in total.most_common(3))
    written = [row for row in course_rows if row.written]
    return (
        f"Heat map of {len(written)} objectives by {len(sources)} publications: how many exercises of each "
        f"objective map to each publication. Most exercises map to {most}."
    )


def markdown(course: Path) -> str:
    """Return the page as Markdown."""
    table = rows(course)
    lines = [
        "# What the course covers",
        "",
        *_summary(course, table),
        "",
        f"![{words(table)}](coverage.png)",
        "",
    ]
    for month, title in dict.fromkeys((row.month, row.title) for row in table if row.written):
        lines += [
            f"## {month} {title}",
            "",
            "| objective | exercises | standards | tools |",
            "|---|---|---|---|",
        ]
        for row in table:
            if row.month == month:
                taught = "; ".join(f"{e.title} ({e.points:g} points)" for e in row.exercises)
                labels = "; ".join(str(standards.lookup(label)) for label in row.labels)
                lines.append(
                    f"| `{row.objective}` {row.text} | {taught} | {labels} | {'; '.join(row.tools) or '–'} |"
                )
        lines.append("")
    lines += ["## Not written yet", "", "| month | objectives | tools planned |", "|---|---|---|"]
    for month, title, objectives, planned in _to_come(course, table):
        lines.append(f"| {month} {title} | {objectives} | {planned or '–'} |")
    return "\n".join(lines) + "\n"


def html(course: Path) -> str:
    """Return the page as one HTML file that needs nothing else but the picture beside it."""
    table = rows(course)
    e = markup.escape
    body = [
        "<h1>What the course covers</h1>",
        *(f"<p>{e(line.removeprefix('- '))}</p>" for line in _summary(course, table)),
    ]
    body.append(f'<img src="coverage.png" alt="{e(words(table))}">')
    for month, title in dict.fromkeys((row.month, row.title) for row in table if row.written):
        body.append(
            f"<table><caption>{month} {e(title)}</caption>"
            + _head("objective", "exercises", "standards", "tools")
        )
        for row in table:
            if row.month == month:
                taught = [f"{exercise.title} ({exercise.points:g} points)" for exercise in row.exercises]
                labels = [str(standards.lookup(label)) for label in row.labels]
                body.append(
                    f'<tr><th scope="row"><code>{row.objective}</code> {e(row.text)}</th>'
                    f"<td>{_list(taught)}</td><td>{_list(labels)}</td><td>{_list(list(row.tools))}</td></tr>"
                )
        body.append("</table>")
    body.append(f"<table><caption>Not written yet</caption>{_head('month', 'objectives', 'tools planned')}")
    for month, title, objectives, planned in _to_come(course, table):
        body.append(
            f'<tr><th scope="row">{month} {e(title)}</th><td>{objectives}</td>'
            f"<td>{e(planned) or '–'}</td></tr>"
        )
    body.append("</table>")
    return _PAGE.replace("BODY", "\n".join(body))


def figure(course: Path) -> "Figure":
    """Return the heat map: written objectives by publications, cells with the number of exercises."""
    import matplotlib.pyplot as plt
    import numpy as np

    table = [row for row in rows(course) if row.written]
    matrix, sources, _ = _matrix(table)
    counts = np.array(matrix)
    with plt.style.context("aisecops.course"):
        shown: Figure
        shown, axes = plt.subplots(figsize=(6 + 0.55 * len(sources), 3 + 0.42 * len(table)))
        axes.imshow(counts, cmap="cividis", vmin=0, aspect="auto")
        axes.set_xticks(range(len(sources)), sources, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(table)), [f"{row.objective} {row.text}" for row in table])
        axes.grid(False)
        for y, line in enumerate(matrix):
            for x, count in enumerate(line):
                dark = count < max(1, counts.max()) / 2
                axes.text(
                    x,
                    y,
                    str(count) if count else "·",
                    ha="center",
                    va="center",
                    color="white" if dark else "black",
                )
        axes.set_title("Exercises of each objective that map to a publication")
    return shown


def write_all(course: Path) -> list[str]:
    """Write the three files if what they say has changed; return their names."""
    import io

    import matplotlib.pyplot as plt

    changed = [
        path.as_posix()
        for path, text in ((_MARKDOWN, markdown(course)), (_HTML, html(course)))
        if not (course / path).is_file() or (course / path).read_text(encoding="utf-8") != text
    ]
    if not changed and (course / _PICTURE).is_file():
        return []
    write(course / _MARKDOWN, markdown(course))
    write(course / _HTML, html(course))
    shown = figure(course)
    buffer = io.BytesIO()
    shown.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    plt.close(shown)
    write(course / _PICTURE, buffer.getvalue())
    return [path.as_posix() for path in (_MARKDOWN, _HTML, _PICTURE)]


def _matrix(table: list[Row]) -> tuple[list[list[int]], list[str], Counter[str]]:
    """Count exercises by written objective and publication; publications that nothing maps to stay out."""
    total: Counter[str] = Counter()
    counted = []
    for row in table:
        if row.written:
            count: Counter[str] = Counter()
            for exercise in row.exercises:
                count.update({standards.lookup(label).source for label in exercise.standards})
            counted.append(count)
            total.update(count)
    sources = [source for source in standards.sources() if total[source]]
    return [[count[source] for source in sources] for count in counted], sources, total


def _summary(course: Path, table: list[Row]) -> list[str]:
    written = [row for row in table if row.written]
    enough = sum(len(row.exercises) >= 2 for row in written)
    labels = {label for row in written for label in row.labels}
    by_source = Counter(standards.lookup(label).source for label in labels)
    known = tools.tools(_roadmap(course))
    used = {name for row in written for name in row.tools}
    covered = "; ".join(
        f"{count} of {len(standards.ids(source))} ids of {source}"
        for source in standards.sources()
        if (count := by_source[source])
    )
    return [
        f"- {len({row.month for row in written})} of {len({row.month for row in table})} units are written; "
        f"{enough} of {len(table)} objectives have two exercises or more.",
        f"- Exercises map to {covered}.",
        f"- {len(used)} of {len(known)} tools of the roadmap are used so far.",
    ]


def _to_come(course: Path, table: list[Row]) -> list[tuple[str, str, int, str]]:
    """Return month, title, number of objectives and planned tools of each unit that is not written."""
    known = tools.tools(_roadmap(course))
    return [
        (
            month,
            title,
            sum(row.month == month for row in table),
            ", ".join(dict.fromkeys(tool.name for tool in known if month in tool.months)),
        )
        for month, title in dict.fromkeys((row.month, row.title) for row in table if not row.written)
    ]


def _roadmap(course: Path) -> Roadmap:
    return load(course / "roadmap.yaml")


def _head(*names: str) -> str:
    return "<tr>" + "".join(f'<th scope="col">{name}</th>' for name in names) + "</tr>"


def _list(items: list[str]) -> str:
    return "<br>".join(markup.escape(item) for item in items) or "–"


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What the course covers</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.45 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
img { max-width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; margin: 2rem 0; display: block; overflow-x: auto; }
caption { text-align: left; font-size: 1.25rem; font-weight: 600; padding: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #8886; }
th[scope=row] { font-weight: 400; min-width: 14rem; }
td { min-width: 12rem; }
</style>
BODY
</html>
"""
