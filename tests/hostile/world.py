"""Decoys: things that no submission may reach, made for the attacks to aim at. All of them can be lost."""

import contextlib
import ctypes
import os
import shutil
import socket
import sqlite3
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

VARIABLE = "DECOY_TOKEN"  # in the environment of whoever grades
_PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # where attacks try to leave something
_OPENED = 0x20  # inotify(7): IN_OPEN


@dataclass(frozen=True)
class World:
    """Where the decoys are.

    Attributes:
        root: a folder that anybody may write to; nothing may appear in it.
        mark: is part of the name of each file and process that an attack leaves behind.
        token: is in all that may not be read; it may be in no graded notebook and no feedback.
        source: an instructor's notebook.
        gradebook: a database with the scores of ``neighbour`` and ``me``.
        neighbour: the folder of somebody else's submission.
        outside: a file that must survive as it is.
        port: where somebody listens, on loopback.
        unix: the socket on which somebody listens.
        pid: of a process that must survive.
    """

    root: Path
    mark: str
    token: str
    source: Path
    gradebook: Path
    neighbour: Path
    outside: Path
    port: int
    unix: Path
    pid: int
    _called: list[str] = field(default_factory=list, repr=False)
    _watch: int = -1

    @property
    def loot(self) -> Path:
        """Where attacks put what they could read."""
        return self.root / "loot"


@contextlib.contextmanager
def decoys() -> Iterator[World]:
    """Set the decoys up; take them away at the end, with all that attacks have left.

    They can be read and written by anybody: only the sandbox is in the way.
    """
    root = Path(tempfile.mkdtemp(prefix="decoys-"))
    mark = "left-" + root.name[-6:]
    token = "token-" + root.name[-8:]
    source, neighbour = root / "source.ipynb", root / "neighbour"
    gradebook, outside = root / "gradebook.db", root / "outside.txt"
    source.write_text(f'{{"cells": [], "metadata": {{"token": "{token}"}}}}')
    neighbour.mkdir()
    (neighbour / "month-01.ipynb").write_text(f'{{"cells": [], "metadata": {{"token": "{token}"}}}}')
    outside.write_text(token)
    (root / "loot").mkdir()
    with contextlib.closing(sqlite3.connect(gradebook)) as database, database:
        database.execute("create table grade (student text, score real, secret text)")
        database.executemany("insert into grade values (?, 1, ?)", [("neighbour", token), ("me", token)])
    for path in (root, *root.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    sleeper = subprocess.Popen(["sleep", "3600"])
    listener = socket.create_server(("127.0.0.1", 0))
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(root / "unix"))
    local.listen()
    (root / "unix").chmod(0o777)
    called: list[str] = []
    for place, name in ((listener, "port"), (local, "unix socket")):
        threading.Thread(target=_listen, args=(place, name, called), daemon=True).start()
    os.environ[VARIABLE] = token
    world = World(
        root, mark, token, source, gradebook, neighbour, outside,
        listener.getsockname()[1], root / "unix", sleeper.pid, called,
        _watched(source, gradebook, neighbour / "month-01.ipynb"),
    )  # fmt: skip
    try:
        yield world
    finally:
        del os.environ[VARIABLE]
        for place in (listener, local):
            with contextlib.suppress(OSError):
                place.shutdown(socket.SHUT_RDWR)
            place.close()
        os.close(world._watch)
        sleeper.kill()
        sleeper.wait()
        for pid, _ in _processes(mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        for path in _left(world):
            path.unlink(missing_ok=True)
        shutil.rmtree(root, ignore_errors=True)


def reached(world: World) -> list[str]:
    """Return what attacks have reached since the last call: a sentence each, none if all is well."""
    found = [f"somebody called the {name}" for name in dict.fromkeys(world._called)]
    world._called.clear()
    found += [f"{path} was opened" for path in _opened(world._watch)]
    if not world.outside.is_file() or world.outside.read_text() != world.token:
        found.append("the file outside was changed")
    elif world.outside.stat().st_mode & 0o7777 != 0o666:
        found.append("the rights of the file outside were changed")
    if not (world.neighbour / "month-01.ipynb").is_file():
        found.append("the neighbour's submission is gone")
    kept = {"source.ipynb", "neighbour", "gradebook.db", "outside.txt", "loot", "unix"}
    found += [f"{path} appeared" for path in sorted(world.root.iterdir()) if path.name not in kept]
    found += [f"{path.name} was carried off" for path in sorted(world.loot.iterdir())]
    found += [f"{path} was left behind" for path in _left(world)]
    found += [f"a process was left behind: {name}" for _, name in _processes(world.mark)]
    try:
        state = Path(f"/proc/{world.pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        state = "Z"
    if state in "ZXT":
        found.append("the process outside was stopped")
    return found


def _listen(listener: socket.socket, name: str, called: list[str]) -> None:
    with contextlib.suppress(OSError):
        while True:
            listener.accept()[0].close()
            called.append(name)


def _left(world: World) -> list[Path]:
    places = [Path(place) for place in (*_PLACES, Path.home(), Path.cwd())]
    return [path for place in places if place.is_dir() for path in sorted(place.glob(f"*{world.mark}*"))]


def _processes(mark: str) -> list[tuple[int, str]]:
    """Return the processes that have the mark in their command line or name."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                said = (entry / "cmdline").read_bytes() + b" " + (entry / "comm").read_bytes()
                running = (entry / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
                if mark.encode() in said and running:
                    found.append((int(entry.name), said.replace(b"\0", b" ").decode(errors="replace")[:80]))
    return found


def _watched(*paths: Path) -> int:
    """Have the kernel note when somebody opens these files; return the descriptor to read it from."""
    library = ctypes.CDLL(None, use_errno=True)
    watch: int = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    for path in paths:
        if library.inotify_add_watch(watch, bytes(path), _OPENED) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch", str(path))
    return watch


def _opened(watch: int) -> list[str]:
    """Return which of the watched were opened, by what is known of them."""
    names = ("", "the source", "the gradebook", "the neighbour's submission")
    found: dict[str, None] = {}
    with contextlib.suppress(BlockingIOError):
        while data := os.read(watch, 1 << 16):
            place = 0
            while place < len(data):
                number, _, _, size = struct.unpack_from("iIII", data, place)
                found[names[number] if 0 < number < len(names) else "something"] = None
                place += 16 + size
    return list(found)
