"""Reads a submission, which is hostile data: first the files, then the notebook.

:func:`collect` takes bytes from a learner's folder and follows nothing. :func:`repair` makes a notebook of
them that can be graded: the month's own cells in their order, with the learner's answers in their places.
Neither raises, whatever is handed in. What cannot be repaired *needs a person*.
"""

import copy
import json
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from aisecops.grading.plan import is_locked, visible

MIB = 1 << 20
MOST_NOTEBOOK, MOST_FILE, MOST_FILES, MOST_BYTES = 20 * MIB, 20 * MIB, 200, 50 * MIB
MOST_FOLDERS, MOST_NAME, MOST_NOTES = 5, 200, 20
MOST_CELLS, MOST_SOURCE, MOST_SOURCES, MOST_NESTED, MOST_IMAGE = 2000, MIB, 4 * MIB, 100, 2 * MIB

_STAMP = "timestamp.txt"
_LEFT_OUT = frozenset({".ipynb_checkpoints", "__pycache__", ".DS_Store"})
_FORMATS = (3, 4)


@dataclass(frozen=True)
class Handed:
    """What a learner's folder holds, as bytes.

    Attributes:
        notebook: the notebook; empty if there is none.
        files: other files by their path in the folder.
        notes: what was left out, a sentence each.
        needs_person: why there is nothing to grade; empty if there is.
        stamp: when it was handed in, as nbgrader has written it.
    """

    notebook: bytes
    files: dict[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    needs_person: str = ""
    stamp: bytes = b""


@dataclass(frozen=True)
class Intake:
    """A notebook that can be graded.

    Attributes:
        notebook: the notebook; None if it needs a person.
        notes: what was repaired, a sentence each.
        needs_person: why it cannot be graded; empty if it can.
    """

    notebook: NotebookNode | None
    notes: tuple[str, ...] = ()
    needs_person: str = ""


class _HopelessError(Exception):
    """A person has to look at this; the text says why."""


class NotPlainError(Exception):
    """A file that is not read: the text says why; ``size`` is in bytes, 0 where it does not matter."""

    def __init__(self, why: str, size: int = 0) -> None:
        super().__init__(why)
        self.size = size


# ------------------------------------------------------------------------------------------------- files


def read_plain(folder: int, name: str, most: int) -> bytes:
    """Return the bytes of an ordinary file with one name. Follows no link and is not held up by a pipe.

    Args:
        folder: the descriptor of the folder that holds it.
        name: the file's, without a path.
        most: bytes it may hold.

    Raises:
        NotPlainError: it is something else, has another name elsewhere, or is too large.
        OSError: it cannot be opened.
    """
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    with os.fdopen(file, "rb") as opened:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise NotPlainError("it is no ordinary file")
        if found.st_nlink > 1:
            raise NotPlainError("it is a hard link: the same file has another name elsewhere")
        content = opened.read(most + 1) if found.st_size <= most else b""
    size = max(found.st_size, len(content))  # it may grow while it is read
    if size > most:
        raise NotPlainError(f"it holds {size / MIB:,.0f} MiB, and {most / MIB:,.0f} are left", size)
    return content


class _Folder:
    """Collects the files below one folder, through descriptors, so that nothing can be swapped in between."""

    def __init__(self, first: str) -> None:
        self.first = first
        self.files: dict[str, bytes] = {}
        self.notes: list[str] = []
        self.too_large: dict[str, int] = {}
        self.room = MOST_BYTES

    def read(self, descriptor: int, above: tuple[str, ...] = ()) -> None:
        """Read what lies in an open folder."""
        for name in sorted(os.listdir(descriptor), key=lambda name: (name != self.first, name)):
            if name in _LEFT_OUT:
                continue
            if len(self.files) >= MOST_FILES:
                self.notes.append(f"there are more than {MOST_FILES} files; the others were left out")
                return
            path = "/".join((*above, name))
            if why := self._refuse(descriptor, name, path, above):
                self.notes.append(f"{_shown(path)} was left out: {why}")

    def _refuse(self, descriptor: int, name: str, path: str, above: tuple[str, ...]) -> str:
        """Read a file or a folder; say why not, or nothing."""
        if len(os.fsencode(name)) > MOST_NAME or not name.isprintable() or "\\" in name:
            return "its name is too long, or has characters that no name needs"
        try:
            mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                return "it is a symbolic link"
            if stat.S_ISDIR(mode):
                if len(above) + 1 >= MOST_FOLDERS:
                    return f"it lies more than {MOST_FOLDERS} folders deep"
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
                try:
                    self.read(inner, (*above, name))
                finally:
                    os.close(inner)
                return ""
            if not stat.S_ISREG(mode):
                return "it is no ordinary file"
            return self._read_file(descriptor, name, path)
        except OSError as error:
            return f"it cannot be read ({error.strerror})"

    def _read_file(self, descriptor: int, name: str, path: str) -> str:
        most = min(MOST_FILE, self.room)
        try:
            content = read_plain(descriptor, name, most)
        except NotPlainError as error:
            if error.size > most:
                self.too_large[path] = error.size
            return str(error)
        self.room -= len(content)
        self.files[path] = content
        return ""


def collect(folder: Path, name: str) -> Handed:
    """Take the bytes of a submission.

    Args:
        folder: the learner's, for this month.
        name: of the notebook, without its ending.
    """
    wanted = f"{name}.ipynb"
    inside = _Folder(wanted)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        above = os.open(folder.parent, flags)
        try:
            descriptor = os.open(folder.name, flags, dir_fd=above)
        finally:
            os.close(above)
    except OSError as error:
        return Handed(
            b"", needs_person=f"its folder cannot be opened ({error.strerror}); links are not followed"
        )
    try:
        inside.read(descriptor)
    finally:
        os.close(descriptor)
    notes = inside.notes
    notebooks = {path: content for path, content in inside.files.items() if path.endswith(".ipynb")}
    files = {path: content for path, content in inside.files.items() if path not in notebooks}
    stamp = files.pop(_STAMP, b"")[:100]
    others = [path for path in notebooks if "/" not in path]
    needs_person = ""
    if wanted not in notebooks:
        if wanted in inside.too_large:
            size = inside.too_large[wanted] / MIB
            needs_person = (
                f"the notebook holds {size:,.0f} MiB, and {MOST_NOTEBOOK / MIB:,.0f} is the most: clear all"
                " outputs and hand it in again"
            )
        elif len(others) == 1:
            notes.append(f"{_shown(others[0])} was taken for {wanted}")
            wanted = others[0]
        else:
            there = ", ".join(map(_shown, sorted(inside.files)[:10])) or "nothing"
            needs_person = f"there is no {wanted}, but {there}"
    if len(notes) > MOST_NOTES:
        notes[MOST_NOTES:] = [f"and so on: {len(notes) - MOST_NOTES} more"]
    return Handed(notebooks.get(wanted, b""), files, tuple(notes), needs_person, stamp)


def _shown(name: str) -> str:
    """Return a learner's word as it may stand in a sentence."""
    text = ascii(name)[1:-1]
    return f"'{text if len(text) <= 80 else text[:77] + '...'}'"


# ---------------------------------------------------------------------------------------------- notebook


@dataclass
class _Given:
    """A cell as the learner handed it in."""

    kind: str
    source: str
    grade_id: str
    id: str
    claims: bool  # whether it says that nbgrader knows it
    attachments: dict[str, Any]
    place: int
    home: int = -1  # the cell of the month that it is


def repair(content: bytes, frame: NotebookNode) -> Intake:
    """Make a notebook that can be graded.

    Args:
        content: the learner's notebook.
        frame: the month's; see :func:`aisecops.build.compile.frame`.
    """
    notes: list[str] = []
    try:
        given = _cells(_parse(content, notes), frame, notes)
        return Intake(_assemble(given, frame, notes), tuple(notes))
    except _HopelessError as why:
        return Intake(None, tuple(notes), str(why))
    except Exception as error:  # nothing a learner hands in may stop a batch
        return Intake(None, tuple(notes), f"its notebook could not be read ({type(error).__name__})")


def _parse(content: bytes, notes: list[str]) -> dict[str, Any]:
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    if encoding == "utf-16":
        notes.append("the notebook was in UTF-16, not in UTF-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise _HopelessError(
            "its notebook is no text in UTF-8: save it in JupyterLab and hand it in again"
        ) from None
    _check_depth(text)
    twice: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            twice.append("a key")
        return found

    try:
        parsed = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_constant=lambda _: None,
            parse_int=lambda digits: int(digits) if len(digits) < 20 else 0,
        )
    except ValueError as error:
        line = f" in line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise _HopelessError(
            f"its notebook is no JSON{line}: open it in JupyterLab, save it and hand it in again"
        ) from None
    if twice:
        notes.append("the notebook has keys that occur twice; the last ones count")
    if not isinstance(parsed, dict):
        raise _HopelessError("its notebook is JSON, but no notebook")
    return _in_format_4(parsed, notes)


def _check_depth(text: str) -> None:
    """Refuse what is nested so deeply that reading it would exhaust the stack."""
    depth = 0
    # A string that does not end reaches to the end of the text: so this takes linear time, whatever it reads.
    for bracket in re.finditer(r'"(?:[^"\\]++|\\.)*+(?:"|\Z)|[][{}]', text, re.DOTALL):
        match bracket[0]:
            case "[" | "{":
                depth += 1
                if depth > MOST_NESTED:
                    raise _HopelessError(f"its notebook is nested more than {MOST_NESTED} deep")
            case "]" | "}":
                depth -= 1


def _in_format_4(parsed: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    version = parsed.get("nbformat", 4)
    if version not in _FORMATS:
        raise _HopelessError(
            f"its notebook is of format {_shown(str(version))}: save it in JupyterLab, as format 4"
        )
    if version == 3:
        notes.append("the notebook was in the old format 3")
        try:
            return dict(nbformat.convert(nbformat.from_dict(parsed), 4))
        except Exception:
            raise _HopelessError("its notebook says that it is of format 3, but it is not") from None
    return parsed


def _cells(notebook: dict[str, Any], frame: NotebookNode, notes: list[str]) -> list[_Given]:
    """Return the learner's cells, each with the cell of the month that it is."""
    raw = notebook.get("cells")
    if not isinstance(raw, list):
        raise _HopelessError("its notebook has no cells")
    if len(raw) > MOST_CELLS:
        raise _HopelessError(f"its notebook has {len(raw):,} cells, and {MOST_CELLS:,} is the most")
    odd: dict[str, list[int]] = {}
    given = [_given(cell, place, odd) for place, cell in enumerate(raw)]
    for what, places in odd.items():
        notes.append(f"{len(places)} cells {what}, the first of them cell {places[0] + 1}")
    longest, together = max((len(c.source) for c in given), default=0), sum(len(c.source) for c in given)
    if longest > MOST_SOURCE or together > MOST_SOURCES:
        raise _HopelessError(
            f"its cells hold {together / MIB:.1f} MiB of text: {MOST_SOURCE // MIB} MiB a cell and"
            f" {MOST_SOURCES // MIB} in all is the most"
        )
    _find_homes(given, frame, notes)
    locked = [place for place, cell in enumerate(frame.cells) if is_locked(cell)]
    found = {cell.home for cell in given}
    if sum(place in found for place in locked) * 2 < len(locked):
        raise _HopelessError(f"most cells of the month are missing: {_what_it_is(notebook)}")
    return given


def _given(cell: Any, place: int, odd: dict[str, list[int]]) -> _Given:
    cell = cell if isinstance(cell, dict) else {}
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    kind = cell.get("cell_type")
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    nbgrader = nbgrader if isinstance(nbgrader, dict) else {}
    if (
        not isinstance(source, str)
        or kind not in ("code", "markdown", "raw")
        or not isinstance(metadata, dict)
    ):
        odd.setdefault("were malformed", []).append(place)
    source = source if isinstance(source, str) else ""
    clean = source.encode("utf-8", "replace").decode()
    if clean != source:
        odd.setdefault("held halves of characters, which are question marks now", []).append(place)
    grade_id, id_ = nbgrader.get("grade_id"), cell.get("id")
    attachments = cell.get("attachments")
    return _Given(
        kind if kind in ("code", "markdown", "raw") else "markdown",
        clean,
        grade_id if isinstance(grade_id, str) else "",
        id_ if isinstance(id_, str) else "",
        bool(nbgrader),
        attachments if isinstance(attachments, dict) else {},
        place,
    )


def _find_homes(given: Sequence[_Given], frame: NotebookNode, notes: list[str]) -> None:
    """Find out which cell of the month each of the learner's is: by its name, its text, or its place."""
    homes = {cell.id: place for place, cell in enumerate(frame.cells)}
    for cell in given:
        cell.home = homes.get(cell.grade_id, -1)
    named = {cell.home for cell in given}
    for cell in given:
        if cell.home < 0 and (home := homes.get(cell.id, -1)) not in named:
            cell.home = home
    taken = {cell.home for cell in given}
    texts: dict[str, int] = {}
    for place, master in enumerate(frame.cells):
        if place not in taken and is_locked(master):
            texts.setdefault(_tidy(visible(master)), place)
    for cell in given:
        if cell.home < 0 and (home := texts.pop(_tidy(cell.source), -1)) >= 0:
            cell.home = home
    by_place = []
    for home, master in enumerate(frame.cells):
        if not _is_answer(master) or home in {cell.home for cell in given}:
            continue
        if (nameless := _at(home, master.cell_type, given)) is not None:
            nameless.home = home
            by_place.append(master.id)
    if by_place:
        notes.append(f"cells without their names were told by their places: {_list(by_place)}")


def _at(home: int, kind: str, given: Sequence[_Given]) -> _Given | None:
    """Return the nameless cell that stands where an answer belongs: between the same neighbours."""
    before = max((c.place for c in given if 0 <= c.home < home), default=-1)
    after = min((c.place for c in given if c.home > home), default=len(given))
    return next(
        (c for c in given[before + 1 : after] if c.home < 0 and c.kind == kind and c.source.strip()), None
    )


def _what_it_is(notebook: dict[str, Any]) -> str:
    try:
        name = notebook["metadata"]["aisecops"]["notebook"]
    except (KeyError, TypeError):
        name = None
    if isinstance(name, str) and re.fullmatch(r"month-\d\d|start-here", name):
        return f"this seems to be {name}"
    return "this seems to be another notebook"


def _assemble(given: Sequence[_Given], frame: NotebookNode, notes: list[str]) -> NotebookNode:
    """Put the learner's answers and own cells into the month's."""
    notebook = copy.deepcopy(frame)
    homes: dict[int, list[_Given]] = {}
    own: dict[int, list[_Given]] = {}
    last = -1
    for cell in given:
        if cell.home >= 0:
            homes.setdefault(cell.home, []).append(cell)
            last = cell.home
        else:
            own.setdefault(last, []).append(cell)
    moved = _moved(given)
    for cell in moved:
        if _is_answer(frame.cells[cell.home]) and (anchor := _anchor(cell, given)) < cell.home:
            own.setdefault(anchor, []).append(cell)  # cells after its place there may need it
    found: dict[str, list[str]] = {}
    for place, master in enumerate(notebook.cells):
        _fill(master, homes.get(place, []), found)
    _say(found, [frame.cells[cell.home].id for cell in moved], notes)
    if any(cell.claims for cells in own.values() for cell in cells if cell.home < 0):
        notes.append("cells that the month does not have were marked for grading; they are ordinary ones")
    used = {cell.id for cell in notebook.cells}
    cells = [*_own(own.get(-1, []), used)]
    for place, master in enumerate(notebook.cells):
        cells += [master, *_own(own.get(place, []), used)]
    notebook.cells = cells
    return notebook


def _fill(master: NotebookNode, cells: Sequence[_Given], found: dict[str, list[str]]) -> None:
    """Give a cell of the month what the learner wrote in it, if it is theirs to write."""

    def note(what: str) -> None:
        found.setdefault(what, []).append(master.id)

    known = "nbgrader" in master.metadata
    if not cells:
        note("missing") if known else None
        return
    if known and any(cell.kind != master.cell_type for cell in cells):
        note("retyped")
    if is_locked(master):
        if any(_tidy(cell.source) not in (_tidy(visible(master)), _tidy(master.source)) for cell in cells):
            note("changed")
        if len(cells) > 1:
            note("copied")
        return
    texts = list(dict.fromkeys(cell.source for cell in cells))
    answers = [text for text in texts if _tidy(text) != _tidy(master.source)] or texts[:1]
    if len(cells) > 1 and known:
        note("doubled")
    master.source = "\n\n".join(answers)
    if master.cell_type == "markdown":
        pictures = {name: images for cell in cells for name, images in _images(cell.attachments)}
        if pictures:
            master.attachments = nbformat.from_dict(pictures)


_SAYS = {
    "missing": "missing cells were put back: {}",
    "changed": "changed cells of the instructor's are as they were: {}",
    "copied": "copies of the instructor's cells were left out: {}",
    "retyped": "the type of cells is again what it was: {}",
    "doubled": "answers in several cells were put together, in their order: {}",
}


def _say(found: dict[str, list[str]], moved: list[str], notes: list[str]) -> None:
    for what, says in _SAYS.items():
        if what in found:
            notes.append(says.format(_list(found[what])))
    if moved:
        notes.append(f"moved cells are in their places again: {_list(moved)}")


def _moved(given: Sequence[_Given]) -> list[_Given]:
    """Return the cells that stand before one which comes earlier in the month: the fewest that explain it."""
    from bisect import bisect_left

    seen: set[int] = set()
    firsts = [c for c in given if c.home >= 0 and not (c.home in seen or seen.add(c.home))]  # type: ignore[func-returns-value]
    # The longest increasing run stays; the others were moved.
    ends: list[int] = []
    lengths = []
    for cell in firsts:
        length = bisect_left(ends, cell.home)
        ends[length : length + 1] = [cell.home]
        lengths.append(length)
    wanted, stays = len(ends) - 1, set()
    for place in range(len(firsts) - 1, -1, -1):
        if lengths[place] == wanted:
            stays.add(place)
            wanted -= 1
    return [cell for place, cell in enumerate(firsts) if place not in stays]


def _anchor(cell: _Given, given: Sequence[_Given]) -> int:
    """Return the cell of the month after which a moved one stands."""
    return max((c.home for c in given[: cell.place] if c.home >= 0 and c is not cell), default=-1)


def _own(cells: Iterable[_Given], used: set[str]) -> list[NotebookNode]:
    """Return the learner's own cells, with ids that no other cell has."""
    made = []
    for cell in cells:
        id_ = cell.id if cell.home < 0 else ""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", id_) or id_ in used:
            number = 1
            while (id_ := f"extra-{number}") in used:
                number += 1
        used.add(id_)
        make = {
            "code": nbformat.v4.new_code_cell,
            "markdown": nbformat.v4.new_markdown_cell,
            "raw": nbformat.v4.new_raw_cell,
        }[cell.kind]
        made.append(make(cell.source, id=id_))
    return made


def _images(attachments: dict[str, Any]) -> Iterable[tuple[str, dict[str, str]]]:
    for name, images in list(attachments.items())[:20]:
        kept = {
            kind: data
            for kind, data in (images.items() if isinstance(images, dict) else ())
            if kind in ("image/png", "image/jpeg")
            and isinstance(data, str)
            and len(data) <= MOST_IMAGE
            and re.fullmatch(r"[A-Za-z0-9+/=\s]*", data)
        }
        if kept and re.fullmatch(r"[\w. -]{1,100}", name):
            yield name, kept


def _is_answer(master: NotebookNode) -> bool:
    return bool(master.metadata.get("nbgrader", {}).get("solution"))


def _tidy(source: str) -> str:
    """Return a text without what editors add: spaces at the ends of lines, empty lines at the end."""
    return "\n".join(line.rstrip() for line in source.splitlines()).rstrip()


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
