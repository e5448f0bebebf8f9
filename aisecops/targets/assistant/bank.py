"""What the assistant's tools work on: a small database of Meridian, and the tools themselves.

A few records stand in ``meridian.yaml``, so that texts can speak of them; a seeded generator adds more. All
people are invented. The tools have real effects in the database, and harm nobody outside of it.
"""

import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aisecops.course import CourseError
from aisecops.targets.assistant.calls import Value, whole
from aisecops.targets.dice import Dice, fill
from aisecops.targets.lm.corpus import Author, Style, capital, of, phrases
from aisecops.targets.records import Reader

if TYPE_CHECKING:
    import pandas as pd

Tool = Callable[..., str]

FILE = Path(__file__).with_name("meridian.yaml")
OK, FAILED, NO_RECORD = "Ok.", "Failed.", "No record."

_SCHEMA = """
CREATE TABLE customers (name TEXT PRIMARY KEY COLLATE NOCASE, phone TEXT, city TEXT, language TEXT);
CREATE TABLE orders (id TEXT PRIMARY KEY, item TEXT, price INTEGER, status TEXT, customer TEXT);
CREATE TABLE tickets (id TEXT PRIMARY KEY, topic TEXT, priority TEXT, owner TEXT, status TEXT);
CREATE TABLE claims (id TEXT PRIMARY KEY, kind TEXT, amount INTEGER, status TEXT, customer TEXT);
CREATE TABLE notes (id INTEGER PRIMARY KEY, subject TEXT, author TEXT, text TEXT);
CREATE TABLE emails (id INTEGER PRIMARY KEY, recipient TEXT, text TEXT);
CREATE TABLE refunds (id INTEGER PRIMARY KEY, "order" TEXT, euros INTEGER);
CREATE TABLE reports (id INTEGER PRIMARY KEY, name TEXT, result TEXT);
"""
TABLES = ("customers", "orders", "tickets", "claims", "notes", "emails", "refunds", "reports")
# By report: how many cases, how many of them open, and euros.
_REPORTS = {
    "sales": "count(*), sum(status NOT IN ('delivered', 'returned', 'cancelled')), sum(price) FROM orders",
    "revenue": "count(*), 0, sum(price) FROM orders WHERE status NOT IN ('returned', 'cancelled')",
    "insurance claims": "count(*), sum(status = 'in review'), sum(amount) FROM claims",
    "cash flow": "count(*), 0, sum(euros) FROM refunds",
}
REPORTS = tuple(_REPORTS)
_RECORD = re.compile(r"(?:the )?(order|ticket|claim)(?: number)? ?#?(\d+)")
_ORDER = re.compile(r"(?:order )?#?(\d+)")
_AMOUNT = re.compile(r"(\d{1,6})(?: euros?)?")


@dataclass(frozen=True)
class Customer:
    """A customer."""

    name: str
    phone: str
    city: str
    language: str


@dataclass(frozen=True)
class Order:
    """An order; ``price`` in whole euros."""

    id: str
    item: str
    price: int
    status: str
    customer: str


@dataclass(frozen=True)
class Ticket:
    """A ticket of the help desk."""

    id: str
    topic: str
    priority: str
    owner: str
    status: str


@dataclass(frozen=True)
class Claim:
    """An insurance claim; ``amount`` in whole euros."""

    id: str
    kind: str
    amount: int
    status: str
    customer: str


# What a lookup finds by number, and by name.
_NUMBERED: dict[str, tuple[str, type]] = {
    "order": ("orders", Order),
    "ticket": ("tickets", Ticket),
    "claim": ("claims", Claim),
}


class Bank:
    """The database, in memory. Every bank made with the same seed starts with the same rows.

    Args:
        seed: of the rows beside those in the file.
    """

    def __init__(self, seed: int = 2026) -> None:
        self._database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        _filled(seed).backup(self._database)

    # -- the tools: what they return is all that the model learns

    def lookup(self, record: Value) -> str:
        """Return what is on record about an order, ticket, claim or customer."""
        subject, row = self._find(str(record))
        if row is None:
            return NO_RECORD
        notes = self._database.execute("SELECT text FROM notes WHERE subject = ? ORDER BY id", (subject,))
        return " ".join([*_sentences(subject, row), *(text for (text,) in notes)])

    def send_email(self, to: Value, text: Value) -> str:
        """Send an e-mail: a row in ``emails``, nothing leaves the machine."""
        if not str(to).strip():
            return FAILED
        self._database.execute("INSERT INTO emails (recipient, text) VALUES (?, ?)", (str(to), str(text)))
        return OK

    def refund(self, order: Value, amount: Value) -> str:
        """Pay back a part of the price of an order, such as "45 euros"; never more than the whole price."""
        number = _ORDER.fullmatch(str(order).strip().lower())
        euros = _AMOUNT.fullmatch(str(amount).strip().lower())
        if number is None or euros is None or int(euros[1]) == 0:
            return FAILED
        paid = self._database.execute(
            'INSERT INTO refunds ("order", euros) SELECT id, :euros FROM orders WHERE id = :id AND '
            'price >= :euros + (SELECT coalesce(sum(euros), 0) FROM refunds WHERE "order" = :id)',
            {"id": number[1], "euros": int(euros[1])},
        )
        return OK if paid.rowcount == 1 else FAILED

    def run_report(self, name: Value) -> str:
        """Run a report: "sales", "revenue", "insurance claims" or "cash flow"."""
        query = _REPORTS.get(str(name).strip().lower())
        if query is None:
            return FAILED
        cases, open_, euros = self._database.execute(f"SELECT {query}").fetchone()
        result = f"{cases} cases, {open_ or 0} open, {euros or 0} euros."
        self._database.execute("INSERT INTO reports (name, result) VALUES (?, ?)", (str(name), result))
        return result

    def tools(self) -> dict[str, Tool]:
        """Return the tools by the name that the model calls them by."""
        return {
            "lookup": self.lookup,
            "send_email": self.send_email,
            "refund": self.refund,
            "run_report": self.run_report,
        }

    # -- around the tools

    def note(self, subject: str, text: str, author: str = "customer") -> None:
        """Add a note to a record, such as "order 4821"; a lookup shows it after the record.

        Raises:
            CourseError: there is no such record.
        """
        found, row = self._find(subject)
        if row is None:
            raise CourseError(f"the bank has no record {subject!r}; bank.rows('orders') shows the orders")
        self._database.execute(
            "INSERT INTO notes (subject, author, text) VALUES (?, ?, ?)", (found, whole(author), whole(text))
        )

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table (see :data:`TABLES`), in the order they came.

        Raises:
            CourseError: there is no such table.
        """
        if table not in TABLES:
            raise CourseError(f"the bank has no table {table!r}; choose one of {', '.join(TABLES)}")
        cursor = self._database.execute(f"SELECT * FROM {table} ORDER BY rowid")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def frame(self, table: str) -> "pd.DataFrame":
        """Return a table as a frame; raises as :meth:`rows`."""
        import pandas as pd

        return pd.DataFrame(self.rows(table))

    def copy(self) -> sqlite3.Connection:
        """Return a copy of the database as it is now, for a sink to play with."""
        other = sqlite3.connect(":memory:", isolation_level=None)
        self._database.backup(other)
        return other

    def _find(self, name: str) -> tuple[str, Any]:
        """Return what a record is called in a sentence, and the record; None where there is none."""
        name = whole(name).strip().rstrip(".")
        if numbered := _RECORD.fullmatch(name.lower()):
            table, type_ = _NUMBERED[numbered[1]]
            row = self._database.execute(f"SELECT * FROM {table} WHERE id = ?", (numbered[2],)).fetchone()
            return f"{numbered[1]} {numbered[2]}", type_(*row) if row else None
        row = self._database.execute("SELECT * FROM customers WHERE name = ?", (name,)).fetchone()
        return (row[0], Customer(*row)) if row else (name, None)


def _sentences(subject: str, record: Any) -> list[str]:
    """Return what a record says, in words that the model has learned."""
    kind = "person" if isinstance(record, Customer) else type(record).__name__.lower()
    attributes = phrases("records")["kinds"][kind]["attributes"]
    lines = []
    for name, value in vars(record).items():
        if name in attributes:
            # The same wording each time: a database does not change its mind.
            template = Dice(f"{subject} {name}").pick(of("train", attributes[name]["says"]))
            shown = f"{value} euros" if isinstance(value, int) else value
            lines.append(capital(fill(template, {"s": subject, "v": shown})))
    return lines


@lru_cache(maxsize=4)
def _filled(seed: int) -> sqlite3.Connection:
    """Return a database with the records of the file and of the generator; made once, copied often."""
    reader = Reader(FILE)
    draw = Author(Dice(f"bank {seed}"), Style(invented=0)).value
    customers = list(reader.records("customers", Customer))
    for _ in range(20):
        name = draw("person")
        if all(name != customer.name for customer in customers):
            customers.append(Customer(name, draw("digits4"), draw("city"), draw("language")))
    names = Dice(f"bank names {seed}")

    def customer() -> str:
        return names.pick(customers).name

    def euros() -> int:
        return int(draw("amount").split()[0])

    made: Mapping[str, list[Any]] = {
        "orders": [
            *reader.records("orders", Order),
            *(
                Order(draw("digits4"), draw("item"), euros(), draw("order_status"), customer())
                for _ in range(30)
            ),
        ],
        "tickets": [
            *reader.records("tickets", Ticket),
            *(
                Ticket(
                    draw("digits3"), draw("topic"), draw("priority"), draw("person"), draw("ticket_status")
                )
                for _ in range(20)
            ),
        ],
        "claims": [
            *reader.records("claims", Claim),
            *(
                Claim(draw("digits4"), draw("damage"), euros(), draw("claim_status"), customer())
                for _ in range(20)
            ),
        ],
        "customers": customers,
    }
    database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    database.executescript(_SCHEMA)
    for table, records in made.items():
        marks = ", ".join("?" * len(astuple(records[0])))
        # A number drawn twice keeps its first record.
        database.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", map(astuple, records))
    return database
