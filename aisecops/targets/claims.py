"""Meridian's claims assistant *Clara* as data, and the real parts of it that labs attack.

Clara answers claimants from an index of documents, has five tools, pays small claims by herself after a
fraud model has looked at them, and that model is retrained on past claims. ``claims.yaml`` beside this
file holds the architecture, an attack tree, loss scenarios, possible measures and the policy wordings. The
fraud model's data come from :func:`history`, a seeded generator: no real person's claim is in it.

The terms are those of data-flow threat modelling (Shostack, *Threat Modeling: Designing for Security*,
2014), attack trees (Schneier, 1999) and quantitative risk analysis with calibrated intervals (Hubbard &
Seiersen, *How to Measure Anything in Cybersecurity Risk*, 2nd edition, 2023).
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from aisecops import standards
from aisecops.course import CourseError
from aisecops.targets.records import Reader

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["external entity", "process", "data store", "predictive model", "language model", "tool"]
Zone = Literal["internet", "dmz", "staff", "ml-platform", "core-banking"]
Effect = Literal["none", "read", "write", "send"]
Holding = Literal["personal data", "money", "secrets"]
Role = Literal["input", "context", "call", "training", "weights", "code", "output", "data"]

CONTROLS = {
    "approval": "a person confirms each use",
    "audit log": "who asked for what is written down where the component cannot change it",
    "pinned": "packages are taken by version and hash only",
    "provenance": "the origin of every record is kept, and how much one origin may add is limited",
    "rate limit": "so many requests a person and day, and no more",
    "review": "a person reads everything that goes on from here",
    "schema": "what goes on from here has a fixed form and no free text",
    "signature": "unsigned files are refused",
    "user rights": "acts with the rights of the person who asked, not with its own",
}

_FILE = Path(__file__).with_name("claims.yaml")
_FEATURES = (
    "amount", "days_insured", "days_to_report", "earlier_claims", "photos", "words", "partner_shop", "night",
    *(f"signal_{number:02}" for number in range(1, 17)),
)  # fmt: skip
# How far fraud moves each signal, in its standard deviations.
_SHIFTS = (0.5, -0.4, 0.0, 0.6, -0.7, 0.3, -0.2, 0.0, 0.5, -0.5, 0.2, -0.6, 0.4, 0.0, -0.3, 0.7)
# How people begin and end a question.
_OPENINGS = (
    "How do I", "How can I", "What do I need to", "Please tell me how to", "I would like to",
    "Can you help me to", "Where do I", "What is the right way to", "I want to", "Is it possible to",
)  # fmt: skip
_ENDINGS = (
    "?", ", please?", " this week?", "? It is urgent.", " with my contract?", "? Thank you.",
    " and how long does it take?", ", and what does it cost?", " online?", "? I could not find it.",
)  # fmt: skip

_Word = Literal[
    "approval", "audit log", "pinned", "provenance", "rate limit", "review", "schema", "signature",
    "user rights",
]  # fmt: skip
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True)
class Element:
    """A thing in the diagram; ``at`` is its column and row there."""

    id: str
    name: str
    kind: Kind
    zone: Zone
    effect: Effect
    holds: tuple[Holding, ...]
    controls: tuple[_Word, ...]
    at: tuple[float, float]

    def __post_init__(self) -> None:
        """Only tools have an effect."""
        if (self.kind == "tool") != (self.effect != "none"):
            raise ValueError(f"a {self.kind} with effect {self.effect}: tools have one, others none")


@dataclass(frozen=True)
class Flow:
    """Data that go from ``source`` to ``target``; ``role`` says what they are to the target."""

    source: str
    target: str
    role: Role
    carries: str
    authenticated: bool
    encrypted: bool


@dataclass(frozen=True)
class Step:
    """A leaf of the attack tree: person-``days`` it costs, and the ``chance`` that it works."""

    id: str
    technique: str
    days: _Positive
    chance: _Share
    how: str


@dataclass(frozen=True)
class Goal:
    """An inner node: reached by ``any`` or by ``all`` of the goals and steps in ``of``."""

    id: str
    name: str
    how: Literal["any", "all"]
    of: tuple[str, ...]


@dataclass(frozen=True)
class Scenario:
    """A kind of loss: events a year, and euros an event, each as the middle 90 % of what is expected."""

    id: str
    name: str
    per_year: tuple[_Positive, _Positive]
    loss: tuple[_Positive, _Positive]

    def __post_init__(self) -> None:
        """An interval runs from low to high."""
        if not (self.per_year[0] < self.per_year[1] and self.loss[0] < self.loss[1]):
            raise ValueError("per_year and loss are intervals: the lower end first")


@dataclass(frozen=True)
class Measure:
    """Something to do: euros a year, and by scenario the share of its events that it prevents."""

    id: str
    name: str
    cost: _Positive
    prevents: dict[str, _Share]
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Topic:
    """Policy wordings on one subject, and how people ask about it."""

    id: str
    texts: tuple[str, ...]
    asks: tuple[str, ...]


@dataclass(frozen=True)
class Claims:
    """The whole system, in the order of the file; every id named anywhere exists."""

    elements: tuple[Element, ...]
    flows: tuple[Flow, ...]
    steps: tuple[Step, ...]
    goals: tuple[Goal, ...]
    scenarios: tuple[Scenario, ...]
    measures: tuple[Measure, ...]
    topics: tuple[Topic, ...]

    def system(self) -> dict[str, list[dict[str, Any]]]:
        """Return elements and flows as plain data; the ends of a flow are called ``from`` and ``to``.

        Each call gives a copy of its own.
        """
        elements = [
            {
                "id": e.id,
                "kind": e.kind,
                "zone": e.zone,
                "effect": e.effect,
                "holds": list(e.holds),
                "controls": list(e.controls),
            }
            for e in self.elements
        ]
        flows = []
        for flow in self.flows:
            values = asdict(flow)
            flows.append({"from": values.pop("source"), "to": values.pop("target"), **values})
        return {"elements": elements, "flows": flows}


def load(path: Path | None = None) -> Claims:
    """Return the claims assistant as it stands in the file.

    Args:
        path: the file to read; the course's own if not given.

    Raises:
        CourseError: the file can't be read or contradicts itself; the text names the line.
    """
    reader = Reader(path or _FILE)
    elements = reader.records("elements", Element)
    steps = reader.records("steps", Step, check=lambda step: _technique(step.technique))
    goals = _goals(reader, [step.id for step in steps])
    scenarios = reader.records("scenarios", Scenario)
    measures = _measures(reader, [scenario.id for scenario in scenarios])
    return Claims(
        elements=elements,
        flows=reader.records("flows", Flow, [element.id for element in elements]),
        steps=steps,
        goals=goals,
        scenarios=scenarios,
        measures=measures,
        topics=reader.records("topics", Topic),
    )


def _goals(reader: Reader, steps: list[str]) -> tuple[Goal, ...]:
    """Return the goals, the topmost first; each refers to goals further down, or to steps."""
    goals = reader.records("goals", Goal)
    below = [*steps, *(goal.id for goal in goals)]

    def check(goal: Goal) -> None:
        if goal.id in steps:
            raise ValueError(f"the id {goal.id!r} is that of a step; choose another")
        if not goal.of:
            raise ValueError("of is empty; name what reaches the goal")
        below.remove(goal.id)
        _known(goal.of, below, "goal further down and no step")

    return reader.records("goals", Goal, check=check)


def _measures(reader: Reader, scenarios: list[str]) -> tuple[Measure, ...]:
    """Return the measures; each prevents scenarios and needs measures that exist."""
    ids = [measure.id for measure in reader.records("measures", Measure)]

    def check(measure: Measure) -> None:
        _known(measure.prevents, scenarios, "scenario")
        _known(measure.needs, ids, "measure")

    return reader.records("measures", Measure, check=check)


def _technique(id: str) -> None:
    if not standards.lookup(id).source.startswith("ATLAS techniques"):
        raise ValueError(f"{id} is no technique of ATLAS; correct it")


def _known(names: Iterable[str], known: list[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"no {what} has the id {name!r}; correct it")


def history(count: int = 4000, seed: int = 2026) -> "pd.DataFrame":
    """Return past claims with their outcome, about one in seven of them fraud.

    Fraud is no straight line in these features: a high amount is suspicious soon after the contract began,
    many earlier claims are if photos are few, and a late report is if the shop is unknown.

    Args:
        count: how many claims, at least 1.
        seed: which claims; the same seed gives the same claims on every machine.

    Returns:
        One row a claim, with ``amount`` (euros), ``days_insured``, ``days_to_report``, ``earlier_claims``,
        ``photos``, ``words`` (of the report), ``partner_shop`` and ``night`` (0 or 1), ``signal_01`` to
        ``signal_16`` (how the form was filled in, as its vendor measures it), and ``fraud`` (0 or 1).

    Raises:
        CourseError: ``count`` is less than 1.
    """
    import pandas as pd

    if count < 1:
        raise CourseError(f"history(count={count}): give a count of 1 or more")
    random = Random(seed).random  # the one method whose values Python promises to keep
    return pd.DataFrame([_claim(random) for _ in range(count)], columns=[*_FEATURES, "fraud"])


def _claim(random: Any) -> list[float]:
    """Return the features of one claim, and whether it is fraud."""

    def bell(middle: float, width: float) -> float:
        """Return a number around the middle; sums of uniform numbers are nearly normal."""
        return middle + width * float(sum(random() for _ in range(12)) - 6)

    fraud = random() < 0.15
    pattern = int(random() * 3) if fraud else -1
    amount = 10 ** bell(3.35 if pattern == 0 else 3.0, 0.25)
    days_insured = 10 ** bell(1.9 if pattern == 0 else 2.75, 0.33)
    days_to_report = 10 ** bell(1.15 if pattern == 2 else 0.55, 0.28)
    earlier_claims = max(0.0, bell(3.6 if pattern == 1 else 1.2, 1.0))
    photos = max(0.0, bell(1.5 if pattern == 1 else 4.5 - fraud, 1.6))
    words = 10 ** bell(1.75 if fraud else 2.0, 0.22)
    partner_shop = random() < (0.1 if pattern == 2 else 0.55)
    night = random() < (0.35 if fraud else 0.2)
    return [
        round(amount, 2),
        round(days_insured),
        round(days_to_report),
        round(earlier_claims),
        round(photos),
        round(words),
        int(partner_shop),
        int(night),
        *(round(bell(fraud * shift, 1.0), 3) for shift in _SHIFTS),
        int(fraud),
    ]


@cache
def _topics() -> dict[str, Topic]:
    """Return the topics of the course's own file by id; read once, for questions come by the hundred."""
    return {topic.id: topic for topic in load().topics}


def documents() -> list[str]:
    """Return the policy wordings that Clara searches, one text a passage."""
    return [text for topic in _topics().values() for text in topic.texts]


def questions(topic: str, count: int, seed: int = 2026) -> list[str]:
    """Return questions that customers ask about one topic, each in its own words.

    Args:
        topic: the id of one of ``load().topics``.
        count: how many.
        seed: which questions.

    Raises:
        CourseError: there is no such topic.
    """
    if topic not in _topics():
        raise CourseError(f"there is no topic {topic!r}: choose one of {', '.join(_topics())}")
    asks = _topics()[topic].asks
    random = Random(f"{topic} {seed}").random

    def pick(options: tuple[str, ...]) -> str:
        return options[int(random() * len(options))]

    return [f"{pick(_OPENINGS)} {pick(asks)}{pick(_ENDINGS)}" for _ in range(count)]
