"""What the trials of an exercise prove about its grader, and what they refute."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from aisecops.build.compile import numbered
from aisecops.build.read import Cell, Lab
from aisecops.quality.answers import Answer, Answers, Mark
from aisecops.quality.finding import Finding
from aisecops.quality.mutants import Mutant
from aisecops.quality.trial import Result, Trial

LEAST_RIGHT, LEAST_WRONG = 2, 3
LEAST_MUTATION_SCORE = 0.95
# Errors of Python's own that tell a learner nothing about the task.
_BARE = (
    "NameError",
    "KeyError",
    "AttributeError",
    "TypeError",
    "IndexError",
    "UnboundLocalError",
    "ImportError",
)


@dataclass
class Verdict:
    """One exercise in numbers: of its ``mutants``, ``killed`` lost points and ``equivalent`` deserve all.

    ``cheats`` are those that took points on the stock executor, of ``cheats_tried``.
    """

    exercise: str
    stub: bool
    solution: bool
    right: int
    wrong: int
    mutants: int
    killed: int
    equivalent: int
    hard_coding: bool | None
    cheats: list[str] = field(default_factory=list)
    cheats_tried: int = 0


def mutation_score(verdicts: Iterable[Verdict]) -> float:
    """Return the share of non-equivalent mutants that lost points; 1 if there are none."""
    verdicts = list(verdicts)
    counted = sum(verdict.mutants - verdict.equivalent for verdict in verdicts)
    return sum(verdict.killed for verdict in verdicts) / counted if counted else 1.0


def judge(lab: Lab, trials: list[Trial], answers: Answers) -> tuple[list[Verdict], list[Finding]]:
    """Return a verdict for each exercise of a lab and the findings of all of them."""
    verdicts, findings = [], []
    for trial in trials:
        judged = _Judge(lab, trial, answers)
        findings += list(judged.findings())
        verdicts.append(judged.verdict())
    known = {trial.exercise for trial in trials}
    places = [(a.exercise, a.line) for a in answers.answers] + [(m.exercise, m.line) for m in answers.marks]
    for exercise, line in places:
        if exercise not in known:
            findings.append(
                Finding(
                    f"{answers.path}:{line}", "answers", f'no exercise with a solution is called "{exercise}"'
                )
            )
    findings += _cheats(lab, verdicts)
    if (score := mutation_score(verdicts)) < LEAST_MUTATION_SCORE:
        findings.append(
            Finding(
                f"notebooks/{lab.name}.py:1", "mutants",
                f"mutation score {score:.1%}; at least {LEAST_MUTATION_SCORE:.0%} of the changed solutions "
                "must lose points",
            )
        )  # fmt: skip
    return verdicts, findings


def _cheats(lab: Lab, verdicts: list[Verdict]) -> list[Finding]:
    """Report which cheats take points where hidden tests run in the learner's process, as nbgrader has it."""
    took = Counter(cheat for verdict in verdicts for cheat in verdict.cheats)
    said = "; ".join(f"{cheat} ({count} of {len(verdicts)} exercises)" for cheat, count in took.most_common())
    sentence = f"on the stock executor these take points: {said}"
    return [Finding(f"notebooks/{lab.name}.py:1", "cheats", sentence, note=True)] if took else []


def full(trial: Trial, result: Result | None) -> bool:
    """Tell whether an answer got all points of an exercise."""
    return result is not None and not result.died and result.points == trial.most


class _Judge:
    def __init__(self, lab: Lab, trial: Trial, answers: Answers) -> None:
        self.lab, self.trial, self.answers = lab, trial, answers
        self.marks = [mark for mark in answers.marks if mark.exercise == trial.exercise]

    def verdict(self) -> Verdict:
        trial = self.trial
        survivors = [mutant for mutant, lost in trial.mutants if not lost]
        equivalent = [m for m in survivors if (mark := self._mark(m)) and mark.equivalent]
        return Verdict(
            trial.exercise,
            stub=trial.stub is not None and trial.stub.score == 0,
            solution=full(trial, trial.solution),
            right=sum(answer.score is None and full(trial, r) for answer, r in trial.answers),
            wrong=sum(answer.score is not None and not self._wrong(answer, r) for answer, r in trial.answers),
            mutants=len(trial.mutants),
            killed=len(trial.mutants) - len(survivors),
            equivalent=len(equivalent),
            hard_coding=None if trial.hard_coded is None else trial.hard_coded.score == 0,
            cheats=[cheat.title for cheat, result in trial.cheats if result.score > 0],
            cheats_tried=len(trial.cheats),
        )

    def findings(self) -> Iterator[Finding]:
        yield from self._stub()
        yield from self._solution()
        yield from self._answers()
        yield from self._mutants()
        yield from self._hard_coding()

    def _stub(self) -> Iterator[Finding]:
        stub = self.trial.stub
        where = self._cell("solution")
        if stub is None or stub.died:
            yield self._at(
                where, "stub", f"the untouched cell did not end: {stub.died if stub else 'it was not tried'}"
            )
            return
        for cell, points in stub.points.items():
            if points:
                yield self._at(
                    where,
                    "stub",
                    f"the untouched cell gets {points:g} points of check {cell}: it must get none",
                )
        for said in stub.said:
            kind, _, message = said.partition(": ")
            if kind in _BARE or len(message.split()) < 4:
                yield self._at(
                    where,
                    "stub",
                    f"a learner who has written nothing reads `{said}`: say in a sentence what to do",
                )

    def _solution(self) -> Iterator[Finding]:
        result = self.trial.solution
        if full(self.trial, result):
            return
        assert result is not None
        why = result.died or " | ".join([*result.said, result.stderr.strip()])
        yield self._at(self._cell("solution"), "solution", f"the solution does not get all points: {why}")

    def _answers(self) -> Iterator[Finding]:
        tried = self.trial.answers
        right = sum(answer.score is None for answer, _ in tried)
        wrong = len(tried) - right
        if right < LEAST_RIGHT or wrong < LEAST_WRONG:
            yield self._at(
                self._cell("exercise"), "answers",
                f"{self.answers.path} has {right} right and {wrong} wrong answers to it; "
                f"write at least {LEAST_RIGHT} and {LEAST_WRONG}",
            )  # fmt: skip
        for answer, result in tried:
            where = f"{self.answers.path}:{answer.line}"
            if answer.score is None and not full(self.trial, result):
                said = result.died or " | ".join([*result.said, result.stderr.strip()])
                yield Finding(
                    where, "right", f"this right answer to {answer.exercise} gets "
                    f"{result.score:g} of {sum(self.trial.most.values()):g} points: {said}",
                )  # fmt: skip
            elif answer.score is not None and (problem := self._wrong(answer, result)):
                yield Finding(where, "wrong", f"this wrong answer to {answer.exercise} {problem}")

    def _wrong(self, answer: Answer, result: Result) -> str:
        """Say what is wrong with how a wrong answer was graded; empty if nothing."""
        assert answer.score is not None
        said = " | ".join(result.said)
        if answer.score >= sum(self.trial.most.values()):
            return "deserves all points by its score=: then it is no wrong answer"
        if result.died:
            return f"did not end: {result.died}"
        if result.score != answer.score:
            got = f"deserves {answer.score:g} points and gets {result.score:g}"
            return f"{got}; the checks said: {said or 'nothing'}"
        if not answer.says:
            return "needs says=: a part of what the failing check must tell the learner"
        if answer.says not in said:
            return f"must be told “{answer.says}”; the checks said: {said}"
        return ""

    def _mutants(self) -> Iterator[Finding]:
        survivors = [mutant for mutant, lost in self.trial.mutants if not lost]
        solution = self._cell("solution")
        for mutant in survivors:
            if self._mark(mutant) is None:
                yield Finding(
                    f"notebooks/{self.lab.name}.py:{solution.line + mutant.line}", "mutants",
                    f"no test notices this change ({mutant.operator}); sharpen one, or give the reason in "
                    f"{self.answers.path}:\n- `{mutant.before}`\n+ `{mutant.after}`",
                )  # fmt: skip
        shapes = {(mutant.before, mutant.after) for mutant in survivors}
        for mark in self.marks:
            if (mark.before, mark.after) not in shapes:
                yield Finding(
                    f"{self.answers.path}:{mark.line}", "mutants",
                    f"no change of {mark.exercise} that lives is `{mark.before}` → `{mark.after}`: "
                    "delete the mark",
                )  # fmt: skip

    def _mark(self, mutant: Mutant) -> Mark | None:
        return next((m for m in self.marks if (m.before, m.after) == (mutant.before, mutant.after)), None)

    def _hard_coding(self) -> Iterator[Finding]:
        for cell in self.lab.cells:
            if (
                cell.role == "tests"
                and cell.name == self.trial.exercise
                and "BEGIN HIDDEN TESTS" not in cell.source
            ):
                yield self._at(
                    cell,
                    "hard-coding",
                    "this check has no hidden part: whoever returns what it shows gets its points",
                )
                return
        learned = self.trial.hard_coded
        for check, points in learned.points.items() if learned else ():
            if points:
                yield self._at(
                    self._check(check), "hard-coding",
                    f"an answer that knows only what the visible checks ask gets {points:g} points of "
                    f"{check}: ask the hidden ones about other data",
                )  # fmt: skip

    def _cell(self, role: str) -> Cell:
        return next(cell for cell in self.lab.cells if (cell.role, cell.name) == (role, self.trial.exercise))

    def _check(self, id_: str) -> Cell:
        return next(cell for cell, cell_id in numbered(self.lab) if cell_id == id_)

    def _at(self, cell: Cell, check: str, sentence: str, *, note: bool = False) -> Finding:
        return Finding(
            f"notebooks/{self.lab.name}.py:{cell.line}", check, f"{self.trial.exercise}: {sentence}", note
        )
