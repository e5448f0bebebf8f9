"""The progress store: an append-only log of what a learner did, in SQLite.

What the chart shows is derived from the log; nothing in it is ever changed. WAL mode lets several
kernels append at once, and a killed process loses at most the event it was writing.
"""

import json
import re
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from aisecops import course
from aisecops.course import CourseError

SELF_CHECKED, GRADED, REVEALED, SELF_RATED = SOURCES = ("self-checked", "graded", "revealed", "self-rated")

T = TypeVar("T")

_VERSION = 1
_WAIT_S = 5
_SCHEMA = """
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    at TEXT NOT NULL,
    source TEXT NOT NULL,
    cell TEXT NOT NULL,
    points REAL NOT NULL,
    most REAL NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX event_by_cell ON event (source, cell, points, at);
CREATE TRIGGER no_update BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER no_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
"""


@dataclass(frozen=True)
class Event:
    """One thing that happened: ``points`` of ``most`` for a check ``cell`` (or a skill), from a ``source``."""

    source: str
    cell: str
    points: float
    most: float
    detail: str = ""
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    uid: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def passed(self) -> bool:
        """Whether all points were reached."""
        return self.points >= self.most


@dataclass(frozen=True)
class Tally:
    """All events of one source on one cell: how many, the best and the latest points, and when."""

    source: str
    cell: str
    count: int
    best: float
    latest: float
    first_at: str
    last_at: str


def path() -> Path:
    """Return where the log lies: hidden on the learner's desk. It need not exist yet."""
    return course.desk() / ".progress" / "attempts.sqlite3"


class Store:
    """The log in one file; made on first use.

    A file that is damaged is moved aside on opening, and a new one is made of every event that can still
    be read; ``notice`` then says so in one sentence.

    Raises:
        CourseError: from every method, when the file is locked for longer than five seconds, can't be
            written, or comes from a newer version of the course.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file or path()
        self.notice = ""

    def append(self, *events: Event) -> int:
        """Append events; one that is in the log already (same ``uid``) is skipped. Returns how many were new."""
        rows = [(e.uid, e.at, e.source, e.cell, e.points, e.most, e.detail) for e in events]

        def insert(database: sqlite3.Connection) -> int:
            before = database.total_changes
            database.executemany(
                "INSERT INTO event (uid, at, source, cell, points, most, detail) VALUES (?,?,?,?,?,?,?)"
                " ON CONFLICT (uid) DO NOTHING",
                rows,
            )
            return database.total_changes - before

        return self._do(insert)

    def events(self) -> list[Event]:
        """Return all events, oldest first."""
        return self._do(lambda database: list(_read(database))) if self.file.exists() else []

    def tallies(self) -> list[Tally]:
        """Return one tally for each source and cell; quick, also for a hundred thousand events."""
        query = (
            "SELECT t.source, t.cell, t.count, t.best, event.points, t.first, event.at FROM"
            " (SELECT source, cell, count(*) AS count, max(points) AS best, min(at) AS first, max(id) AS last"
            "  FROM event GROUP BY source, cell) AS t JOIN event ON event.id = t.last ORDER BY t.source, t.cell"
        )
        if not self.file.exists():
            return []
        return self._do(lambda database: [Tally(*row) for row in database.execute(query)])

    def state(self) -> tuple[int, ...]:
        """Return a value that changes whenever any process has appended; costs two file lookups."""
        found = []
        for file in (self.file, self.file.with_name(self.file.name + "-wal")):
            try:
                status = file.stat()
                found += [status.st_mtime_ns, status.st_size]
            except OSError:
                found += [0, 0]
        return tuple(found)

    def export(self, target: Path) -> int:
        """Write all events to ``target``, one JSON object a line. Returns how many."""
        events = self.events()
        course.write(
            target, "".join(json.dumps(asdict(event), ensure_ascii=False) + "\n" for event in events)
        )
        return len(events)

    def import_(self, source: Path) -> int:
        """Append the events of an exported file. Returns how many were new; a second time none are.

        Raises:
            CourseError: the file can't be read, or a line is not an event; nothing is imported then.
        """
        try:
            lines = source.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise CourseError(f"cannot read {source} ({error}): name a file that `export` wrote") from None
        return self.append(
            *[_parse(source, number, line) for number, line in enumerate(lines, 1) if line.strip()]
        )

    def reset(self) -> Path | None:
        """Start a new log. The old one is kept under a dated name, which is returned."""
        if not self.file.exists():
            return None
        self._do(lambda database: database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        return self._move_aside(f"attempts-until-{datetime.now(UTC):%Y-%m-%d}")

    def _do(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Open the file, run ``action`` in a transaction and close; rescue a damaged file and try once more."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            try:
                return self._attempt(action)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and not re.search(
                    "no such|already exists", str(error)
                ):
                    raise
                self._rescue()
                return self._attempt(action)
        except OSError as error:
            raise CourseError(
                f"cannot keep progress in {self.file.parent}: {error.strerror}; check permissions"
            ) from None
        except sqlite3.DatabaseError as error:
            raise CourseError(
                f"cannot use {self.file} ({error}): close other programs that hold it, or check permissions"
            ) from None

    def _attempt(self, action: Callable[[sqlite3.Connection], T]) -> T:
        with closing(sqlite3.connect(self.file, timeout=_WAIT_S)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise CourseError(
                    f"{self.file} was written by a newer version of the course: update this one"
                )
            if version < _VERSION:
                self._create(database)
            with database:
                return action(database)

    @staticmethod
    def _create(database: sqlite3.Connection) -> None:
        with database:
            database.execute("BEGIN IMMEDIATE")
            if database.execute("PRAGMA user_version").fetchone()[0] == 0:  # no other kernel was quicker
                for statement in _SCHEMA.split(";\n"):
                    # a trigger's body ends in "; END", so that splitting at line ends keeps it whole
                    if statement.strip():
                        database.execute(statement)
                database.execute(f"PRAGMA user_version = {_VERSION}")

    def _rescue(self) -> None:
        events = _salvage(self.file)
        aside = self._move_aside("attempts-damaged")
        if events:
            self.append(*events)
        self.notice = f"the progress file was damaged: {len(events)} events were rescued, the damaged file is kept as {aside.name}"

    def _move_aside(self, stem: str) -> Path:
        target, number = self.file.with_name(f"{stem}.sqlite3"), 2
        while target.exists():
            target = self.file.with_name(f"{stem}-{number}.sqlite3")
            number += 1
        self.file.replace(target)
        for suffix in ("-wal", "-shm"):
            side = self.file.with_name(self.file.name + suffix)
            if side.exists():
                side.replace(target.with_name(target.name + suffix))
        return target


def _read(database: sqlite3.Connection) -> Iterator[Event]:
    for row in database.execute("SELECT source, cell, points, most, detail, at, uid FROM event ORDER BY id"):
        yield Event(*row)


def _salvage(file: Path) -> list[Event]:
    """Return every event of a damaged file that can still be read, page by page."""
    events: dict[str, Event] = {}
    try:
        database = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=_WAIT_S)
    except sqlite3.Error:
        return []
    database.text_factory = lambda raw: raw.decode(errors="replace")
    with closing(database):
        for order in ("ASC", "DESC"):  # from both ends, up to the damage
            try:
                query = f"SELECT source, cell, points, most, detail, at, uid FROM event NOT INDEXED ORDER BY id {order}"
                for row in database.execute(query):
                    if _sane(row):
                        events.setdefault(row[-1], Event(*row))
            except sqlite3.Error:
                continue
    return sorted(events.values(), key=lambda event: (event.at, event.uid))


def _sane(row: tuple[Any, ...]) -> bool:
    source, cell, points, most, detail, at, uid = row
    return (
        source in SOURCES
        and all(isinstance(value, str) for value in (cell, detail, at, uid))
        and all(isinstance(value, int | float) for value in (points, most))
    )


def _parse(file: Path, number: int, line: str) -> Event:
    try:
        entry = json.loads(line)
        event = Event(**entry)
        if not _sane((event.source, event.cell, event.points, event.most, event.detail, event.at, event.uid)):
            raise ValueError("a field has the wrong type")
        datetime.fromisoformat(event.at)
    except (ValueError, TypeError) as error:
        raise CourseError(f"{file}:{number}: not an exported event ({error}); nothing was imported") from None
    return event
