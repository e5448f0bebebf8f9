"""Checks every id of a standard that a text names: known, current, with its edition, beside its own name.

The build checks the labels of exercises. Prose, study texts, figures and the systems' data name ids too,
and that is where published mappings go wrong. Four rules keep the check quiet where nothing is wrong:

- A name belongs to the id beside it, after it (``AML.T0015 Evade AI Model``) or before it (``excessive
  agency (LLM03:2026)``). Between two ids it belongs to the nearer one, on a tie to the first.
- A word such as *Data* or *Impact* is a name only with a capital and alone.
- A tactic beside a technique is its goal, not a wrong name.
- A sentence may speak of the past if it says so: an id without edition passes where the sentence names an
  edition, a retired id or a former name where it names the release that ended it. In code, a line counts
  as a sentence.

``tests/answers/`` is left out: wrong answers name wrong ids on purpose.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from aisecops import standards
from aisecops.course import CourseError
from aisecops.quality.finding import Finding
from aisecops.standards import Standard, lookup

_TEXTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/*.md",
    "notebooks/*.py",
    "resources/**/*.md",
    "resources/**/*.py",
    "aisecops/targets/*.py",
    "aisecops/targets/*.yaml",
)

# Whatever looks like an id of one of the sources, known or not.
ID = re.compile(
    r"(?<![\w.-])(?:"
    r"(?:LLM|ASI|ML)\d{2}(?::\d+)?"
    r"|AML\.[A-Z]+\d{3,}(?:\.\d+)?"
    r"|NISTAML\.\d+"
    r"|AITG-[A-Z]+-\d+"
    r"|AISVS-C\d+(?::[\d.]*\d)?"
    r"|AIRMF-[A-Z]+(?:-\d+)?(?::[\d.]*\d)?"
    r"|AI600-1-[\d.]*\d"
    r"|SAIF-[A-Z]+"
    r"|ISO42001-A\.\d+(?::\d+)?"
    r"|(?:AIA|GDPR)-(?:Art|Annex)\.\w+(?:\(\w+\))*"
    r"|CCPA-\w+(?:\.\d+)?"
    r"|CWE-\d+"
    r")(?!\w)"
)
# The index has no names of ATLAS case studies: there the form must do.
_CASE_STUDY = re.compile(r"AML\.CS\d{4}")

# A blank line, a list item, a table row or a cell ends what belongs together.
_BLOCK_END = re.compile(r"\n[\s#>]*\n|\n[\s#>]*(?=(?:[-+*|]|\d+\.)\s|%%)")
_PROSE_END = re.compile(r"[.!?][)\]*_\"'”’]*\s")
_CODE_END = re.compile(rf"{_PROSE_END.pattern}|\n(?!\s*#)")

# What may stand between an id and its name: punctuation, emphasis, a broken line, a key, a verb.
_MARKS = r"""[\s#"'`“”‘’*_()\[\]{}<>|:;,=—–-]*"""
_GAP = re.compile(rf"{_MARKS}(?:(?:name|title|label|id)[\"']?\s*[:=]{_MARKS}|(?:is|was|means)\s{_MARKS})?")
_GAP_BEFORE = re.compile(rf"{_MARKS}(?:\bid[\"']?\s*[:=]{_MARKS})?\Z")
_WORD = re.compile(r"\w+|&")
# After a single word, more words make it part of a phrase; an enumeration of ids may go on.
_PHRASE_GOES_ON = re.compile(rf"(?!\s+(?:and|or|to)\W+{ID.pattern})[\s#-]+\w")
_LONGEST_NAME = 150  # characters
_ATLAS, _TACTICS = "MITRE ATLAS", "ATLAS tactics"


def check(course: Path) -> list[Finding]:
    """Return the wrong labels in the texts of a course.

    Raises:
        CourseError: a text that is not UTF-8.
    """
    return [
        Finding(f"{path.relative_to(course)}:{text.count(chr(10), 0, place) + 1}", "standards", sentence)
        for pattern in _TEXTS
        for path in sorted(course.glob(pattern))
        for text in [_read(path, course)]
        for place, sentence in _wrong(text, _PROSE_END if path.suffix == ".md" else _CODE_END)
    ]


def _read(path: Path, course: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CourseError(
            f"{path.relative_to(course)}:1: this is not UTF-8 text (byte {error.start}): save it as UTF-8"
        ) from None
    # A line break written into a string would glue itself to the next word.
    return text if path.suffix == ".md" else text.replace(r"\n", "  ")


def _wrong(text: str, sentence_end: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Yield the offset of each wrong label, and what is wrong with it."""
    for start, block in _pieces(text, _BLOCK_END):
        found = list(ID.finditer(block))
        for previous, match, following in zip([None, *found], found, [*found[1:], None], strict=False):
            sentence = next(
                piece for offset, piece in _pieces(block, sentence_end) if match.start() < offset + len(piece)
            )
            try:
                meant = _meant(match[0], sentence)
                name = _name_after(meant, block, match, following) or _name_before(
                    meant, block, match, previous
                )
                if name:
                    _check_name(meant, name, sentence)
            except CourseError as error:
                yield start + match.start(), str(error)


def _pieces(text: str, end: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Yield the parts of a text with their offsets."""
    start = 0
    for match in end.finditer(text):
        yield start, text[start : match.end()]
        start = match.end()
    yield start, text[start:]


def _meant(id: str, sentence: str) -> list[Standard]:
    """Return the entries that an id may mean in a sentence; none if its name is not to be judged.

    Raises:
        CourseError: there is no such id, or not any more, or it names no edition.
    """
    retired = standards._retired().get(id)
    if _CASE_STUDY.fullmatch(id) or (retired and _says(sentence, retired["release"])):
        return []
    editions = [entry for entry in standards._index().values() if entry.id.rpartition(":")[0] == id]
    if any(_says(sentence, entry.edition) for entry in editions):
        return editions
    return [lookup(id)]


def _check_name(meant: list[Standard], name: str, sentence: str) -> None:
    """Raise a CourseError if none of the entries has that name, or had it in what the sentence speaks of."""
    errors = []
    for entry in meant:
        former = standards._facts()[entry.source].get("renamed", {}).get(entry.id)
        if (
            former
            and standards._words(former["name"]) == standards._words(name)
            and _says(sentence, former["release"])
        ):
            return
        try:
            standards.check(f"{entry.id} {name}")
        except CourseError as error:
            errors.append(error)
    if len(errors) == len(meant):
        raise errors[0]


def _says(sentence: str, edition: str) -> bool:
    return bool(re.search(rf"(?<![\w.]){re.escape(edition)}(?!\.?\w)", sentence))


def _name_after(meant: list[Standard], block: str, id: re.Match[str], following: re.Match[str] | None) -> str:
    """Return the name that stands after an id and belongs to it."""
    gap = _GAP.match(block, id.end())
    assert gap  # it may be empty
    end = min(following.start() if following else len(block), gap.end() + _LONGEST_NAME)
    for word in reversed([*_WORD.finditer(block, gap.end(), end)]):
        name = _tidy(block[gap.end() : word.end()])
        goes_on = bool(_PHRASE_GOES_ON.match(block, word.end()))
        if not _is_name(name, _groups(meant), gap[0], goes_on, elsewhere=True):
            continue
        rest = following and _GAP.fullmatch(block, word.end(), following.start())
        return name if not rest or _looseness(gap[0]) <= _looseness(rest[0]) else ""
    return ""


def _name_before(meant: list[Standard], block: str, id: re.Match[str], previous: re.Match[str] | None) -> str:
    """Return the name that stands before an id and belongs to it."""
    start = max(previous.end() if previous else 0, id.start() - _LONGEST_NAME)
    gap = _GAP_BEFORE.search(block, start, id.start())
    assert gap  # it may be empty
    for word in _WORD.finditer(block, start, gap.start()):
        name = _tidy(block[word.start() : gap.start()])
        goes_on = bool(re.search(r"\w[\s#-]+\Z", block[start : word.start()]))
        if not _is_name(name, _groups(meant), gap[0], goes_on):
            continue
        rest = previous and _GAP.fullmatch(block, previous.end(), word.start())
        return name if not rest or _looseness(gap[0]) < _looseness(rest[0]) else ""
    return ""


def _is_name(name: str, groups: set[str], gap: str, goes_on: bool, *, elsewhere: bool = False) -> bool:
    """Tell whether words beside an id are meant as its name.

    Args:
        name: the words.
        groups: the groups of the entries that the id may mean.
        gap: what stands between name and id.
        goes_on: the phrase has more words, on the side away from the id.
        elsewhere: a name of several words may come from another publication.
    """
    words = standards._words(name)
    several = " " in words
    found = _groups_by_name().get(words, set())
    known = bool(found & groups) or (elsewhere and several and bool(groups and found - {_TACTICS}))
    capital = name[:1].isupper()
    return known and ((several and not _looseness(gap)) or (capital and (several or not goes_on)))


def _looseness(gap: str) -> int:
    """Return how loosely a gap joins: 2 across a closing bracket, 1 across a comma or line, else 0.

    A verb joins across a line.
    """
    if re.search(r"\b(?:is|was|means)\b", gap):
        return 0
    return 2 if re.search(r"[)\]}]", gap) else 1 if re.search(r"[,;\n]", gap) else 0


def _tidy(name: str) -> str:
    """Join the lines of a name, and drop a bracket that is not closed in it: ``Code Execution (RCE``."""
    return re.sub(r"\s*\([^)]*\Z", "", re.sub(r"[\s#]+", " ", name))


@cache
def _groups_by_name() -> dict[str, set[str]]:
    """Return the groups in which a name occurs, former names and ATLAS' old "ML" for "AI" included."""
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for entry in standards._index().values():
        group = _group(entry.source)
        for name in standards._names(entry):
            groups[standards._words(name)].add(group)
            if group == _ATLAS:
                groups[standards._words(name.replace("AI ", "ML "))].add(group)
    for source, facts in standards._facts().items():
        for former in (*facts.get("renamed", {}).values(), *facts.get("retired", {}).values()):
            groups[standards._words(former["name"])].add(_group(source))
    return dict(groups)


def _groups(entries: list[Standard]) -> set[str]:
    return {_group(entry.source) for entry in entries}


def _group(source: str) -> str:
    """Return the publication of a source; the tactics of ATLAS are a group of their own."""
    return source if source == _TACTICS else str(standards._facts()[source]["title"])
