"""The architecture of Meridian, a fictional bank, as data: its elements, data flows, assets and attack steps.

Three machine-learning systems are in it: the mail filter, the card-fraud model, and the chat assistant
*Meri* with its tools. The facts stand in ``meridian.yaml`` beside this file. The terms are those of data-flow
threat modelling (Shostack, *Threat Modeling: Designing for Security*, 2014); a path of attack steps is a
branch of an attack tree (Schneier, *Attack Trees*, 1999).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Literal

from aisecops import standards
from aisecops.course import CourseError
from aisecops.targets.records import Reader

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["external entity", "process", "data store", "model", "tool"]
Zone = Literal["internet", "dmz", "staff", "ml-platform", "core-banking"]
Stage = Literal["data collection", "training", "registry", "deployment", "inference", "monitoring"]

_FILE = Path(__file__).with_name("meridian.yaml")
_MONTH = datetime(2026, 6, 1)
_MINUTES = 30 * 24 * 60


@dataclass(frozen=True)
class Element:
    """A thing in the diagram. ``stages`` of the ML life cycle are empty for what is no part of it."""

    id: str
    name: str
    kind: Kind
    zone: Zone
    owner: str
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Flow:
    """Data that go from element ``source`` to element ``target``.

    ``authenticated`` says whether the target knows for sure who sent them.
    """

    source: str
    target: str
    carries: str
    channel: str
    authenticated: bool


@dataclass(frozen=True)
class Asset:
    """Something worth protecting that lies at ``element``; ``value`` is 1 (low) to 5."""

    id: str
    name: str
    element: str
    value: Literal[1, 2, 3, 4, 5]
    crown_jewel: bool


@dataclass(frozen=True)
class AttackStep:
    """Who controls ``source`` gains ``target`` by an ATLAS technique; ``days`` is person-days of work."""

    source: str
    target: str
    technique: str
    days: float
    how: str

    def __post_init__(self) -> None:
        """Refuse a cost that would break the search for cheapest paths."""
        if not 0 < self.days < float("inf"):
            raise ValueError(f"days is {self.days}; give a number above 0")


@dataclass(frozen=True)
class Calls:
    """How often a task of one month called a tool of Meri in one way; see :func:`tool_log`."""

    task: str
    tool: str
    scope: Literal["own-account", "any-account"]
    access: Literal["read", "write"]
    needed: bool
    count: int

    def __post_init__(self) -> None:
        """Refuse a row that stands for nothing."""
        if self.count < 1:
            raise ValueError(f"count is {self.count}; give a number of at least 1")


@dataclass(frozen=True)
class Meridian:
    """The whole bank, in the order of the file; every id named anywhere is the id of an element."""

    elements: tuple[Element, ...]
    flows: tuple[Flow, ...]
    assets: tuple[Asset, ...]
    entry_points: tuple[str, ...]
    attack_steps: tuple[AttackStep, ...]
    calls: tuple[Calls, ...]

    def element(self, id: str) -> Element:
        """Return the element with this id.

        Raises:
            CourseError: there is none.
        """
        for element in self.elements:
            if element.id == id:
                return element
        raise CourseError(f"Meridian has no element {id!r}; print [e.id for e in load().elements] for all")

    @property
    def crown_jewel(self) -> Asset:
        """The asset that matters most."""
        return next(asset for asset in self.assets if asset.crown_jewel)

    def crosses_boundary(self, flow: Flow) -> bool:
        """Return whether the flow goes from one trust zone to another."""
        return self.element(flow.source).zone != self.element(flow.target).zone


def load(path: Path | None = None) -> Meridian:
    """Return Meridian as it stands in the file.

    Args:
        path: the file to read; the course's own if not given.

    Raises:
        CourseError: the file can't be read or contradicts itself; the text names the line.
    """
    reader = Reader(path or _FILE)
    elements = reader.records("elements", Element)
    known = [element.id for element in elements]
    meridian = Meridian(
        elements=elements,
        flows=reader.records("flows", Flow, known),
        assets=reader.records("assets", Asset, known),
        entry_points=reader.records("entries", str, known),
        attack_steps=reader.records("steps", AttackStep, known, _known_technique),
        calls=reader.records("calls", Calls, known),
    )
    jewels = sum(asset.crown_jewel for asset in meridian.assets)
    if jewels != 1:
        raise reader.error("assets", f"{jewels} crown jewels; mark exactly one asset with crown_jewel: true")
    return meridian


def tool_log(seed: int = 2026) -> "pd.DataFrame":
    """Return what Meri's tools really were used for in June 2026, one row a call, in order of time.

    The seed moves the calls in time; how often each kind of call occurs is the same for every seed.

    Args:
        seed: which month.

    Returns:
        400 rows with ``id``, ``time``, ``task`` (what the person wanted), ``tool``, ``scope``
        (``own-account`` of the person who asked, or ``any-account``), ``access`` (``read`` or ``write``)
        and ``needed`` (bool: reviewers judged that the task could not have been done without the call).

    Raises:
        CourseError: as :func:`load`.
    """
    import pandas as pd

    random = Random(seed).random  # the one method whose values Python promises to keep
    rows = [
        {
            "time": _MONTH + timedelta(minutes=int(random() * _MINUTES)),
            "task": calls.task,
            "tool": calls.tool,
            "scope": calls.scope,
            "access": calls.access,
            "needed": calls.needed,
        }
        for calls in load().calls
        for _ in range(calls.count)
    ]
    log = pd.DataFrame(rows).sort_values("time", kind="stable", ignore_index=True)
    log.insert(0, "id", [f"t{position:04}" for position in range(1, len(log) + 1)])
    return log


def _known_technique(record: object) -> None:
    """Refuse an attack step whose technique is not one of ATLAS."""
    if isinstance(record, AttackStep):
        standards.lookup(record.technique)
