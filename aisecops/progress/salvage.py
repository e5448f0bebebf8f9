"""Reads what can still be read of a damaged progress file."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from aisecops.progress.store import COLUMNS, PAGE_BYTES, Event

# SQLite keeps rows on pages that begin with this byte, and finds them from a root, the second page of a log.
_ROWS_PAGE = 13
_ROOT = PAGE_BYTES
# Where the first page keeps the number of pages; 0 makes SQLite count them.
_PAGE_COUNT = slice(28, 32)
_LAST_ID = 2**63 - 1
# A time alone takes 16 bytes, so no page holds more rows.
_MOST_ROWS = PAGE_BYTES // 16


def salvage(file: Path, first_page: bytes) -> list[Event]:
    """Return every event of a damaged log that can still be found, in the order of the log.

    Works on a copy. Each page of rows is read on its own, by putting it where SQLite looks for the root, so
    that damage hides nothing on other pages. The ``first_page`` comes from a healthy log: header and schema
    are the same in every log.
    """
    found: dict[str, tuple[int, Event]] = {}
    head = bytearray(first_page)
    head[_PAGE_COUNT] = bytes(4)
    with TemporaryDirectory() as folder:
        copy = Path(folder, "copy.sqlite3")
        copy.write_bytes(bytes(head) + file.read_bytes()[PAGE_BYTES:])
        journal = file.with_name(file.name + "-wal")
        if journal.exists():
            shutil.copyfile(journal, copy.with_name(copy.name + "-wal"))
        with suppress(sqlite3.Error), closing(sqlite3.connect(copy)) as database:
            database.execute("PRAGMA journal_mode=DELETE")  # moves what the journal holds into the file
        data = copy.read_bytes()
        with copy.open("r+b", buffering=0) as root:
            for start in range(_ROOT, len(data), PAGE_BYTES):
                if data[start] == _ROWS_PAGE:
                    root.seek(_ROOT)
                    root.write(data[start : start + PAGE_BYTES])
                    for number, event in _rows(copy):
                        found.setdefault(event.uid, (number, event))
    return [event for _, event in sorted(found.values(), key=lambda one: (one[0], one[1].uid))]


def _rows(copy: Path) -> Iterator[tuple[int, Event]]:
    """Give the rows before the first damaged one, and those behind the last."""
    with closing(sqlite3.connect(copy)) as database:
        database.text_factory = lambda raw: raw.decode(errors="replace")
        for last, step in ((0, "id > ? ORDER BY id"), (_LAST_ID, "id < ? ORDER BY id DESC")):
            # One row a query: Python drops the row before one that can't be read.
            query = f"SELECT id, {COLUMNS} FROM event NOT INDEXED WHERE {step} LIMIT 1"
            with suppress(sqlite3.Error, MemoryError):
                for _ in range(_MOST_ROWS):  # damaged ids may run in a circle
                    row = database.execute(query, (last,)).fetchone()
                    if row is None:
                        break
                    last, event = row[0], Event(*row[1:])
                    if event.sound:
                        yield last, event
