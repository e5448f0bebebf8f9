"""Writes tables for spreadsheets, which take a cell that begins with certain signs for a formula."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aisecops.course import write

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def plain(value: Any) -> Any:
    """Return a value as it may stand in a spreadsheet: a text that would be a formula gets an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def write_csv(frame: "pd.DataFrame", path: Path) -> None:
    """Write a table in one step, with its index as the first column.

    Raises:
        CourseError: the file can't be written.
    """
    safe = frame.reset_index().rename(columns=plain)
    for column in safe.columns:
        safe[column] = safe[column].map(plain)
    write(path, safe.to_csv(index=False, lineterminator="\r\n"))
