"""The course as typed data: reads ``roadmap.yaml`` and reports every mistake in it with its line.

Texts are read as they stand (YAML's guesses about ``yes``, dates and octal numbers don't apply); the
models below then say what must be a number. The ids follow from the place in the file, see the comment
at its top, so one rule finds ids that are missing, misspelt, doubled or out of order.
"""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, NoReturn

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from aisecops.course import CourseError, root

LAST_MONTH = 18

# Far more levels than the models have, far fewer than Python's stack.
MAX_DEPTH = 20

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
MonthNumber = Annotated[int, Field(ge=1, le=LAST_MONTH)]

# Where something stands in the file: keys and list positions, as in pydantic's errors.
_Place = tuple[int | str, ...]


class _Entry(BaseModel):
    """Whatever has an id. ``added`` marks what the original roadmap lacks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Text
    added: bool = False


class Item(_Entry):
    """One line of the roadmap."""

    text: Text


class Objective(Item):
    """What a month sets out to teach, such as ``m04.2``."""


class Resource(Item):
    """What to study or do in a month, such as ``m04.r1``; study texts stand in backticks."""


class Milestone(Item):
    """What a month enables a learner to do, such as ``m04.milestone``."""


class Skill(Item):
    """One skill of a level, such as ``skill-1.3``."""


class Month(_Entry):
    """One unit of the course. ``months`` are the numbers it covers: one, or 16 and 17."""

    title: Text
    months: tuple[MonthNumber, ...] = Field(min_length=1)
    objectives: tuple[Objective, ...] = Field(min_length=1)
    resources: tuple[Resource, ...] = Field(min_length=1)
    milestone: Milestone

    @property
    def notebooks(self) -> tuple[str, ...]:
        """The names of its notebooks, such as ``("month-04",)``."""
        return tuple(f"month-{number:02}" for number in self.months)


class Phase(_Entry):
    """Some months in a row, such as ``phase-2``."""

    title: Text
    months: tuple[Month, ...] = Field(min_length=1)

    @property
    def span(self) -> tuple[int, int]:
        """The numbers of its first and last month."""
        return self.months[0].months[0], self.months[-1].months[-1]


class SkillLevel(_Entry):
    """A level of the skill matrix, with the years of experience it stands for, such as ``7+ years``."""

    title: Text
    years: Text
    skills: tuple[Skill, ...] = Field(min_length=1)


class Priority(_Entry):
    """A tier of what to learn first; ``rank`` is its one-word summary, such as ``Core``."""

    title: Text
    rank: Text
    topics: tuple[Item, ...] = Field(min_length=1)


class Tool(_Entry):
    """A tool by its name, such as ``nemo-guardrails``."""

    name: Text


class Purpose(_Entry):
    """What some tools of a family are for, such as ``llm-security.testing``."""

    title: Text
    tools: tuple[Tool, ...] = Field(min_length=1)


class ToolFamily(_Entry):
    """A family of tools, such as ``llm-security``."""

    title: Text
    purposes: tuple[Purpose, ...] = Field(min_length=1)


class JobSearch(_Entry):
    """What to do in one of the last months to find a job, such as ``job-16``."""

    title: Text
    month: MonthNumber
    steps: tuple[Item, ...] = Field(min_length=1)


class CareerYear(_Entry):
    """A year of the career after the course, such as ``career-4``; ``year`` is ``4+`` there."""

    title: Text
    year: Text
    steps: tuple[Item, ...] = Field(min_length=1)


class Tip(Item):
    """A pro tip, such as ``tip-5``."""

    headline: Text


class Checklist(BaseModel):
    """Items to tick off, and the sentence that introduces them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    intro: Text
    items: tuple[Item, ...] = Field(min_length=1)


class Roadmap(BaseModel):
    """All of ``roadmap.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Text
    overview: Text
    timeline: Text
    prerequisites: Checklist
    phases: tuple[Phase, ...] = Field(min_length=1)
    skill_matrix: tuple[SkillLevel, ...] = Field(min_length=1)
    priorities: tuple[Priority, ...] = Field(min_length=1)
    tools: tuple[ToolFamily, ...] = Field(min_length=1)
    job_search: tuple[JobSearch, ...] = Field(min_length=1)
    career: tuple[CareerYear, ...] = Field(min_length=1)
    tips: tuple[Tip, ...] = Field(min_length=1)
    checklist: Checklist
    remember: Text

    @property
    def months(self) -> tuple[Month, ...]:
        """All units in order, from ``m01`` to ``m18``."""
        return tuple(month for phase in self.phases for month in phase.months)

    def month(self, name: str | int) -> Month:
        """Return the unit of a month, named as ``m04``, ``m4``, ``month-04``, ``4`` or the number 4.

        Raises:
            CourseError: there is no such month.
        """
        number = self._number(name)
        return next(month for month in self.months if number in month.months)

    def notebook(self, name: str | int) -> str:
        """Return the name of a month's notebook: ``month-17`` for ``m17``, though ``m16`` covers both.

        Raises:
            CourseError: there is no such month.
        """
        return f"month-{self._number(name):02}"

    def phase_of(self, name: str | int) -> Phase:
        """Return the phase that a month belongs to; ``name`` as for :meth:`month`.

        Raises:
            CourseError: there is no such month.
        """
        month = self.month(name)
        return next(phase for phase in self.phases if month in phase.months)

    def _number(self, name: str | int) -> int:
        written = re.fullmatch(r"(?:m|month-)?0*([1-9][0-9]?)", str(name).strip().lower())
        known = [number for month in self.months for number in month.months]
        if not written or int(written[1]) not in known:
            names = ", ".join(f"m{number:02}" for number in known)
            raise CourseError(f"there is no month {str(name)!r}: choose one of {names}")
        return int(written[1])


def load(path: Path | None = None) -> Roadmap:
    """Read and check the roadmap.

    Args:
        path: the file to read; ``roadmap.yaml`` of this course if not given.

    Raises:
        CourseError: the file is missing, or holds a mistake (named with its line).
    """
    path = path or root() / "roadmap.yaml"
    source = _Source(path)
    try:
        roadmap = Roadmap.model_validate(source.data)
    except ValidationError as error:
        # A misspelt key is missing under its right name too: say the misspelling.
        found = min(
            error.errors(include_url=False),
            key=lambda found: (found["type"] != "extra_forbidden", source.line(found["loc"])),
        )
        source.refuse(source.line(found["loc"]), _explain(dict(found)))
    _check_months(roadmap, source)
    _check_ids(roadmap, source)
    return roadmap


class _Source:
    """The file as plain data, with the line of every entry."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[_Place, int] = {}
        text = self._read()
        try:
            # The base loader makes no guesses: every scalar is a text.
            events = yaml.parse(text, Loader=yaml.CBaseLoader)
            self._events = (event for event in events if not isinstance(event, _FRAME))
            if (start := next(self._events, None)) is None:
                self.refuse(1, "the file is empty; restore it from git")
            self.data = self._value(start, ())
            for event in self._events:
                self.refuse(_line(event), "a second document begins here; remove the line `---` above it")
        except yaml.MarkedYAMLError as error:
            # What is opened and never closed is noticed far below; its beginning is the place to mend.
            unclosed = re.search("quoted|flow", error.context or "")
            mark = error.context_mark if unclosed else error.problem_mark
            line = mark.line + 1 if mark else 1
            self.refuse(
                line, f"not valid YAML ({error.problem}); check indentation, colons and quotes here and above"
            )
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            self.refuse(line, f"a character that YAML does not allow ({error.reason}); remove it")

    def refuse(self, line: int, mistake: str) -> NoReturn:
        raise CourseError(f"{self._path.name}:{line}: {mistake}")

    def line(self, place: Sequence[int | str]) -> int:
        """Return the line of a place, or of the nearest thing around it that exists."""
        around = tuple(place)
        while around not in self._lines:
            around = around[:-1]
        return self._lines[around]

    def _read(self) -> str:
        try:
            data = self._path.read_bytes()
        except OSError as error:
            raise CourseError(f"cannot read {self._path}: {error.strerror}; restore it from git") from None
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            self.refuse(line, "a byte that is not UTF-8; save the file as UTF-8")

    def _value(self, event: yaml.Event, place: _Place) -> Any:
        self._lines.setdefault(place, _line(event))
        if isinstance(event, yaml.ScalarEvent):
            return event.value
        if isinstance(event, yaml.AliasEvent):
            self.refuse(
                _line(event), "a reference to another entry (`*`); write the value out, or put it in quotes"
            )
        if len(place) == MAX_DEPTH:
            self.refuse(
                _line(event), "lists or mappings nested too deeply; remove the brackets that are too many"
            )
        if isinstance(event, yaml.SequenceStartEvent):
            return [
                self._value(entry, (*place, n)) for n, entry in enumerate(self._until(yaml.SequenceEndEvent))
            ]
        data: dict[str, Any] = {}
        for key in self._until(yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                self.refuse(_line(key), "no single word before the colon; write `key: value`")
            here = (*place, key.value)
            if key.value in data:
                first = self._lines[here]
                self.refuse(
                    _line(key), f"the key {key.value!r} stands in line {first} already; remove one of the two"
                )
            # The key's line, not the value's: a text may begin on the next.
            self._lines[here] = _line(key)
            data[key.value] = self._value(next(self._events), here)
        return data

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        while not isinstance(event := next(self._events), end):
            yield event


# Events that carry no content: the frame of stream and document.
_FRAME = (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentStartEvent, yaml.DocumentEndEvent)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _explain(found: dict[str, Any]) -> str:
    """Say in words what pydantic found, and what to do about it."""
    kind, place, value = found["type"], found["loc"], found["input"]
    name = next((part for part in reversed(place) if isinstance(part, str)), "roadmap")
    if kind == "missing":
        return f"{place[-1]!r} is missing here; add the line `{place[-1]}: …`"
    if kind == "extra_forbidden":
        close = get_close_matches(str(place[-1]), _KEYS, 1)
        hint = f"; did you mean {close[0]!r}?" if close else "; remove it"
        return f"nothing here is called {place[-1]!r}{hint}"
    if kind == "model_type":
        return f"{name!r} must be keys with values, not {_shown(value)}; write `key: value`"
    if kind == "tuple_type":
        return f"{name!r} must be a list, not {_shown(value)}; begin each of its entries with `- `"
    if kind == "too_short":
        return f"{name!r} is an empty list; give it at least one entry"
    if kind == "string_too_short":
        return f"{name!r} is empty; write its text after the colon"
    if kind == "string_type":
        return f"{name!r} must be a text, not {_shown(value)}; put the text in quotes"
    if kind.startswith("bool"):
        return f"{name!r} is {_shown(value)}; write true or false"
    return f"{name!r} is {_shown(value)}; write a whole number from 1 to {LAST_MONTH}"


def _shown(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return "keys with values" if isinstance(value, dict) else repr(value)


def _keys(model: type[BaseModel]) -> set[str]:
    return {*model.model_fields, *(key for kind in model.__subclasses__() for key in _keys(kind))}


_KEYS = sorted(_keys(_Entry) | _keys(Roadmap) | _keys(Checklist))


def _check_months(roadmap: Roadmap, source: _Source) -> None:
    """Every month from 1 to 18 stands once, in order; so phases follow one another without a gap."""
    due = 1
    for p, phase in enumerate(roadmap.phases):
        for m, month in enumerate(phase.months):
            right = tuple(range(due, due + len(month.months)))
            if month.months != right:
                line = source.line(("phases", p, "months", m, "months"))
                wanted = ", ".join(str(number) for number in right)
                source.refuse(line, f"{month.id} covers months {list(month.months)}; its turn is [{wanted}]")
            due += len(month.months)
    if due <= LAST_MONTH:
        line = source.line(("phases", len(roadmap.phases) - 1))
        source.refuse(line, f"the last phase ends with month {due - 1}; add months {due} to {LAST_MONTH}")


def _check_ids(roadmap: Roadmap, source: _Source) -> None:
    """Every id is the one that its place calls for, and stands once."""
    first: dict[str, int] = {}
    for place, entry, right in _ids(roadmap):
        line = source.line((*place, "id"))
        if entry.id in first:
            remedy = f"write {right}" if entry.id != right else "remove one of the two"
            source.refuse(line, f"the id {entry.id} is taken in line {first[entry.id]} already; {remedy}")
        if entry.id != right:
            source.refuse(line, f"the id {entry.id} does not fit its place; write {right}")
        first[entry.id] = line


def _ids(roadmap: Roadmap) -> Iterator[tuple[_Place, _Entry, str]]:
    """Yield every entry in the order of the file, with its place and the id it must have."""

    def numbered(
        place: _Place, entries: Sequence[_Entry], prefix: str
    ) -> Iterator[tuple[_Place, _Entry, str]]:
        for n, entry in enumerate(entries):
            yield (*place, n), entry, f"{prefix}{n + 1}"

    yield from numbered(("prerequisites", "items"), roadmap.prerequisites.items, "prerequisite-")
    for p, phase in enumerate(roadmap.phases):
        yield ("phases", p), phase, f"phase-{p + 1}"
        for m, month in enumerate(phase.months):
            place, right = ("phases", p, "months", m), f"m{month.months[0]:02}"
            yield place, month, right
            yield from numbered((*place, "objectives"), month.objectives, f"{right}.")
            yield from numbered((*place, "resources"), month.resources, f"{right}.r")
            yield (*place, "milestone"), month.milestone, f"{right}.milestone"
    for n, level in enumerate(roadmap.skill_matrix):
        yield ("skill_matrix", n), level, f"skill-{n + 1}"
        yield from numbered(("skill_matrix", n, "skills"), level.skills, f"skill-{n + 1}.")
    for n, tier in enumerate(roadmap.priorities):
        yield ("priorities", n), tier, f"priority-{n + 1}"
        yield from numbered(("priorities", n, "topics"), tier.topics, f"priority-{n + 1}.")
    for f, family in enumerate(roadmap.tools):
        yield ("tools", f), family, _slug(family.title)
        for u, purpose in enumerate(family.purposes):
            place, right = ("tools", f, "purposes", u), f"{_slug(family.title)}.{_slug(purpose.title)}"
            yield place, purpose, right
            for t, tool in enumerate(purpose.tools):
                yield (*place, "tools", t), tool, _slug(tool.name)
    for n, search in enumerate(roadmap.job_search):
        yield ("job_search", n), search, f"job-{search.month}"
        yield from numbered(("job_search", n, "steps"), search.steps, f"job-{search.month}.")
    for n, year in enumerate(roadmap.career):
        yield ("career", n), year, f"career-{n + 1}"
        yield from numbered(("career", n, "steps"), year.steps, f"career-{n + 1}.")
    yield from numbered(("tips",), roadmap.tips, "tip-")
    yield from numbered(("checklist", "items"), roadmap.checklist.items, "check-")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
