"""Hostile submissions, alone and in a batch between honest ones: no point undeserved, nothing reached, no batch stopped."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.api import Gradebook

from aisecops.grading import batch, sandbox, submission
from aisecops.grading.intake import collect
from aisecops.grading.split import Times
from aisecops.grading.submission import Graded, Job, Master, Settings
from tests.hostile import ATTACKS, HONEST, lab
from tests.hostile.world import World, decoys, reached

UNLOCKED = sandbox.works()
TIMES, SHORT = Times(cell_s=7, notebook_s=60, grace_s=5), Times(cell_s=2, notebook_s=20, grace_s=1)

pytestmark = [
    pytest.mark.flow,
    pytest.mark.skipif(bool(UNLOCKED), reason=f"hostile code is run in the sandbox only: {UNLOCKED}"),
]


class Class:
    """A class in which every attack and every honest submission is handed in, and graded."""

    def __init__(self, root: Path, world: World) -> None:
        self.root, self.world = root, world
        release = lab.build(root)
        for honest in HONEST:
            honest.hand_in(self.folder(f"honest-{honest.name}"), release)
        for attack in ATTACKS:
            attack.hand_in(self.folder(name_of(attack)), release, world)
        self.master = Master.of(lab.NAME, root / "source" / lab.NAME)
        os.chdir(root)

    def folder(self, student: str) -> Path:
        folder = self.root / "submitted" / student / lab.NAME
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def alone(self, student: str, times: Times) -> Graded:
        """Grade one submission as if there were no other."""
        handed = collect(self.folder(student), lab.NAME)
        return submission.grade(self.master, Job(student, handed), Settings(times=times))

    def together(self) -> dict[str, Graded]:
        """Grade all in one batch."""
        steps = batch.grade(lab.NAME, batch.Options(workers=2))
        return {step.student: step.graded for step in steps}


def name_of(attack: Any) -> str:
    return f"{attack.family}-{attack.name}".replace(" ", "-").replace("/", "")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch, decoys() as world:
        root = tmp_path_factory.mktemp("hostile")
        patch.setenv("AISECOPS_COURSE", str(root))
        patch.setattr("aisecops.grading.autograde.Times", lambda *_: TIMES)
        yield Class(root, world)
        os.chdir(before)


@pytest.fixture(scope="module")
def graded(room: Class) -> dict[str, Graded]:
    found = room.together()
    found["reached"] = reached(room.world)  # type: ignore[assignment]
    return found


def test_there_are_sixty_attacks_of_seven_families() -> None:
    assert len(ATTACKS) >= 60
    assert len({attack.family for attack in ATTACKS}) == 7
    assert len({name_of(attack) for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=name_of)
def test_an_attack_in_a_batch_gets_what_it_deserves(attack: Any, graded: dict[str, Graded]) -> None:
    judge(attack, graded[name_of(attack)])


def judge(attack: Any, found: Graded) -> None:
    said = " | ".join([found.needs_person, *found.notes, *found.suspicious])
    if attack.ends == "needs a person":
        assert found.needs_person, said
        assert set(found.scores.values()) == {None}
    else:
        assert not found.needs_person
        assert found.score == attack.deserves
    assert attack.says in said


@pytest.mark.parametrize("honest", HONEST, ids=lambda honest: honest.name)
def test_honest_submissions_among_them_get_what_they_deserve(honest: Any, graded: dict[str, Graded]) -> None:
    found = graded[f"honest-{honest.name}"]
    assert (found.score, found.needs_person, found.notes, found.suspicious) == (honest.deserves, "", [], [])


def test_the_batch_reached_nothing(graded: dict[str, Graded]) -> None:
    assert graded["reached"] == []


def test_the_gradebook_holds_all_of_them(room: Class, graded: dict[str, Graded]) -> None:
    with Gradebook(f"sqlite:///{room.root / 'gradebook.db'}") as gradebook:
        scores = {s.student.id: s.score for s in gradebook.assignment_submissions(lab.NAME)}
    assert scores == {student: found.score for student, found in graded.items() if student != "reached"}


def test_graded_notebooks_are_whole_and_tell_no_secret(room: Class, graded: dict[str, Graded]) -> None:
    for path in sorted((room.root / "autograded").glob("*/*/*.ipynb")):
        text = path.read_text(encoding="utf-8")
        assert len(text) < 30_000_000, path
        assert room.world.token not in text, path
        nbformat.validate(nbformat.reads(text, as_version=4))
    for path in (room.root / "autograded").rglob("*"):
        assert not path.is_symlink()


@pytest.mark.parametrize("attack", ATTACKS, ids=name_of)
def test_an_attack_alone_gets_what_it_deserves_and_reaches_nothing(
    attack: Any, room: Class, graded: dict[str, Graded]
) -> None:
    before = graded[name_of(attack)]
    stopped = "took too long" in str(before.notes) or "gone or stopped" in str(before.suspicious)
    judge(attack, room.alone(name_of(attack), SHORT if stopped else TIMES))
    assert reached(room.world) == []
