"""notebooks/ → source/ → release/: compiles the text notebooks into nbgrader's two versions.

An untouched notebook costs nothing: a digest of everything that goes into it, and of what came out,
is kept in ``.cache/build.json``.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from aisecops import exercises
from aisecops.course import CourseError, root, write
from aisecops.roadmap import Roadmap
from aisecops.roadmap import load as load_roadmap

START = "start-here"
INSTRUCTOR = "instructor"  # the view of a class, for whoever teaches it
WITHOUT_MONTH = (START, INSTRUCTOR)
CATALOGUE = "release/exercises.json"


@dataclass(frozen=True)
class Built:
    """What became of one notebook: ``changed`` files (relative to the course root), empty if untouched."""

    name: str
    changed: tuple[str, ...]
    recorded: bool

    @property
    def stale(self) -> bool:
        """Whether its files need a build, or its outputs a recording."""
        return bool(self.changed) or not self.recorded


def names(course: Path | None = None) -> tuple[str, ...]:
    """Return the names of all written notebooks for learners, in the order of the course."""
    found = {path.stem for path in ((course or root()) / "notebooks").glob("*.py")}
    return tuple(sorted(found - {INSTRUCTOR}))


def all_names(course: Path) -> tuple[str, ...]:
    """Return the names of all written notebooks, the instructor's among them."""
    own = (course / "notebooks" / f"{INSTRUCTOR}.py").is_file()
    return (*names(course), INSTRUCTOR) if own else names(course)


def build(
    wanted: Iterable[str] = (),
    *,
    record: bool = False,
    check: bool = False,
    force: bool = False,
    progress: Callable[[str], None] = lambda name: None,
) -> list[Built]:
    """Build notebooks and the catalogue of exercises.

    Args:
        wanted: notebook names such as ``month-01``; all if empty.
        record: execute each source and store its outputs.
        check: write nothing; the result tells what would change.
        force: overwrite a source that was edited by hand.
        progress: called with each notebook's name before it is built.

    Raises:
        CourseError: a mistake in a notebook or the roadmap, with file and line; a name that does not
            exist; a source edited by hand. Nothing of that notebook is written then.
    """
    course = root()
    written = all_names(course)
    wanted = tuple(wanted)
    for name in wanted:
        if name not in written:
            raise CourseError(f"there is no notebooks/{name}.py; written so far: {', '.join(written)}")
    roadmap = load_roadmap(course / "roadmap.yaml")
    cache = _Cache(course)
    untouched = (
        not check and not record and not force and all(cache.fresh(name) for name in wanted or written)
    )
    results = []
    path = course / CATALOGUE
    if not (untouched and path.is_file()):
        # First, because the chart at the end of a month shows it.
        catalogue = _catalogue(course, roadmap, written)
        if not path.is_file() or path.read_text(encoding="utf-8") != catalogue:
            if not check:
                write(path, catalogue)
            results.append(Built("exercises", (CATALOGUE,), recorded=True))
    for name in wanted or written:
        progress(name)
        results.append(_build_one(course, name, roadmap, cache, record=record, check=check, force=force))
    if not check:
        cache.save()
    return results


def report(results: list[Built], *, check: bool = False) -> list[str]:
    """Return one readable line for each notebook."""
    lines = []
    for result in results:
        verb = "is stale" if check else "built"
        text = f"{verb}: {', '.join(result.changed)}" if result.changed else "up to date"
        if not result.recorded:
            text += f"; outputs not recorded: run `aisecops build --record {result.name}`"
        lines.append(f"{result.name} {text}")
    return lines


def files_of(name: str) -> tuple[str, ...]:
    """Return the generated files of a notebook, relative to the course root; the learner's is last."""
    if name in WITHOUT_MONTH:
        return (f"release/{name}.ipynb",)  # not a folder, so nbgrader takes it for no assignment
    return (f"source/{name}/{name}.ipynb", f"release/{name}/{name}.ipynb")


def _build_one(
    course: Path, name: str, roadmap: Roadmap, cache: "_Cache", *, record: bool, check: bool, force: bool
) -> Built:
    if not (record or force or check) and cache.fresh(name):
        return Built(name, (), recorded=True)

    from aisecops.build.compile import digest, dumps, release, source
    from aisecops.build.read import read
    from aisecops.build.record import carry_over
    from aisecops.build.record import record as execute

    path = course / "notebooks" / f"{name}.py"
    month = None if name in WITHOUT_MONTH else roadmap.month(name)
    notebook = source(read(path, month), month, roadmap)
    target = course / files_of(name)[0]
    has_outputs = month is None
    if month is not None:
        old = _read_notebook(target)
        if old is not None and not force and digest(old) != old.metadata.get("aisecops", {}).get("cells"):
            raise CourseError(
                f"{files_of(name)[0]} was edited by hand: move the change into notebooks/{name}.py, "
                f"then run `aisecops build --force {name}`"
            )
        if record:
            execute(notebook, name)
            has_outputs = True
        else:
            has_outputs = old is not None and carry_over(old, notebook)
    texts = [dumps(release(notebook))] if month is None else [dumps(notebook), dumps(release(notebook))]
    changed = []
    for file, text in zip(files_of(name), texts, strict=True):
        if not (course / file).is_file() or (course / file).read_text(encoding="utf-8") != text:
            changed.append(file)
            if not check:
                write(course / file, text)
    if not check and has_outputs:
        cache.note(name)
    return Built(name, tuple(changed), has_outputs)


def _catalogue(course: Path, roadmap: Roadmap, written: tuple[str, ...]) -> str:
    from aisecops.build.read import check_unique, read

    labs = [
        read(course / "notebooks" / f"{name}.py", roadmap.month(name))
        for name in written
        if name not in WITHOUT_MONTH
    ]
    check_unique(labs)
    return exercises.to_json(exercise for lab in labs for exercise in lab.exercises)


def _read_notebook(path: Path):  # type: ignore[no-untyped-def]
    import nbformat

    if not path.is_file():
        return None
    try:
        return nbformat.read(path, as_version=4)
    except Exception:
        raise CourseError(f"{path} is not a notebook: delete it and build again") from None


class _Cache:
    """Remembers which inputs made which files."""

    def __init__(self, course: Path) -> None:
        self.course = course
        self.path = course / ".cache" / "build.json"
        try:
            self.digests: dict[str, str] = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.digests = {}

    def fresh(self, name: str) -> bool:
        return self.digests.get(name) == self._digest(name)

    def note(self, name: str) -> None:
        self.digests[name] = self._digest(name)

    def save(self) -> None:
        write(self.path, json.dumps(self.digests, indent=1, sort_keys=True) + "\n")

    def _digest(self, name: str) -> str:
        package = Path(__file__).resolve().parents[1]
        paths = [
            self.course / "notebooks" / f"{name}.py",
            self.course / "roadmap.yaml",
            self.course / "grader_config.py",
            *sorted(package.glob("*.py")),
            *sorted(package.glob("*.yaml")),
            *sorted((package / "build").glob("*.py")),
            *(self.course / file for file in files_of(name)),
        ]
        state = hashlib.sha256(
            " ".join(version(tool) for tool in ("nbgrader", "jupytext", "nbconvert")).encode()
        )
        for path in paths:
            state.update(path.read_bytes() if path.is_file() else b"missing")
        return state.hexdigest()
