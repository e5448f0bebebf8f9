"""Malformed input: what was handed in is no notebook, or no file, or not what it seems."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from tests.hostile.attack import Family
from tests.hostile.honest import RIGHT
from tests.hostile.lab import ALL, NAME, Release, write
from tests.hostile.world import World

family = Family("malformed input")
FILE = f"{NAME}.ipynb"


def _bytes(
    name: str, what: str, made: Callable[[Release], bytes], deserves: float = 0, says: str = "", ends: Any = "needs a person"
) -> None:  # fmt: skip
    """Add a notebook file of these bytes."""

    def hand_in(folder: Path, release: Release, world: World) -> None:
        (folder / FILE).write_bytes(made(release))

    family.add(name, what, hand_in, deserves, ends, says)


def _file(name: str, what: str, deserves: float = 0, ends: Any = "needs a person", says: str = "") -> Any:
    """Add a submission that the decorated function writes."""

    def add(hand_in: Callable[[Path, Release, World], None]) -> None:
        family.add(name, what, hand_in, deserves, ends, says)

    return add


def _right(release: Release) -> NotebookNode:
    return release.answered(RIGHT)


def _text(release: Release) -> str:
    return json.dumps(_right(release))


# --------------------------------------------------------------------------------------- bytes and JSON

_bytes("empty file", "hands in a file of no bytes", lambda release: b"")
_bytes(
    "no JSON",
    "hands in a picture under the notebook's name",
    lambda release: b"\x89PNG\r\n\x1a\n" + bytes(999),
)
_bytes("half of it", "hands in the first half of a notebook", lambda release: _text(release).encode()[:3000])
_bytes("another value", "hands in JSON that is a number", lambda release: b"42")
_bytes(
    "nested 100,000 deep",
    "nests lists a hundred thousand deep, on which readers overflow their stack",
    lambda release: (
        b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b', "nbformat": 4, "nbformat_minor": 5}'
    ),
)
_bytes(
    "nested metadata",
    "nests something that nobody asked for thirty thousand deep beside right cells",
    lambda release: b'{"deep": ' + b"[" * 30_000 + b"]" * 30_000 + b", " + _text(release).encode()[1:],
)
_bytes(
    "no numbers",
    "writes NaN and Infinity where the format has counts and versions",
    lambda release: (
        _text(release).replace('"nbformat_minor": 5', '"nbformat_minor": NaN').replace('"nbformat": 4', '"nbformat": Infinity')
    ).encode(),
)  # fmt: skip
_bytes(
    "mark of byte order",
    "saves a right notebook as UTF-8 with a mark of the byte order, as some editors do",
    lambda release: b"\xef\xbb\xbf" + _text(release).encode(),
    ALL,
    ends="graded",
)
_bytes(
    "UTF-16",
    "saves a right notebook as UTF-16",
    lambda release: json.dumps(_right(release), ensure_ascii=False).encode("utf-16"),
    ALL,
    says="UTF-16",
    ends="graded",
)
_bytes(
    "broken UTF-8",
    "has bytes in it that are no UTF-8",
    lambda release: _text(release).encode().replace(b"Explain", b"\xff\xfe\xc0", 1),
)
_bytes(
    "two values for a key",
    "has the list of cells twice: first the right ones, then none",
    lambda release: _text(release).encode()[:-1] + b', "cells": []}',
)
_bytes(
    "count of a million digits",
    "has an integer of a million digits in its metadata, which takes long to read",
    lambda release: b'{"digits": ' + b"9" * 1_000_000 + b", " + _text(release).encode()[1:],
    ALL,
    ends="graded",
)


def _changed(
    name: str, what: str, change: Callable[[NotebookNode], object], deserves: float, ends: Any = "graded"
) -> None:
    family.notebook(name, what, change, deserves, ends)


_changed(
    "half of a character",
    "writes lone surrogates, which are no characters, into code, prose and metadata",
    lambda notebook: (
        notebook.cells[-1].update(source="\ud800 " + str(notebook.cells[-1].source)),
        next(c for c in notebook.cells if c.id == "play-scratch").update(
            source="print('\udfff \\ud800')\n'\\udc00'"
        ),
        notebook.metadata.update(title="\udcff"),
    ),
    ALL,
)
_changed(
    "wrong types",
    "gives fields of cells and notebook the wrong types: numbers as sources, lists as ids, texts as metadata",
    lambda notebook: (
        notebook.metadata.update(kernelspec=[1], language_info="python"),
        [c.update(id=k, metadata="none", source={"text": c.source}) for k, c in enumerate(notebook.cells)],
    ),
    0,
    "needs a person",
)
_changed(
    "cells are null",
    "has no list of cells, but null",
    lambda notebook: notebook.update(cells=None),
    0,
    "needs a person",
)
_changed(
    "null among the cells",
    "has null, numbers and texts among its cells",
    lambda notebook: notebook.cells.extend([None, 7, "cell", [], {}]),
    ALL,
)
_changed(
    "outputs of wrong types",
    "brings outputs that are no outputs",
    lambda notebook: [
        c.update(outputs={"output_type": ["error"]}, execution_count="many")
        for c in notebook.cells
        if c.cell_type == "code"
    ],
    ALL,
)
_changed(
    "characters of no text",
    "has NUL and other control characters in its code and its ids",
    lambda notebook: (
        next(c for c in notebook.cells if c.id == "play-scratch").update(source="print('\0\x1b[2J\u202e')"),
        notebook.cells[-1].update(id="\0/../\n" * 20),
    ),
    ALL,
)


@_file("a million cells", "hands in a notebook of a million empty cells, 80 MB of them")
def _million(folder: Path, release: Release, world: World) -> None:
    cell = '{"cell_type": "code", "metadata": {}, "source": "", "outputs": [], "execution_count": null}'
    with (folder / FILE).open("w") as file:
        file.write('{"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [' + cell)
        for _ in range(999):
            file.write((", " + cell) * 1000)
        file.write("]}")


@_file("2 GB", "hands in a sparse file of 2 GB, which takes no room until somebody reads it")
def _sparse(folder: Path, release: Release, world: World) -> None:
    with (folder / FILE).open("wb") as file:
        file.write(b'{"cells": [')
        file.truncate(2 << 30)


# ---------------------------------------------------------------------------------------- files and folders


@_file("no notebook", "hands in a folder without the notebook")
def _none(folder: Path, release: Release, world: World) -> None:
    (folder / "notes.txt").write_text("I could not do it.")


@_file("wrong name", "hands in a right notebook under another name", ALL, "graded", "taken for")
def _wrong_name(folder: Path, release: Release, world: World) -> None:
    write(_right(release), folder, "Month 1 (final, really)")


@_file("two notebooks", "hands in a right notebook and a second one of another name", ALL, "graded")
def _two(folder: Path, release: Release, world: World) -> None:
    write(_right(release), folder)
    write(release.notebook, folder, f"{NAME}-Copy1")


@_file("folder for a notebook", "has a folder where the notebook should be")
def _folder(folder: Path, release: Release, world: World) -> None:
    (folder / FILE).mkdir()
    write(_right(release), folder / FILE)


@_file("link for a notebook", "has a symbolic link to somebody else's notebook in place of its own")
def _link(folder: Path, release: Release, world: World) -> None:
    (folder / FILE).symlink_to(world.neighbour / FILE)


@_file("link to nowhere", "has a symbolic link in place of the notebook that leads to itself")
def _loop(folder: Path, release: Release, world: World) -> None:
    (folder / FILE).symlink_to(folder / FILE)


@_file(
    "linked data",
    "has a symbolic link to the instructor's notebook among its data files, and a linked folder",
    ALL,
    "graded",
)
def _linked_data(folder: Path, release: Release, world: World) -> None:
    show = "for name in ('data.json', 'more/source.ipynb', 'up/outside.txt'):\n    try:\n        print(open(name).read())\n    except OSError:\n        pass\n"
    write(release.answered(RIGHT, show), folder)
    (folder / "data.json").symlink_to(world.source)
    (folder / "more").symlink_to(world.root)
    (folder / "up").symlink_to(os.path.relpath(world.root, folder))


@_file("hard link", "has a hard link to a file outside among its data files, and writes to it", ALL, "graded")
def _hard_link(folder: Path, release: Release, world: World) -> None:
    change = "import os\ntry:\n    os.chmod('data.txt', 0o777)\n    open('data.txt', 'w').write('changed')\nexcept OSError:\n    pass\n"
    write(release.answered(RIGHT, change), folder)
    try:
        os.link(world.outside, folder / "data.txt")
    except OSError:  # on another file system
        (folder / "data.txt").write_text("no link")


@_file(
    "pipe for a notebook", "has a named pipe where the notebook should be: whoever opens it waits for ever"
)
def _pipe(folder: Path, release: Release, world: World) -> None:
    os.mkfifo(folder / FILE)


@_file("pipe among the data", "has a named pipe and a socket among its data files", ALL, "graded")
def _data_pipe(folder: Path, release: Release, world: World) -> None:
    import socket

    write(_right(release), folder)
    os.mkfifo(folder / "data.csv")
    here = os.getcwd()
    os.chdir(folder)  # the path of a socket may not be long
    try:
        with socket.socket(socket.AF_UNIX) as place:
            place.bind("place")
    finally:
        os.chdir(here)


@_file(
    "names with lines",
    "names files with .., line breaks, control characters, long names and bytes of no UTF-8",
    ALL,
    "graded",
)
def _names(folder: Path, release: Release, world: World) -> None:
    write(_right(release), folder)
    wild = [
        b"..\\..\\up.txt",
        b"a\nb.txt",
        b"\x1b[2J.txt",
        b"\xff\xfe.txt",
        b"-rf",
        b"$(id).txt",
        b"x" * 250,
        b"...",
        b" ",
    ]
    for name in wild:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("wild")


@_file(
    "deep folders",
    "nests its data in eight hundred folders, with a path that few programs can open",
    ALL,
    "graded",
)
def _deep(folder: Path, release: Release, world: World) -> None:
    write(_right(release), folder)
    here = os.open(folder, os.O_RDONLY)
    for _ in range(800):
        os.mkdir("deeper", dir_fd=here)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


@_file("many files", "brings twenty thousand small data files", ALL, "graded")
def _many(folder: Path, release: Release, world: World) -> None:
    write(_right(release), folder)
    (folder / "many").mkdir()
    for number in range(20_000):
        (folder / "many" / f"{number}.txt").touch()


@_file("large data", "brings a sparse data file of 2 GB", ALL, "graded")
def _large(folder: Path, release: Release, world: World) -> None:
    write(_right(release), folder)
    with (folder / "data.bin").open("wb") as file:
        file.truncate(2 << 30)


@_file(
    "unreadable",
    "takes all rights off its notebook; for root that is no obstacle, and the notebook is no notebook",
)
def _unreadable(folder: Path, release: Release, world: World) -> None:
    (folder / FILE).write_text("{")
    (folder / FILE).chmod(0)


@_file(
    "stamp of no time",
    "brings a timestamp.txt that holds no time, but HTML and a date of the year 99999",
    ALL,
    "graded",
)
def _stamp(folder: Path, release: Release, world: World) -> None:
    write(_right(release), folder)
    (folder / "timestamp.txt").write_bytes(b"99999-13-77 <script>x</script>\n" + bytes(99) + b"\xff")


@_file(
    "modules of its own",
    "brings files that Python would import in place of its own: numpy.py, sitecustomize.py, __init__.py",
    ALL,
    "graded",
)
def _modules(folder: Path, release: Release, world: World) -> None:
    write(release.answered(RIGHT), folder)
    bad = f"import builtins\nbuiltins.abs = builtins.len = lambda *args: 0\nopen({str(world.loot / 'imported')!r}, 'w').close()\n"
    for name in ("numpy", "sitecustomize", "usercustomize", "nbgrader_config", "conftest", "json"):
        (folder / f"{name}.py").write_text(bad)


ATTACKS = tuple(family.attacks)
