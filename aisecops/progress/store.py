"""The progress store: an append-only log of what a learner did, in SQLite.

What the chart shows is derived from the log; nothing in it is ever changed. In WAL mode (a journal that is
written before the file itself) several kernels append at once, and a killed process loses at most the event
it was writing.
"""

import json
import math
import re
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, astuple, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from aisecops import course
from aisecops.course import CourseError

SELF_CHECKED, GRADED, REVEALED, SELF_RATED = SOURCES = ("self-checked", "graded", "revealed", "self-rated")

T = TypeVar("T")

_VERSION = 1
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
_COLUMNS = "source, cell, points, most, detail, at, uid"
_INSERT = f"INSERT INTO event ({_COLUMNS}) VALUES (?,?,?,?,?,?,?) ON CONFLICT (uid) DO NOTHING"
_TALLIES = """
SELECT t.source, t.cell, t.count, t.best, event.points, t.passed_at, t.first_at, event.at
FROM (SELECT source, cell, count(*) AS count, max(points) AS best,
             min(CASE WHEN points >= most THEN at END) AS passed_at, min(at) AS first_at, max(id) AS last
      FROM event GROUP BY source, cell) AS t
JOIN event ON event.id = t.last ORDER BY t.source, t.cell
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
        """Append events; one that is in the log already (same ``uid``) is skipped. Returns how many were new."""
        rows = [astuple(event) for event in events]

        def insert(database: sqlite3.Connection) -> int:
            before = database.total_changes
            database.executemany(_INSERT, rows)
            return database.total_changes - before

        return self._do(insert)

    def events(self) -> list[Event]:
        """Return all events, oldest first."""
        query = f"SELECT {_COLUMNS} FROM event ORDER BY id"
        return self._do(lambda database: _sound(Event(*row) for row in database.execute(query)), empty=[])

    def tallies(self) -> list[Tally]:
        """Return one tally for each source and cell; quick, also for a hundred thousand events."""
        return self._do(lambda database: _sound(Tally(*row) for row in database.execute(_TALLIES)), empty=[])

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
        """Start a new log. The old one is kept under a dated name, which is returned; None if there is none."""

        def start_afresh(database: sqlite3.Connection) -> Path:
            kept = self._free_name(f"attempts-until-{datetime.now(UTC):%Y-%m-%d}")
            # No other process can append between the copy and the new start: this one holds the write lock.
            with closing(sqlite3.connect(self.file)) as reader:
                reader.execute("VACUUM INTO ?", (str(kept),))
            database.execute("DROP TABLE event")
            _create(database)
            return kept

        return self._do(start_afresh, empty=None)

    def _do(self, action: Callable[[sqlite3.Connection], T], **otherwise: T) -> T:
        """Run ``action`` in one transaction; rescue a damaged file and try once more.

        With ``empty=`` that value is returned if there is no file yet, and none is made.
        """
        if otherwise and not self.file.exists():
            return otherwise["empty"]
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            try:
                return self._run(action)
            except sqlite3.DatabaseError as error:
                if not _means_damage(error):
                    raise
                self._rescue()
                return self._run(action)
        except OSError as error:
            raise CourseError(
                f"cannot keep progress in {self.file.parent}: {error.strerror}; check the folder's permissions"
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
            stored = [database.execute(f"PRAGMA {name}").fetchone()[0] for name in _VERSION_FIELDS]
            if len(set(stored)) > 1 or stored[0] < 1:
                raise sqlite3.DatabaseError("its version can't be told")
            if stored[0] > _VERSION:
                raise CourseError(f"{self.file} comes from a newer version of the course: update this one")
            with database:
                database.execute("BEGIN IMMEDIATE")
                return action(database)

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.file, timeout=self.patience_s, isolation_level=None)
        database.text_factory = lambda raw: raw.decode(errors="replace")
        database.execute("PRAGMA synchronous=NORMAL")
        return database

    def _make(self, events: list[Event] | None = None) -> None:
        """Make the file with ``events`` in it, in one step, unless another process was quicker."""
        if self.file.exists():
            return
        new = self.file.with_name(f"{self.file.name}.{uuid.uuid4().hex}")
        try:
            with closing(sqlite3.connect(new, isolation_level=None)) as database:
                database.execute("PRAGMA journal_mode=WAL")
                with database:
                    database.execute("BEGIN IMMEDIATE")
                    _create(database)
                    database.executemany(_INSERT, [astuple(event) for event in events or []])
            new.replace(self.file)
        finally:
            new.unlink(missing_ok=True)

    def _rescue(self) -> None:
        with self._alone():
            try:
                with closing(self._connect()) as database:
                    # Another process may have rescued it while this one waited.
                    healthy = database.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok"
                    if healthy and _readable(database):
                        return
            except sqlite3.DatabaseError as error:
                if not _means_damage(error):
                    raise
            events = _salvage(self.file)
            aside = self._free_name("attempts.corrupt-1")
            for suffix in ("-wal", "-shm", ""):  # the file last: until then the next opening tries again
                if self._side(suffix).exists():
                    self._side(suffix).replace(aside.with_name(aside.name + suffix))
            self._make(events)
        self.notice = (
            f"the progress file was damaged: {len(events)} events that could be read are kept,"
            f" the damaged file lies beside it as {aside.name}"
        )

    def _side(self, suffix: str) -> Path:
        return self.file.with_name(self.file.name + suffix)

    def _free_name(self, stem: str) -> Path:
        """Return a path beside the file that is not taken, counting up the number at the end."""
        number = 1
        base = stem.removesuffix("-1")
        target = self.file.with_name(f"{stem}.sqlite3")
        while target.exists():
            number += 1
            target = self.file.with_name(f"{base}-{number}.sqlite3")
        return target

    @contextmanager
    def _among_others(self) -> Iterator[None]:
        """Hold the gate with any number of processes: the file is not replaced meanwhile."""
        with self._gate() as gate:
            gate.execute("BEGIN")
            gate.execute("SELECT count(*) FROM sqlite_master").fetchall()
            yield

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the gate alone, to replace the file. SQLite forbids that while another process has it open."""
        with self._gate() as gate:
            gate.execute("BEGIN EXCLUSIVE")
            yield

    @contextmanager
    def _gate(self) -> Iterator[sqlite3.Connection]:
        # An empty database used for nothing but its lock: portable, and gone with a killed process.
        lock = self._side(".lock")
        with closing(sqlite3.connect(lock, timeout=self.patience_s, isolation_level=None)) as gate:
            yield gate


# The version stands in two places, so that damage to one is not taken for a newer version.
_VERSION_FIELDS = ("user_version", "application_id")


def _create(database: sqlite3.Connection) -> None:
    for statement in re.split(r";\n", _SCHEMA):  # a trigger's body ends in "; END", not at a line's end
        database.execute(statement)
    for name in _VERSION_FIELDS:
        database.execute(f"PRAGMA {name} = {_VERSION}")


def _means_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is at fault, rather than a lock, the disk or its permissions."""
    said = re.search("no such|already exists|unsupported file format|malformed|decode", str(error))
    return said is not None or not isinstance(error, sqlite3.OperationalError)


E_ = TypeVar("E_", Event, Tally)


def _sound(rows: Iterator[E_]) -> list[E_]:
    """Return all rows if each is sound."""
    found = list(rows)
    if not all(row.sound for row in found):
        raise sqlite3.DatabaseError("it holds what was never written")
    return found


def _readable(database: sqlite3.Connection) -> bool:
    _sound(Event(*row) for row in database.execute(f"SELECT {_COLUMNS} FROM event"))
    versions = {database.execute(f"PRAGMA {name}").fetchone()[0] for name in _VERSION_FIELDS}
    return versions == {_VERSION}


def _salvage(file: Path) -> list[Event]:
    """Return every event of a damaged file that can still be read, oldest first."""
    events: dict[str, Event] = {}
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            database.text_factory = lambda raw: raw.decode(errors="replace")
            for order in ("ASC", "DESC"):  # from both ends, up to the damage
                try:
                    query = f"SELECT {_COLUMNS} FROM event NOT INDEXED ORDER BY id {order}"
                    for event in (Event(*row) for row in database.execute(query)):
                        if event.sound:
                            events.setdefault(event.uid, event)
                except sqlite3.Error:
                    continue
    except sqlite3.Error:
        return []
    return sorted(events.values(), key=lambda event: (event.at, event.uid))


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
