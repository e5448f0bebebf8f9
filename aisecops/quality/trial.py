"""Tries answers out: runs a month once, and at each exercise forks and grades every answer to it.

What a check cell gives is decided by nbgrader's own rule on the outputs the cell shows.
"""

import ast
import gc
import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from nbformat import NotebookNode

from aisecops.exercises import Exercise
from aisecops.grading.forks import Ended, Forks
from aisecops.grading.names import defined, mentions
from aisecops.grading.shell import Shell
from aisecops.quality.answers import Answer
from aisecops.quality.mutants import Mutant, mutants

ANSWER_CPU_S = 60
_MARGIN_S = 0.4
_MARGIN = 2.0


@dataclass(frozen=True)
class Result:
    """What one answer got: points by check cell, what failing checks said, and why it died if it did."""

    points: dict[str, float]
    said: list[str]
    stderr: str
    died: str
    cpu_s: float

    @property
    def score(self) -> float:
        """The points of all check cells."""
        return sum(self.points.values())


@dataclass
class Trial:
    """Everything that was tried on one exercise.

    ``most`` holds the points of each check cell. ``mutants`` pairs each mutant with whether it lost points.
    ``hard_coded`` is None where the exercise's functions take nothing that could be looked up.
    """

    exercise: str
    most: dict[str, float]
    solution: Result | None = None
    stub: Result | None = None
    answers: list[tuple[Answer, Result]] = field(default_factory=list)
    cheats: list[tuple[Answer, Result]] = field(default_factory=list)
    hard_coded: Result | None = None
    mutants: list[tuple[Mutant, bool]] = field(default_factory=list)


def try_out(
    exercises: Iterable[Exercise],
    source: NotebookNode,
    release: NotebookNode,
    answers: Iterable[Answer],
    cheats: Iterable[Answer],
    *,
    width: int,
    progress: Callable[[str], None] = lambda exercise: None,
) -> list[Trial]:
    """Run a month's source in this process and try everything on each of its exercises.

    Args:
        exercises: those of the month.
        source: the instructor's version.
        release: the learner's version of the same; it has the stubs and the visible checks.
        answers: right and wrong ones.
        cheats: tried on every exercise.
        width: how many processes may run beside this one.
        progress: called with each exercise's id as it is reached.

    Raises:
        RuntimeError: a cell of the author's fails.
    """
    shell = _shell()
    by_exercise = defaultdict(list)
    for answer in answers:
        by_exercise[answer.exercise].append(answer)
    cells = [cell for cell in source.cells if cell.cell_type == "code"]
    position_of = {cell.id: position for position, cell in enumerate(cells)}
    visible = {cell.id: cell.source for cell in release.cells}
    checks = {
        exercise.id: {check.cell: check.points for check in exercise.checks if not check.by_hand}
        for exercise in exercises
    }
    trials: dict[str, Trial] = {}
    waiting: dict[int, list[Callable[[], None]]] = defaultdict(list)
    forks = Forks(width)
    for position, cell in enumerate(cells):
        exercise = cell.id.removesuffix("-solution")
        if exercise != cell.id and checks.get(exercise):
            progress(exercise)
            gc.freeze()  # a collection in a fork would copy every page it visits
            following = cells[position + 1 : 1 + max(position_of[id_] for id_ in checks[exercise])]
            trial = trials[exercise] = Trial(exercise, checks[exercise])
            trying = _Exercise(shell, forks, trial, cell.source, following, visible)
            trying.start(visible[cell.id], by_exercise[exercise], cheats)
            for offset, job in trying.mutations():
                waiting[position + 1 + offset].append(job)
        for job in waiting.pop(position, []):
            job()
        for output in shell.run(cell.source):
            if output.output_type == "error" and not _is_check(cell):
                raise RuntimeError(f"cell {cell.id} fails: {output.ename}: {output.evalue}")
    forks.drain()
    for trial in trials.values():
        trial.mutants.sort(key=lambda pair: pair[0].line)
    return list(trials.values())


def _shell() -> Shell:
    os.environ.pop("DISPLAY", None)
    os.environ["MPLBACKEND"] = "agg"
    shell: Shell = Shell.instance()
    shell.run("1 / 0")  # imports what errors need, before anything forks
    return shell


def _is_check(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("grade"))


@dataclass(frozen=True)
class _Exercise:
    """One exercise at the moment when its context has run and its solution has not."""

    shell: Shell
    forks: Forks
    trial: Trial
    solution: str
    following: list[NotebookNode]
    visible: dict[str, str]

    def start(self, stub: str, answers: list[Answer], cheats: Iterable[Answer]) -> None:
        """Try all that replaces the solution as a whole, and wait for the results."""
        trial = self.trial
        self._try(self.solution, partial(setattr, trial, "solution"))
        self._try(stub, partial(setattr, trial, "stub"))
        for answer in answers:
            self._try(answer.source, partial(_pair, trial.answers, answer))
        prelude = f"FUNCTIONS = {defined(self.solution)!r}\n"
        for cheat in cheats:
            self._try(prelude + cheat.source, partial(_pair, trial.cheats, cheat))
        self.forks.start(self._hard_code, self._keep_hard_coded, ANSWER_CPU_S)
        self.forks.drain()

    def mutations(self) -> Iterator[tuple[int, Callable[[], None]]]:
        """Yield each mutant as a job, with the offset of the following cell before which it starts."""
        solution = self.trial.solution
        if solution is None or solution.died:
            return
        limit = _MARGIN_S + _MARGIN * solution.cpu_s
        for mutant in mutants(self.solution):
            offset = self._first_use(mutant)
            yield offset, partial(self._mutate, mutant, offset, limit)

    def _try(self, source: str, keep: Callable[[Result], None]) -> None:
        def done(ended: Ended) -> None:
            keep(_result(ended, self.trial))

        self.forks.start(partial(self._grade, source, 0), done, ANSWER_CPU_S)

    def _grade(self, source: str, offset: int, *, until_lost: bool = False) -> dict[str, Any]:
        """Run an answer and the cells after it, from ``offset`` on; in a fork."""
        random.seed(0)
        points: dict[str, float] = {}
        said = []
        stderr = ""
        for output in self.shell.run(source):
            if output.output_type == "error":
                said.append(output.traceback[0])
        for cell in self.following[offset:]:
            outputs = self.shell.run(cell.source)
            if cell.id not in self.trial.most:
                continue
            points[cell.id] = _points(cell, outputs)
            said += [output.traceback[0] for output in outputs if output.output_type == "error"]
            stderr += "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stderr")
            if until_lost and points[cell.id] < self.trial.most[cell.id]:
                break
        return {"points": points, "said": said, "stderr": stderr}

    def _first_use(self, mutant: Mutant) -> int:
        """Return the first following cell that can notice the change: none before runs the changed code."""
        for offset, cell in enumerate(self.following):
            transformed = self.shell.transform_cell(cell.source)
            if mentions(ast.parse(transformed), mutant.names):
                return offset
        return 0

    def _mutate(self, mutant: Mutant, offset: int, cpu_s: float) -> None:
        most = self.trial.most

        def keep(ended: Ended) -> None:
            points = (ended.value or {}).get("points", {})
            lost = bool(ended.died) or any(got < most[cell] for cell, got in points.items())
            self.trial.mutants.append((mutant, lost))

        self.forks.start(partial(self._grade, mutant.source, offset, until_lost=True), keep, cpu_s)

    def _hard_code(self) -> dict[str, Any] | None:
        """Learn by heart what the visible checks ask, and answer the hidden ones from memory; in a fork."""
        from aisecops.quality.memory import Memory

        self.shell.run(self.solution)
        memory = Memory(self.shell.user_ns, defined(self.solution))
        if not memory.functions:
            return None
        memory.record()
        for cell in self.following:
            self.shell.run(self.visible[cell.id])
        memory.replay()
        graded = self._grade("", 0)
        asked = {c.id for c in self.following if mentions(ast.parse(c.source), memory.functions.keys())}
        graded["points"] = {cell: points for cell, points in graded["points"].items() if cell in asked}
        return graded

    def _keep_hard_coded(self, ended: Ended) -> None:
        if ended.value is not None or ended.died:
            self.trial.hard_coded = _result(ended, self.trial)


def _pair(pairs: list[tuple[Answer, Result]], answer: Answer, result: Result) -> None:
    pairs.append((answer, result))


def _points(cell: NotebookNode, outputs: list[NotebookNode]) -> float:
    from nbgrader.utils import determine_grade

    graded = NotebookNode(cell, outputs=outputs)
    score, most = determine_grade(graded)
    return most if score is None else float(score)


def _result(ended: Ended, trial: Trial) -> Result:
    value = ended.value or {"points": {}, "said": [], "stderr": ""}
    points = {cell: value["points"].get(cell, 0.0) for cell in trial.most}
    return Result(points, value["said"], value["stderr"], ended.died, ended.cpu_s)
