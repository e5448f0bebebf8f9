"""Whether what people read holds together: links, pictures, headings, and terms that are defined."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from aisecops.build import WITHOUT_MONTH, all_names, files_of
from aisecops.build.read import Lab, read
from aisecops.course import CourseError
from aisecops.quality.finding import Finding
from aisecops.roadmap import Roadmap, load

GLOSSARY = Path("resources", "AI-SecOps", "glossary.md")
LEAST_FIGURES = 3
LEAST_ALT = 40
# Abbreviations that a DevSecOps engineer brings along, and those that everybody knows.
_KNOWN = """
    ACM AI API BY CC CD CEO CI CLI CPU CSV CVE CWE DNS EU GB GPU HTML HTTP HTTPS ID IDE IEC IEEE IO IP ISO IT
    JSON MB MITRE NIST OK OS OWASP PDF PNG RAM SQL SSD SSH SVG TCP TLS UI URL US USB UTF VPN VS XML YAML
"""

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:)([^)\s]*)\)")
_IMG = re.compile(r"<img\b[^>]*>")
_HEADING = re.compile(r"^(#{1,6}) +(.+?)\s*$")
_NUMBER = re.compile(r"(\d+)(?:\.(\d+)| ·) ")
_ABBREVIATION = re.compile(r"(?<![\w.:#/-])([A-Z]{2,6})s?(?![\w:-]|\.\w| ?[#(]?\d)")
_ENTRY = re.compile(r"\*\*([^*]+)\*\*(?: \(also: ([^)]+)\))?: (.+)")


@dataclass(frozen=True)
class _Text:
    """A text with the place of each line: ``lines`` pairs a line number with what stands there.

    ``blocks`` are the same lines by cell or, in a document, by paragraph.
    """

    path: str
    lines: tuple[tuple[int, str], ...]
    blocks: tuple[tuple[tuple[int, str], ...], ...]


def check(course: Path) -> list[Finding]:
    """Check every study text, notebook and document of the course."""
    roadmap = load(course / "roadmap.yaml")
    labs = [read(course / "notebooks" / f"{name}.py", _month(roadmap, name)) for name in all_names(course)]
    notebooks = [_notebook(lab) for lab in labs]
    studies = [_document(course, path) for path in sorted((course / "resources").rglob("*.md"))]
    others = [
        _document(course, path)
        for path in (
            course / "README.md",
            course / "CONTRIBUTING.md",
            *sorted((course / "docs").glob("*.md")),
        )
        if path.is_file()
    ]
    return [
        *(finding for text in (*notebooks, *studies, *others) for finding in _links(course, text)),
        *(finding for text in (*notebooks, *studies, *others) for finding in _alternatives(text)),
        *(finding for lab in labs if lab.exercises for finding in _figures(course, lab)),
        *(finding for text in (*notebooks, *studies, *others) for finding in _headings(text)),
        *_terms(course, notebooks, studies),
    ]


def _month(roadmap: Roadmap, name: str):  # type: ignore[no-untyped-def]
    return None if name in WITHOUT_MONTH else roadmap.month(name)


def _notebook(lab: Lab) -> _Text:
    """Return a lab's prose. The first line of a cell stands one below its marker, behind ``# ``."""
    blocks = tuple(
        tuple(enumerate(cell.source.splitlines(), cell.line + 1))
        for cell in lab.cells
        if cell.kind == "markdown"
    )
    return _Text(f"notebooks/{lab.name}.py", tuple(line for block in blocks for line in block), blocks)


def _document(course: Path, path: Path) -> _Text:
    lines = tuple(enumerate(path.read_text(encoding="utf-8").splitlines(), 1))
    blocks: list[list[tuple[int, str]]] = [[]]
    for number, line in lines:
        if not line.strip():
            blocks.append([])
        blocks[-1].append((number, line))
    return _Text(path.relative_to(course).as_posix(), lines, tuple(map(tuple, blocks)))


def _outside_code(lines: tuple[tuple[int, str], ...]) -> Iterator[tuple[int, str]]:
    fenced = False
    for number, line in lines:
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def _links(course: Path, text: _Text) -> Iterator[Finding]:
    home = (course / text.path).parent
    if text.path.startswith("notebooks/"):  # on the desk, a month has a folder of its own
        name = Path(text.path).stem
        home = course if name in WITHOUT_MONTH else course / name
    for number, line in _outside_code(text.lines):
        for _, _, target in _LINK.findall(re.sub(r"`[^`]*`", "", line)):
            path, _, anchor = target.partition("#")
            place = (home / path).resolve() if path else (course / text.path).resolve()
            where = f"{text.path}:{number}"
            if not place.exists():
                yield Finding(where, "links", f"the link to {target} leads nowhere")
            elif text.path.startswith("resources/") and not place.is_relative_to(course / "resources"):
                yield Finding(
                    where, "links", f"{target} is not on a learner's desk: link below resources/ only"
                )
            elif anchor and path.endswith(".md") and anchor not in _anchors(place):
                yield Finding(where, "links", f"there is no heading for #{anchor} in {path}")


def _anchors(path: Path) -> set[str]:
    headings = (_HEADING.match(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {re.sub(r"[^\w -]", "", match[2].lower()).strip().replace(" ", "-") for match in headings if match}


def _alternatives(text: _Text) -> Iterator[Finding]:
    for number, line in _outside_code(text.lines):
        alternatives = [alt for bang, alt, _ in _LINK.findall(line) if bang]
        for tag in _IMG.findall(line):
            found = re.search(r"alt=\"([^\"]*)\"", tag)
            alternatives.append(found[1] if found else "")
        for alt in alternatives:
            if len(alt) < LEAST_ALT:
                yield Finding(
                    f"{text.path}:{number}", "alt",
                    f"say in the text alternative what the picture shows, in {LEAST_ALT} characters or more",
                )  # fmt: skip


def _figures(course: Path, lab: Lab) -> Iterator[Finding]:
    """Every recorded figure is said in words in the same cell, and there are enough of them."""
    import nbformat

    from aisecops.build.compile import numbered
    from aisecops.build.record import recorded

    path = course / files_of(lab.name)[0]
    if not path.is_file():
        return
    notebook = nbformat.read(path, as_version=4)
    if not recorded(notebook):
        return  # the build says so
    lines = {id_: cell.line for cell, id_ in numbered(lab)}
    figures = 0
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        if any("image/png" in output.get("data", {}) for output in outputs):
            figures += 1
            if not any("In words:" in output.get("text", "") for output in outputs) and cell.id in lines:
                yield Finding(
                    f"notebooks/{lab.name}.py:{lines[cell.id]}", "alt",
                    "this cell draws a figure: print a line that begins `In words:` and says what it shows",
                )  # fmt: skip
    if figures < LEAST_FIGURES:
        yield Finding(
            f"notebooks/{lab.name}.py:1", "alt", f"{figures} figures; a month has at least {LEAST_FIGURES}"
        )


def _headings(text: _Text) -> Iterator[Finding]:
    """No level is skipped, none is said twice, and numbered ones count up.

    The header of a notebook, made by the build, holds its only heading of level 1.
    """
    notebook = text.path.startswith("notebooks/month-")
    level = 1 if notebook else 0
    seen: set[str] = set()
    section, item = 0, 0
    for number, line in _outside_code(text.lines):
        match = _HEADING.match(line)
        if not match:
            continue
        where = f"{text.path}:{number}"
        depth, title = len(match[1]), match[2]
        if depth > level + 1:
            yield Finding(
                where, "headings", f"“{title}” has level {depth} right below level {level}: skip none"
            )
        if depth == 1 and (notebook or level):
            yield Finding(where, "headings", f"“{title}” is a second heading of level 1: a text has one")
        if title in seen:
            yield Finding(where, "headings", f"“{title}” is the heading of two parts: name them apart")
        seen.add(title)
        level = depth
        if notebook and (numbered := _NUMBER.match(title)):
            first, second = int(numbered[1]), numbered[2]
            due = (section, item + 1) if second else (section + 1, 0)
            if (first, int(second or 0)) != due:
                expected = f"{due[0]}.{due[1]}" if second else f"{due[0]} ·"
                yield Finding(where, "headings", f"“{title}” comes where {expected} is due")
            section, item = (first, int(second)) if second else (first, 0)


@dataclass(frozen=True)
class _Entry:
    line: int
    term: str
    forms: tuple[str, ...]

    @property
    def pattern(self) -> re.Pattern[str]:
        """Match any form of the term, with a plural; capitals count in abbreviations only."""
        forms = [
            re.escape(form) if form.isupper() else f"(?i:{re.escape(form)})".replace("\\ ", r"[\s-]")
            for form in self.forms
        ]
        return re.compile(rf"(?<![\w-])(?:{'|'.join(forms)})(?:e?s)?(?![\w-])")


def _terms(course: Path, notebooks: list[_Text], studies: list[_Text]) -> Iterator[Finding]:
    """A term of the glossary is defined where it is first used; an abbreviation is one, or well known."""
    entries = _glossary(course)
    known = {*_KNOWN.split()} | {form for entry in entries for form in entry.forms}
    texts = [*notebooks, *(text for text in studies if text.path != GLOSSARY.as_posix())]
    for text in texts:
        for block in text.blocks:
            for number, line in _outside_code(block):
                for short in _ABBREVIATION.findall(_plain(line)):
                    if short not in known and not re.fullmatch("[IVX]+", short):
                        yield Finding(
                            f"{text.path}:{number}", "terms",
                            f"{short} is not explained: write it out, or put it into {GLOSSARY}",
                        )  # fmt: skip
    for entry in entries:
        uses = [
            (text, number, words)
            for text in texts
            for number, words in _paragraphs(text)
            if entry.pattern.search(words)
        ]
        if not uses:
            yield Finding(
                f"{GLOSSARY}:{entry.line}", "terms", f"no text uses “{entry.term}”: delete the entry"
            )
        in_notebooks = [(text, number, words) for text, number, words in uses if text in notebooks]
        for text, start, words in in_notebooks[:1]:
            match = entry.pattern.search(words)
            if match and not _defines(entry, words):
                place = start + words[: match.start()].count("\n")
                yield Finding(
                    f"{text.path}:{place}", "terms",
                    f"“{entry.term}” is used before it is defined: define it here, in *emphasis*",
                )  # fmt: skip


def _paragraphs(text: _Text) -> Iterator[tuple[int, str]]:
    """Yield the number of a block's first line and the block without code, line by line as it was."""
    for block in text.blocks:
        outside = dict(_outside_code(block))
        if block:
            yield block[0][0], "\n".join(_plain(outside.get(number, "")) for number, _ in block)


def _defines(entry: _Entry, words: str) -> bool:
    """Tell whether a block sets the term off as one does in a definition: emphasis, a heading, brackets."""
    marked = re.findall(r"\*{1,2}([^*]+)\*{1,2}", words) + re.findall(r"\(([^()]+)\)", words)
    marked += [line for line in words.splitlines() if _HEADING.match(line)]
    return any(entry.pattern.search(part) for part in marked)


def _plain(line: str) -> str:
    """Return a line of prose without code, formulas and the targets of links."""
    line = re.sub(r"`[^`]*`|\$[^$]*\$", "", line)
    return re.sub(r"\]\([^)]*\)", "]", re.sub(r"<[^>]*>", "", line))


def _glossary(course: Path) -> list[_Entry]:
    path = course / GLOSSARY
    if not path.is_file():
        raise CourseError(f"{GLOSSARY}:1: the glossary is missing: write one, an entry a line")
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("**"):
            continue
        match = _ENTRY.match(line)
        if not match:
            raise CourseError(f"{GLOSSARY}:{number}: write **term** (also: other form): definition.")
        others = tuple(form.strip() for form in (match[2] or "").split(",") if form.strip())
        entries.append(_Entry(number, match[1], (match[1], *others)))
    for before, after in pairwise(entries):
        if before.term.lower() > after.term.lower():
            raise CourseError(
                f"{GLOSSARY}:{after.line}: “{after.term}” stands after “{before.term}”: sort the entries"
            )
    return entries
