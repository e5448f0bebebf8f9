"""What an attack is, and how most of them are written down."""

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nbformat import NotebookNode

from tests.hostile.honest import RIGHT
from tests.hostile.lab import ALL, ASKED, Release, write
from tests.hostile.world import World

HandIn = Callable[[Path, Release, World], None]
Ends = Literal["graded", "needs a person"]


@dataclass(frozen=True)
class Attack:
    """A submission that wants points it does not deserve, or to do harm.

    Attributes:
        name: of the attack.
        family: it belongs to.
        what: it tries, in a sentence.
        hand_in: writes it into its folder.
        deserves: points that the honest part earns, without those that a person gives.
        ends: how its grading must end.
        says: what a note, a reason or a suspicion must say to the instructor; empty if nothing has to.
    """

    name: str
    family: str
    what: str
    hand_in: HandIn
    deserves: float = 0
    ends: Ends = "graded"
    says: str = ""


class Family:
    """Collects the attacks of a family, in order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.attacks: list[Attack] = []

    def add(
        self,
        name: str,
        what: str,
        hand_in: HandIn,
        deserves: float = 0,
        ends: Ends = "graded",
        says: str = "",
    ) -> None:
        """Add an attack."""
        self.attacks.append(Attack(name, self.name, what, hand_in, deserves, ends, says))

    def cheat(
        self, name: str, what: str, code: str, answers: Mapping[str, str] | None = None, deserves: float = 0
    ) -> None:
        """Add code that stands in every solution cell and wants to pass for its answer.

        The code can read in ``NAMES`` which names the cell has to define. Those that it leaves alone become
        functions of no use.
        """

        def hand_in(folder: Path, release: Release, world: World) -> None:
            told = {
                exercise: (answers or {}).get(exercise) or _everywhere(names, _plain(code, world))
                for exercise, names in ASKED.items()
            }
            write(release.answered(told), folder)

        self.add(name, what, hand_in, deserves)

    def beside(self, name: str, what: str, code: str, deserves: float = ALL, says: str = "") -> None:
        """Add code in a cell of its own, on top of a notebook that is right."""

        def hand_in(folder: Path, release: Release, world: World) -> None:
            write(release.answered(RIGHT, _plain(code, world)), folder)

        self.add(name, what, hand_in, deserves, says=says)

    def answers(
        self, name: str, what: str, answers: Mapping[str, str], deserves: float, says: str = ""
    ) -> None:
        """Add answers that attack, in a notebook that is right but for them."""

        def hand_in(folder: Path, release: Release, world: World) -> None:
            told = {exercise: _plain(source, world) for exercise, source in answers.items()}
            write(release.answered(RIGHT | told), folder)

        self.add(name, what, hand_in, deserves, says=says)

    def notebook(
        self,
        name: str,
        what: str,
        change: Callable[[NotebookNode], object],
        deserves: float,
        ends: Ends = "graded",
        says: str = "",
        answers: Mapping[str, str] = RIGHT,
    ) -> None:
        """Add a change of the notebook's cells or metadata."""

        def hand_in(folder: Path, release: Release, world: World) -> None:
            notebook = release.answered(answers)
            change(notebook)
            write(notebook, folder)

        self.add(name, what, hand_in, deserves, ends, says)


def _plain(code: str, world: World) -> str:
    """Put the places of the decoys into code that names them, such as ``$OUTSIDE``."""
    places = {
        "$ROOT": str(world.root), "$MARK": world.mark, "$SOURCE": str(world.source),
        "$GRADEBOOK": str(world.gradebook), "$NEIGHBOUR": str(world.neighbour), "$OUTSIDE": str(world.outside),
        "$PORT": str(world.port), "$UNIX": str(world.unix), "$PID": str(world.pid), "$LOOT": str(world.loot),
    }  # fmt: skip
    code = textwrap.dedent(code).strip() + "\n"
    for place, path in places.items():
        code = code.replace(place, path)
    return code


# What an exercise gets that a cheat leaves alone: right in no check, and near enough for one that is weakened.
_USELESS = {
    "spread": "lambda numbers: 0.0",
    "Ledger": "lambda limit: None",
    "scaled": "lambda table: table * 0",
    "clamp": "lambda *args: None",
    "windows": "lambda items, size: []",
    "report": '{"total": 0, "shares": [0, 0, 0], "ranking": []}',
    "seek": "lambda ask, low, high: 0",
}


def _everywhere(names: tuple[str, ...], code: str) -> str:
    """Have the cell bind its names where any reader of the code sees it."""
    bound = "\n".join(f"{name} = globals().get({name!r}, {_USELESS[name]})" for name in names)
    return f"NAMES = {names!r}\n{code}\n{bound}\n"
