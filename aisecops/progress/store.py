"""The progress store: an append-only log of what a learner did, in SQLite.

What the chart shows is derived from the log; nothing in it is ever changed. In WAL mode (a journal that is
written before the file itself) several kernels append at once, and a killed process loses at most the event
it was writing.
"""

import json
import math
import os
import re
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, astuple, dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from aisecops import course
from aisecops.course import CourseError

SELF_CHECKED, GRADED, REVEALED, SELF_RATED = SOURCES = ("self-checked", "graded", "revealed", "self-rated")

T = TypeVar("T")
Row = TypeVar("Row", "Event", "Tally")

_VERSION = 1
# It stands in two places, so that damage to one is not taken for a newer version.
_VERSION_FIELDS = ("user_version", "application_id")
PAGE_BYTES = 4096
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
CREATE INDEX event_by_cell ON event (source, cell, at, points, most);
CREATE TRIGGER no_update BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER no_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
"""
COLUMNS = "source, cell, points, most, detail, at, uid"
_INSERT = f"INSERT INTO event ({COLUMNS}) VALUES (?,?,?,?,?,?,?) ON CONFLICT (uid) DO NOTHING"
_TALLIES = """
SELECT t.source, t.cell, t.count, t.best, event.points, t.passed_at, t.first_at, event.at
FROM (SELECT source, cell, count(*) AS count, max(points) AS best,
             min(CASE WHEN points >= most THEN at END) AS passed_at, min(at) AS first_at, max(id) AS last
      FROM event GROUP BY source, cell) AS t
JOIN event ON event.id = t.last ORDER BY t.source, t.cell
"""
# Ids run from 1 without a gap, so the table and its index both know how many events there are.
_COUNTS = """
SELECT count(*) FROM event INDEXED BY event_by_cell UNION SELECT coalesce(max(id), 0) FROM event
"""


@dataclass(frozen=True)
class Event:
    """One thing that happened: ``points`` of ``most`` for a check ``cell`` (or a skill), from a ``source``.

    ``at`` is a UTC time in ISO 8601; an event with the same ``uid`` is the same event.
    """

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

    @property
    def sound(self) -> bool:
        """Whether every field holds what it must; in a damaged file some do not."""
        return (
            self.source in SOURCES
            and all(isinstance(text, str) for text in (self.cell, self.detail, self.uid))
            and _is_number(self.points)
            and _is_number(self.most)
            and _is_time(self.at)
        )


@dataclass(frozen=True)
class Tally:
    """All events of one source on one cell: how many, the best and the latest points, and when.

    ``passed_at`` is the time of the first event with all points; None if there is none.
    """

    source: str
    cell: str
    count: int
    best: float
    latest: float
    passed_at: str | None
    first_at: str
    last_at: str

    @property
    def sound(self) -> bool:
        """Whether every field holds what it must; in a damaged file some do not."""
        times = [self.first_at, self.last_at, *([self.passed_at] if self.passed_at is not None else [])]
        return (
            self.source in SOURCES
            and isinstance(self.cell, str)
            and _is_number(self.best)
            and _is_number(self.latest)
            and all(map(_is_time, times))
        )


def path() -> Path:
    """Return where the log lies: hidden on the learner's desk. It need not exist yet."""
    return course.desk() / ".progress" / "attempts.sqlite3"


class Store:
    """The log in one file; made on first use.

    A damaged file is moved aside when the damage is met, and a new one is made of every event that can still
    be read; ``notice`` then says so in one sentence.

    Args:
        file: where the log lies; on the learner's desk if not given.
        patience_s: how many seconds to wait for another process that holds the file.

    Raises:
        CourseError: from every method, when the file stays locked, can't be written, or comes from a newer
            version of the course.
    """

    def __init__(self, file: Path | None = None, patience_s: float = 5.0) -> None:
        self.file = file or path()
        self.patience_s = patience_s
        self.notice = ""

    def append(self, *events: Event) -> int:
        """Append events, and return how many were new: one with a known ``uid`` is skipped."""
        rows = [astuple(event) for event in events]

        def insert(database: sqlite3.Connection) -> int:
            database.execute("BEGIN IMMEDIATE")
            before = database.total_changes
            database.executemany(_INSERT, rows)
            return database.total_changes - before

        return self._do(insert)

    def events(self) -> list[Event]:
        """Return all events, oldest first."""
        if not self.file.exists():
            return []
        return self._do(_all_events)

    def tallies(self) -> list[Tally]:
        """Return one tally for each source and cell; quick, also for a hundred thousand events."""
        if not self.file.exists():
            return []
        return self._do(_all_tallies)

    def times(self, source: str, cells: Iterable[str]) -> list[tuple[str, str]]:
        """Return cell and time of each event of one source on some cells, in no certain order."""
        if not self.file.exists():
            return []
        cells = sorted(set(cells))
        query = f"SELECT cell, at FROM event WHERE source = ? AND cell IN ({','.join('?' * len(cells))})"

        def select(database: sqlite3.Connection) -> list[tuple[str, str]]:
            rows = database.execute(query, (source, *cells)).fetchall()
            if not all(_is_time(at) for _, at in rows):
                raise sqlite3.DatabaseError("it holds what was never written")
            return rows

        return self._do(select)

    def state(self) -> tuple[int, ...]:
        """Return a value that changes whenever any process has appended; costs two file lookups."""
        found = []
        for file in (self.file, self._side("-wal")):
            try:
                status = file.stat()
            except OSError:
                continue
            if status.st_size:  # a reader leaves an empty journal for a moment
                found += [status.st_mtime_ns, status.st_size]
        return tuple(found)

    def export(self, target: Path) -> int:
        """Write all events to ``target``, one JSON object a line. Returns how many."""
        events = self.events()
        lines = [json.dumps(asdict(event), ensure_ascii=False) + "\n" for event in events]
        course.write(target, "".join(lines))
        return len(events)

    def import_(self, source: Path) -> int:
        """Append the events of an exported file. Returns how many were new; a second time none are.

        Raises:
            CourseError: the file can't be read, or a line is not an event; nothing is imported then.
        """
        try:
            # Not splitlines: JSON leaves the line separators of Unicode inside its texts.
            lines = source.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise CourseError(f"cannot read {source} ({error}): name a file that `export` wrote") from None
        events = [_parse(source, number, line) for number, line in enumerate(lines, 1) if line.strip()]
        return self.append(*events)

    def reset(self) -> Path | None:
        """Start a new log. Returns the dated name under which the old one is kept; None if there is none."""
        if not self.file.exists():
            return None
        with self._plain_errors(), self._alone():
            with closing(self._connect()) as database:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return self._move_aside(f"attempts-until-{datetime.now(UTC):%Y-%m-%d}")

    def _do(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``action`` in one transaction; rescue a damaged file and try once more."""
        with self._plain_errors():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            try:
                return self._run(action)
            except sqlite3.DatabaseError as error:
                if not self._is_damage(error):
                    raise
            self._rescue()
            return self._run(action)

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CourseError(
                f"cannot keep progress in {self.file.parent}: {error.strerror}; check its permissions"
            ) from None
        except sqlite3.Error as error:
            raise CourseError(
                f"cannot use {self.file} ({error}): close other programs that hold it, or check permissions"
            ) from None

    def _run(self, action: Callable[[sqlite3.Connection], T]) -> T:
        if not self.file.exists():
            with self._alone():
                self._make()
        with self._among_others(), closing(self._connect()) as database:
            self._check_version(database)
            with database:
                return action(database)

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.file, timeout=self.patience_s, isolation_level=None)
        database.text_factory = lambda raw: raw.decode(errors="replace")
        try:
            database.execute("PRAGMA synchronous=NORMAL")
        except UnicodeDecodeError:  # SQLite's message quotes a damaged schema
            raise sqlite3.DatabaseError("its schema is damaged") from None
        return database

    def _check_version(self, database: sqlite3.Connection) -> None:
        stored = {database.execute(f"PRAGMA {name}").fetchone()[0] for name in _VERSION_FIELDS}
        if len(stored) > 1 or min(stored) < 1:
            raise sqlite3.DatabaseError("its version can't be told")
        if stored != {_VERSION}:
            raise CourseError(f"{self.file} comes from a newer version of the course: update this one")

    def _is_damage(self, error: sqlite3.DatabaseError) -> bool:
        """Whether the file itself is at fault, rather than a lock, the disk or its permissions."""
        if not isinstance(error, sqlite3.OperationalError):
            return True
        if "readonly" in str(error):  # a damaged header can say so
            return os.access(self.file, os.W_OK) and os.access(self.file.parent, os.W_OK)
        return re.search("no such|already exists|unsupported file format", str(error)) is not None

    def _make(self, events: Sequence[Event] = ()) -> None:
        """Make the file with ``events`` in it, in one step, unless another process was quicker."""
        if self.file.exists():
            return
        self._move_aside("attempts.corrupt")  # a journal without its file would spoil the new one
        new = self.file.with_name(f"{self.file.name}.new")
        new.unlink(missing_ok=True)
        with closing(sqlite3.connect(new, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            with database:
                database.execute("BEGIN IMMEDIATE")
                # A trigger's body ends in "; END", not at a line's end.
                for statement in _SCHEMA.split(";\n"):
                    database.execute(statement)
                for name in _VERSION_FIELDS:
                    database.execute(f"PRAGMA {name} = {_VERSION}")
                database.executemany(_INSERT, map(astuple, events))
        new.replace(self.file)

    def _rescue(self) -> None:
        from aisecops.progress.salvage import salvage

        with self._alone():
            if self._is_healthy():  # another process has rescued it while this one waited
                return
            events = salvage(self.file, self._first_page())
            aside = self._move_aside("attempts.corrupt")
            self._make(events)
        self.notice = (
            f"the progress file was damaged: the {len(events)} events that could be read are kept,"
            f" and the damaged file lies beside it as {aside.name}"
        )

    def _is_healthy(self) -> bool:
        try:
            with closing(self._connect()) as database:
                self._check_version(database)
                _all_events(database)
                return bool(database.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok")
        except sqlite3.DatabaseError as error:
            if self._is_damage(error):
                return False
            raise

    def _first_page(self) -> bytes:
        """Return the first page of an empty log, which holds nothing but the header and the schema."""
        with TemporaryDirectory() as folder:
            empty = Store(Path(folder, "empty.sqlite3"))
            empty._make()
            return empty.file.read_bytes()[:PAGE_BYTES]

    def _move_aside(self, stem: str) -> Path:
        """Rename the file and its journal to a free name that starts with ``stem``."""
        free = (self.file.with_name(f"{stem}-{number}.sqlite3") for number in count(1))
        target = next(path for path in free if not path.exists())
        for suffix in ("-shm", "-wal", ""):
            if self._side(suffix).exists():
                self._side(suffix).replace(target.with_name(target.name + suffix))
        return target

    def _side(self, suffix: str) -> Path:
        return self.file.with_name(self.file.name + suffix)

    @contextmanager
    def _among_others(self) -> Iterator[None]:
        """Hold the gate together with any number of processes: nobody replaces the file meanwhile."""
        with self._gate() as gate:
            gate.execute("BEGIN")
            gate.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the gate alone, to replace the file: SQLite forbids that while another process has it open."""
        with self._gate() as gate:
            gate.execute("BEGIN EXCLUSIVE")
            yield

    def _gate(self) -> "closing[sqlite3.Connection]":
        # An empty database, used for nothing but its lock: portable, and given back when a process dies.
        return closing(sqlite3.connect(self._side(".lock"), timeout=self.patience_s, isolation_level=None))


def _all_events(database: sqlite3.Connection) -> list[Event]:
    database.execute("BEGIN")  # one view for all queries, whatever others append meanwhile
    rows = database.execute(f"SELECT {COLUMNS} FROM event NOT INDEXED ORDER BY id")
    return _whole(database, [Event(*row) for row in rows], lambda event: 1)


def _all_tallies(database: sqlite3.Connection) -> list[Tally]:
    database.execute("BEGIN")
    rows = database.execute(_TALLIES)
    return _whole(database, [Tally(*row) for row in rows], lambda tally: tally.count)


def _whole(database: sqlite3.Connection, rows: list[Row], events_in: Callable[[Row], int]) -> list[Row]:
    """Return the rows if each is sound and none is missing, which SQLite itself does not notice."""
    if not all(row.sound for row in rows):
        raise sqlite3.DatabaseError("it holds what was never written")
    if {(sum(map(events_in, rows)),)} != set(database.execute(_COUNTS)):
        raise sqlite3.DatabaseError("events are missing")
    return rows


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _is_time(value: object) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _parse(file: Path, number: int, line: str) -> Event:
    try:
        event = Event(**json.loads(line))
        if not event.sound:
            raise ValueError("a field has the wrong type")
    except (ValueError, TypeError) as error:
        raise CourseError(f"{file}:{number}: not an exported event ({error}); nothing was imported") from None
    return event
