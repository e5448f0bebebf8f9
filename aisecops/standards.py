"""The ids and names of the standards that labs map to, so that no label pairs an id with a wrong name.

Published mappings often do. An id also changes its meaning from one edition to the next (LLM06 is
Excessive Agency in 2025 and Unbounded Consumption in 2026), so every id here names one edition. The
facts, with their publishers and the form of ids, stand in ``standards.yaml`` beside this file.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from aisecops.course import CourseError


@dataclass(frozen=True)
class Standard:
    """One entry: ``source`` as in :func:`sources`, ``edition`` the edition or release of that source."""

    id: str
    name: str
    source: str
    edition: str

    def __str__(self) -> str:
        """Return the label: id and name."""
        return f"{self.id} {self.name}"


def sources() -> tuple[str, ...]:
    """Return the names of all sources, such as ``OWASP LLM 2026`` and ``ATLAS tactics``."""
    return tuple(_facts())


def ids(source: str) -> tuple[str, ...]:
    """Return the ids of a source in its own order; for ``ATLAS tactics`` that is the order of the matrix.

    Raises:
        CourseError: there is no such source.
    """
    if source not in _facts():
        raise CourseError(f"there is no source {source!r}: choose one of {', '.join(sources())}")
    return tuple(_facts()[source]["ids"])


def lookup(id: str) -> Standard:
    """Return the entry of an id such as ``LLM01:2026`` or ``AML.T0051.001``.

    Raises:
        CourseError: the id is unknown, retired (the error names its successor) or names no edition.
    """
    if found := _index().get(id):
        return found
    raise CourseError(_unknown(id))


def name(id: str) -> str:
    """Return the name of an id; raises as :func:`lookup`."""
    return lookup(id).name


def check(label: str) -> Standard:
    """Return the entry that a label means: an id, or an id and its name (``LLM01:2026 Prompt Injection``).

    Upper and lower case, ``&`` for "and", punctuation and the words "attack" and "testing for" make no
    difference in a name. A sub-technique may go by its own name or after its technique's.

    Raises:
        CourseError: as :func:`lookup`; or the name belongs to another id, is out of date, or is nobody's.
    """
    id, written = _split(label)
    standard = lookup(id)
    if written and _words(written) not in map(_words, _names(standard)):
        raise CourseError(_misnamed(standard, written))
    return standard


def crosswalk(id: str) -> str:
    """Return the id of the same entry in the other edition: ``LLM06:2025`` gives ``LLM03:2026`` and back.

    Raises:
        CourseError: as :func:`lookup`; or the source of that id has one edition only.
    """
    standard = lookup(id)
    if id not in _crosswalk():
        raise CourseError(f"{id} has no counterpart: {standard.source} is here in one edition only")
    return _crosswalk()[id]


@cache
def _facts() -> dict[str, dict[str, Any]]:
    import yaml

    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    facts: dict[str, dict[str, Any]] = yaml.load(text, Loader=yaml.CSafeLoader)
    return facts


@cache
def _index() -> dict[str, Standard]:
    return {
        id: Standard(
            id,
            f"{entries[technique]}: {own}" if (technique := _technique(id)) else own,
            source,
            facts["edition"],
        )
        for source, facts in _facts().items()
        for entries in [facts["ids"]]
        for id, own in entries.items()
    }


@cache
def _crosswalk() -> dict[str, str]:
    pairs = [pair for facts in _facts().values() for pair in facts.get("previous", {}).items()]
    return {**dict(pairs), **{old: new for new, old in pairs}}


@cache
def _retired() -> dict[str, dict[str, str]]:
    return {id: entry for facts in _facts().values() for id, entry in facts.get("retired", {}).items()}


def _technique(id: str) -> str | None:
    """Return the technique that a sub-technique of ATLAS belongs to."""
    found = re.fullmatch(r"(AML\.T\d{4})\.\d{3}", id)
    return found and found[1]


def _names(standard: Standard) -> tuple[str, ...]:
    """Return what an entry may be called; the full name first."""
    return standard.name, _facts()[standard.source]["ids"][standard.id]


def _words(name: str) -> str:
    """Reduce a name to what counts in it."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"\(.*?\)", "", name.lower().replace("&", " and ")))
    return re.sub(r"^testing for | attacks?$", "", " ".join(words))


def _split(label: str) -> tuple[str, str]:
    """Split a label into its id and the name after it, if any; a colon or dash may stand between."""
    label = label.strip()
    known = [
        id
        for id in (*_index(), *_retired())
        if label.startswith(id) and not re.match(r"[\w.(-]", label[len(id) :])
    ]
    # An id that is not known ends at the first space.
    id = max(known, key=len, default="") or re.split(r"\s", label, maxsplit=1)[0].rstrip(":—–-")
    return id, label[len(id) :].strip(" \t:—–-")


def _unknown(id: str) -> str:
    """Say why there is no such id, and which one may be meant."""
    if gone := _retired().get(id):
        successor = lookup(gone["successor"])
        return f"{id} {gone['name']} was retired in ATLAS {gone['release']}: write {successor}"
    # Tools write "llm02" or "owasp:llm02" for "LLM02".
    bare = id.rpartition("owasp:")[2].upper()
    editions = [standard for standard in _index().values() if standard.id.upper().rpartition(":")[0] == bare]
    if editions and bare:
        return f"{id} names no edition: write {_either(map(str, editions))}"
    close = get_close_matches(id, list(_index()), 3, 0.75)
    hint = f"did you mean {_either(close)}?" if close else "see aisecops/standards.yaml for all there are"
    return f"no standard here has the id {id!r}: {hint}"


def _misnamed(standard: Standard, written: str) -> str:
    """Say what the id is called, and which id has the name that was written."""
    renamed = _facts()[standard.source].get("renamed", {}).get(standard.id)
    if renamed and _words(renamed["name"]) == _words(written):
        return f"{written} was renamed in ATLAS {renamed['release']}: write {standard}"
    mistake = f"{standard.id} is {standard.name}, not {written}"
    owners = _owners(standard, written)
    if not owners or standard in owners:
        return f"{mistake}: write {standard}"
    return f"{mistake}: write {standard}, or {_either(map(str, owners[:3]))}"


def _owners(standard: Standard, written: str) -> list[Standard]:
    """Return the entries that a name most likely means, from the same publication if it has any."""
    wanted = _words(written)
    same = [other for other in _index().values() if _publisher(other) == _publisher(standard)]
    return (
        [other for other in same if wanted in map(_words, _names(other))]
        # Before release 2025.04, ATLAS wrote "ML" for "AI".
        or [other for other in same if other.id.startswith("AML.") and _modern(wanted) == _words(other.name)]
        or [
            other for other in same if f" {wanted} " in f" {_words(other.name)} " and not _technique(other.id)
        ]
        or [other for other in _index().values() if wanted in map(_words, _names(other))]
    )


def _modern(words: str) -> str:
    return re.sub(r"\bml\b", "ai", words)


def _publisher(standard: Standard) -> str:
    return str(_facts()[standard.source]["title"])


def _either(choices: Iterable[str]) -> str:
    return " or ".join(choices)
