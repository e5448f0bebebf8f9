"""Proves that a lab's grader is right: stub, solution, right and wrong answers, mutants, cheats, leaks.

Everything is tried on the text in ``notebooks/`` and on what is built from it; nothing here trusts a
test because it passes.
"""

import dataclasses
import hashlib
import importlib
import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aisecops.course import CourseError, root, write
from aisecops.quality.finding import Finding
from aisecops.quality.verdicts import Verdict, mutation_score

if TYPE_CHECKING:
    from aisecops.quality.runs import Run

# Checks of the whole course, cheap enough to run each time.
_OF_THE_COURSE = ("months", "labels", "prose", "tools")
_MONTH_CPU_S = 3600


@dataclass(frozen=True)
class MonthReport:
    """All that was proved or refuted about one month.

    ``runs`` counts fresh kernels, ``seconds`` (of CPU time) and ``mebibytes`` are the most that
    one of them took.
    """

    notebook: str
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    runs: int
    seconds: float
    mebibytes: float

    @property
    def mutation_score(self) -> float:
        """The share of changed solutions that lost points, of those that should."""
        return mutation_score(self.verdicts)


@dataclass(frozen=True)
class Report:
    """The months that were examined and what was found in the course as a whole."""

    months: tuple[MonthReport, ...]
    findings: tuple[Finding, ...]

    @property
    def all_findings(self) -> list[Finding]:
        """Every finding, in the order of the files, notes last."""
        found = {*self.findings, *(finding for month in self.months for finding in month.findings)}
        return sorted(found, key=lambda finding: (finding.note, _place(finding.where), finding))

    @property
    def faults(self) -> list[Finding]:
        """The findings that are more than notes."""
        return [finding for finding in self.all_findings if not finding.note]


def examine(
    wanted: Iterable[str] = (),
    *,
    runs: int = 1,
    fresh: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Report:
    """Examine months and the course around them.

    Months run side by side on all cores; a month whose text, answers and package have not changed since
    it was examined with at least as many runs is not examined again.

    Args:
        wanted: notebook names such as ``month-01``; all written months if empty.
        runs: fresh kernels in which each solved month must show the same and score full.
        fresh: examine again what is known.
        say: told what happens, a line at a time.

    Raises:
        CourseError: a month that is not written, or a file that cannot be read as what it should be.
    """
    from aisecops import build

    course = root()
    written = [name for name in build.names(course) if name != build.START]
    names = list(dict.fromkeys(wanted)) or written
    for name in names:
        if name not in written:
            raise CourseError(f"there is no notebooks/{name}.py; written so far: {', '.join(written)}")
    known: dict[str, MonthReport] = {}
    keys = {name: _digest(course, name) for name in names}
    for name in names if not fresh else ():
        if (report := _remembered(course, name, keys[name])) and report.runs >= runs:
            known[name] = report
            say(f"{name}: nothing has changed since it was examined")
    todo = [name for name in names if name not in known]
    known |= _examine(course, todo, runs, say)
    for name in todo:
        write(_memory(course, name), json.dumps({"key": keys[name], **_plain(known[name])}, indent=1))
    return Report(tuple(known[name] for name in names), tuple(_course_findings(course)))


def _examine(
    course: Path, names: list[str], count: int, say: Callable[[str], None]
) -> dict[str, MonthReport]:
    """Examine months in forked processes, a few at a time."""
    from aisecops.build import files_of
    from aisecops.grading.forks import Ended, Forks
    from aisecops.quality import runs

    cores = os.cpu_count() or 1
    outer = Forks(cores)
    tried: dict[str, dict[str, Any]] = {}
    ran: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    died: list[Finding] = []

    def keep(name: str, what: str, into: Callable[[Any], None]) -> Callable[[Ended], None]:
        def done(ended: Ended) -> None:
            say(f"{name}: {what} took {ended.cpu_s:.0f} s of CPU time")
            if ended.died:
                last = ended.died.strip().splitlines()[-1]
                died.append(Finding(f"notebooks/{name}.py:1", "solution", f"{what} did not end: {last}"))
            else:
                into(ended.value)

        return done

    for name in names:
        trial = partial(_try, course, name, max(1, cores // len(names)), say)
        into = partial(tried.__setitem__, name)
        outer.start(trial, keep(name, "answers, mutants and cheats", into), _MONTH_CPU_S, quiet=False)
    built = [name for name in names if (course / files_of(name)[0]).is_file()]
    for name, number in runs.order(built, count):
        kernel = partial(runs.run, course, name, number)
        outer.start(kernel, keep(name, f"run {number + 1} in a fresh kernel", ran[name].append), _MONTH_CPU_S)
    outer.drain()
    return {
        name: _assemble(
            course,
            name,
            tried.get(name),
            [runs.Run(**one) for one in ran[name]],
            [f for f in died if name in f.where],
        )
        for name in names
    }


def _try(course: Path, name: str, width: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Build a month in memory, then try answers out and look at the text; in a process of its own."""
    from aisecops.build import compile, read
    from aisecops.quality import answers, leaks, trial, verdicts
    from aisecops.roadmap import load

    roadmap = load(course / "roadmap.yaml")
    month = roadmap.month(name)
    try:
        lab = read.read(course / "notebooks" / f"{name}.py", month)
        mine = answers.load(course, name)
        cheats = answers.load_cheats(course)
    except CourseError as error:
        return _tried([], [_as_finding(error)])
    source = compile.source(lab, month, roadmap)
    release = compile.release(source)
    findings = [*leaks.check(course, lab), *leaks.check_feedback(lab, source)]
    reached: list[str] = []
    total = sum(cell.role == "solution" for cell in lab.cells)

    def progress(exercise: str) -> None:
        reached.append(exercise)
        say(f"{name}: {exercise} ({len(reached)} of {total})")

    try:
        trials = trial.try_out(
            lab.exercises, source, release, mine.answers, cheats, width=width, progress=progress
        )
    except RuntimeError as error:
        return _tried([], [*findings, Finding(f"notebooks/{name}.py:1", "solution", str(error))])
    judged, more = verdicts.judge(lab, trials, mine)
    return _tried(judged, [*findings, *more])


def _tried(verdicts: list[Verdict], findings: list[Finding]) -> dict[str, Any]:
    """Return what JSON can hold of it."""
    return {"verdicts": [*map(_plain, verdicts)], "findings": [*map(_plain, findings)]}


def _assemble(
    course: Path, name: str, tried: dict[str, Any] | None, ran: "list[Run]", died: list[Finding]
) -> MonthReport:
    from aisecops.build import read
    from aisecops.quality import runs
    from aisecops.roadmap import load

    verdicts = [Verdict(**verdict) for verdict in tried["verdicts"]] if tried else []
    findings = [*died, *(Finding(**finding) for finding in (tried["findings"] if tried else []))]
    if ran:
        try:
            lab = read.read(course / "notebooks" / f"{name}.py", load(course / "roadmap.yaml").month(name))
        except CourseError:
            pass  # found already
        else:
            findings += runs.judge(lab, runs.recorded(course, name), ran)
    return MonthReport(
        name, tuple(verdicts), tuple(dict.fromkeys(findings)), len(ran),
        max((one.seconds for one in ran), default=0.0), max((one.mebibytes for one in ran), default=0.0),
    )  # fmt: skip


def _course_findings(course: Path) -> list[Finding]:
    findings: list[Finding] = []
    for module in _OF_THE_COURSE:
        try:
            findings += importlib.import_module(f"aisecops.quality.{module}").check(course)
        except CourseError as error:
            findings.append(_as_finding(error))
    return findings


def _as_finding(error: CourseError) -> Finding:
    """Turn a refusal of the build into a finding at its place."""
    where, colon, sentence = str(error).partition(": ")
    if colon and re.fullmatch(r"\S+:\d+", where):
        return Finding(where, "build", sentence)
    return Finding("notebooks:1", "build", str(error))


def _place(where: str) -> tuple[str, int]:
    path, _, line = where.rpartition(":")
    return path, int(line) if line.isdigit() else 0


def _plain(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = dataclasses.asdict(value)
    return plain


def _memory(course: Path, name: str) -> Path:
    return course / ".cache" / "quality" / f"{name}.json"


def _remembered(course: Path, name: str, key: str) -> MonthReport | None:
    try:
        stored = json.loads(_memory(course, name).read_text(encoding="utf-8"))
        if stored.pop("key") != key:
            return None
        stored["verdicts"] = tuple(Verdict(**verdict) for verdict in stored["verdicts"])
        stored["findings"] = tuple(Finding(**finding) for finding in stored["findings"])
        return MonthReport(**stored)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _digest(course: Path, name: str) -> str:
    """Return a digest of everything that the examination of a month depends on."""
    package = Path(__file__).resolve().parents[1]
    paths = [
        *(path for kind in ("*.py", "*.yaml") for path in sorted(package.rglob(kind))),
        *(course / file for file in ("roadmap.yaml", "grader_config.py", "requirements.lock")),
        course / "notebooks" / f"{name}.py",
        *sorted((course / "source" / name).glob("*.ipynb")),
        *sorted((course / "release" / name).glob("*.ipynb")),
        course / "release" / "exercises.json",
        course / "tests" / "answers" / f"{name}.py",
        course / "tests" / "answers" / "cheats.py",
    ]
    state = hashlib.sha256()
    for path in paths:
        state.update(path.name.encode() + b"\0")
        if path.is_file():
            state.update(path.read_bytes())
    return state.hexdigest()
