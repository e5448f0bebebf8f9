"""Reads what can still be read of a damaged progress file."""

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from aisecops.progress.store import COLUMNS, Event

# No event is stored in fewer bytes, so a file of n bytes holds no row number above n / 64.
_LEAST_ROW_BYTES = 64


def salvage(file: Path, first_page: bytes) -> list[Event]:
    """Return every event of a damaged log that SQLite can still find, oldest first.

    Works on copies. Rows are looked up one by one, so that damage hides only the rows on its own page. The
    second copy gets the ``first_page`` of a healthy log: header and schema are the same in every log.
    """
    events: dict[str, Event] = {}
    with TemporaryDirectory() as folder:
        for page in (b"", first_page):
            copy = Path(folder, f"copy-{len(page)}.sqlite3")
            data = file.read_bytes()
            copy.write_bytes(page + data[len(page) :])
            journal = file.with_name(file.name + "-wal")
            if journal.exists():
                shutil.copyfile(journal, copy.with_name(copy.name + "-wal"))
            with suppress(sqlite3.Error), closing(sqlite3.connect(copy)) as database:
                database.text_factory = lambda raw: raw.decode(errors="replace")
                bytes_ = len(data) + (journal.stat().st_size if journal.exists() else 0)
                for event in _rows(database, bytes_ // _LEAST_ROW_BYTES):
                    events.setdefault(event.uid, event)
    return sorted(events.values(), key=lambda event: (event.at, event.uid))


def _rows(database: sqlite3.Connection, last: int) -> list[Event]:
    query = f"SELECT {COLUMNS} FROM event NOT INDEXED WHERE id = ?"
    found = []
    for number in range(1, last + 1):
        with suppress(sqlite3.DatabaseError, MemoryError):
            row = database.execute(query, (number,)).fetchone()
            if row and Event(*row).sound:
                found.append(Event(*row))
    return found
