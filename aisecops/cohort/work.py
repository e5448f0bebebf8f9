"""Reads what lies in learners' folders: answers, complaints of checks, and how long exercises took.

All of it is hostile data. Nothing is followed, only ordinary files are opened, sizes are limited, and what is
odd is left out.
"""

import json
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from aisecops.grading.intake import NotPlainError, read_plain
from aisecops.progress.times import FILE as FILE
from aisecops.progress.times import FORMAT, LONGEST_PAUSE_MIN

MOST_NOTEBOOK, MOST_TIMES = 64 << 20, 64 << 10
MOST_ANSWER, MOST_COMPLAINT = 50_000, 240
_MOST_RUNS = 100_000
_TAKEN_FOR_SAME = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Work:
    """What a graded notebook holds: answers by cell, and what failing checks say, by cell."""

    answers: dict[str, str]
    complaints: dict[str, str]


@dataclass(frozen=True)
class Time:
    """How long an exercise took: check runs, active minutes, the times of the first and the last run."""

    exercise: str
    runs: int
    minutes: float
    first: datetime
    last: datetime


def read_below(folder: Path, *parts: str, most: int) -> bytes | None:
    """Return the bytes of an ordinary file below ``folder``; None if there is none or it is odd.

    Follows no symbolic link below ``folder``, and is not held up by a pipe.

    Args:
        folder: to start from.
        parts: names of the folders and the file below it.
        most: bytes it may hold.
    """
    if any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
        return None
    flags = os.O_RDONLY | os.O_DIRECTORY
    try:
        place = os.open(folder, flags)
        try:
            for part in parts[:-1]:
                inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=place)
                os.close(place)
                place = inner
            return read_plain(place, parts[-1], most)
        finally:
            os.close(place)
    except (OSError, NotPlainError):
        return None


def read_work(data: bytes) -> Work:
    """Return the answers and complaints of a graded notebook; nothing for what is no notebook."""
    answers, complaints = {}, {}
    for cell in _dicts(_json(data), "cells"):
        marks = _under(cell, "metadata", "nbgrader")
        name = marks.get("grade_id")
        if not isinstance(name, str) or cell.get("cell_type") != "code":
            continue
        if marks.get("solution") is True:
            answers[name] = _text(cell.get("source"))[:MOST_ANSWER]
        elif complaint := next(filter(None, map(_complaint, _dicts(cell, "outputs"))), ""):
            complaints[name] = complaint
    return Work(answers, complaints)


def same(complaint: str) -> str:
    """Return what complaints that differ in nothing but numbers have in common."""
    return _TAKEN_FOR_SAME.sub("#", complaint)


def read_times(data: bytes, exercises: Collection[str]) -> list[Time]:
    """Return the sound entries of a learner's ``time-on-task.json``.

    Args:
        data: what the file holds.
        exercises: the ids there are.
    """
    told = _json(data)
    if _under(told).get("format") != FORMAT:
        return []
    entries = _under(told, "exercises")
    return [time for name in exercises if (time := _time(name, entries.get(name))) is not None]


def _time(exercise: str, entry: Any) -> Time | None:
    match entry:
        case {"runs": int(runs), "minutes": int() | float() as minutes, "first": str(), "last": str()}:
            first, last = _moment(entry["first"]), _moment(entry["last"])
            if isinstance(runs, bool) or isinstance(minutes, bool) or first is None or last is None:
                return None
            if not 1 <= runs <= _MOST_RUNS or not first <= last:
                return None
            # Minutes before the first run count as well, up to one pause; NaN is below nothing.
            most = (last - first).total_seconds() / 60 + LONGEST_PAUSE_MIN + 0.1
            return Time(exercise, runs, float(minutes), first, last) if 0 <= minutes <= most else None
    return None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _complaint(output: dict[str, Any]) -> str:
    """Return what an output of a check complains of, in one line: what it says, never its traceback."""
    match output:
        case {"output_type": "error", "ename": "NotImplementedError"}:
            return "not answered"
        case {"output_type": "error", "ename": str(kind), "evalue": str(text)}:
            first = _first_line(text)
            return (
                _cut(first or "the check does not hold")
                if kind == "AssertionError"
                else _cut(f"{kind}: {first}".removesuffix(": "))
            )
        case {"output_type": "stream", "name": "stderr"}:
            return _cut(f"written to stderr: {_first_line(_text(output.get('text')))}")
    return ""


def _cut(text: str) -> str:
    return text if len(text) <= MOST_COMPLAINT else text[: MOST_COMPLAINT - 1] + "…"


def _first_line(text: str) -> str:
    line = next((line.strip() for line in text[:MOST_ANSWER].splitlines() if line.strip()), "")
    return "".join(character for character in line if character.isprintable())


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _under(value: Any, *names: str) -> dict[str, Any]:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _dicts(value: Any, name: str) -> Iterator[dict[str, Any]]:
    entries = _under(value).get(name)
    return (entry for entry in (entries if isinstance(entries, list) else ()) if isinstance(entry, dict))


def _text(value: Any) -> str:
    """Return a text that notebooks hold whole or in lines."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""
