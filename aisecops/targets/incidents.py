"""Real incidents against or through AI systems, with their labels, read from ``incidents.yaml``."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from aisecops.course import CourseError

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("incident", "vulnerability", "demonstration")
SYSTEMS = ("predictive", "generative", "agentic", "infrastructure")

_FILE = Path(__file__).with_name("incidents.yaml")
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?")


@dataclass(frozen=True)
class Incident:
    """One event. All texts are plain sentences; all labels are ids of ``aisecops.standards``.

    Attributes:
        date: ``YYYY-MM`` or ``YYYY-MM-DD``.
        kind: one of ``KINDS``: somebody was hit, a product was open, or researchers showed it.
        system: one of ``SYSTEMS``: what was attacked or misused.
        source: citation with year and id.
        owasp: OWASP ids, best fit first; empty where no entry of the two lists fits. An event that
            learners label themselves has no labels of any kind.
        tactics: MITRE ATLAS tactics, best fit first.
        techniques: MITRE ATLAS techniques, best fit first.
        accept: further labels that a fair reader may give.
    """

    id: str
    date: str
    title: str
    kind: str
    system: str
    victim: str
    happened: str
    entry: str
    consequence: str
    source: str
    owasp: tuple[str, ...]
    tactics: tuple[str, ...]
    techniques: tuple[str, ...]
    accept: tuple[str, ...]

    @property
    def year(self) -> int:
        """The year of ``date``."""
        return int(self.date[:4])


_LABELS = ("owasp", "tactics", "techniques", "accept")
_TEXTS = tuple(field.name for field in fields(Incident) if field.name not in _LABELS)


def load(path: Path | None = None) -> list[Incident]:
    """Return all incidents, oldest first, as they stand in the file.

    Args:
        path: the catalogue to read; the course's own if not given.

    Raises:
        CourseError: the file can't be read, or an entry is not an incident; the text names the line.
    """
    path = path or _FILE
    incidents: list[Incident] = []
    for line, entry in _entries(path):
        try:
            incident = _incident(entry)
            if any(incident.id == other.id for other in incidents):
                raise ValueError(f"the id {incident.id!r} is taken; choose another")
        except ValueError as error:
            raise CourseError(f"{path}, line {line}: {error}") from None
        incidents.append(incident)
    return incidents


def frame(incidents: Iterable[Incident] | None = None) -> "pd.DataFrame":
    """Return one row an incident; ``owasp``, ``tactics``, ``techniques`` and ``accept`` hold lists.

    ``frame().explode("tactics")`` gives one row a label.

    Args:
        incidents: the incidents to show; ``load()`` if not given.

    Raises:
        CourseError: the catalogue can't be read.
    """
    import pandas as pd

    rows = []
    for incident in load() if incidents is None else incidents:
        row = {name: list(value) if name in _LABELS else value for name, value in asdict(incident).items()}
        rows.append({**row, "year": incident.year})
    columns = [*_TEXTS, "year", *_LABELS]
    return pd.DataFrame(rows, columns=columns)


def _entries(path: Path) -> list[tuple[int, Any]]:
    """Return the entries of the file with the lines they start on; every scalar is a string."""
    try:
        # CBaseLoader reads 2023-02 and 2016-03-23 alike as text, and builds nothing but str, list, dict.
        loader = yaml.CBaseLoader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        if not isinstance(root, yaml.SequenceNode):
            raise CourseError(f"{path}: expected a list of incidents, each starting with '- id:'")
        return [(node.start_mark.line + 1, loader.construct_document(node)) for node in root.value]
    except OSError as error:
        raise CourseError(f"cannot read {path}: {error.strerror}; restore the file") from None
    except UnicodeDecodeError:
        raise CourseError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CourseError(f"{path}, line {line}: {error.problem}; correct the YAML") from None
    except yaml.YAMLError as error:
        raise CourseError(f"{path} is not YAML ({str(error).splitlines()[0]}); correct it") from None


def _incident(entry: Any) -> Incident:
    """Return the entry as an incident; raise ValueError with what is wrong and how to fix it."""
    # Events that learners label themselves come without labels.
    labels: Any = {name: [] for name in _LABELS}
    if isinstance(entry, dict):
        labels = entry.pop("labels", labels)
    _need_fields(entry, _TEXTS, "the incident")
    _need_fields(labels, _LABELS, "labels")
    for name in _TEXTS:
        if not isinstance(entry[name], str) or not entry[name].strip():
            raise ValueError(f"{name} is empty or not text; write a sentence")
    for name in _LABELS:
        if not isinstance(labels[name], list) or not all(isinstance(label, str) for label in labels[name]):
            raise ValueError(f"labels.{name} is not a list of ids; write [] for none")
    if not _DATE.fullmatch(entry["date"]):
        raise ValueError(f"date {entry['date']!r} is not YYYY-MM or YYYY-MM-DD; correct it")
    for name, allowed in (("kind", KINDS), ("system", SYSTEMS)):
        if entry[name] not in allowed:
            raise ValueError(f"{name} {entry[name]!r} is unknown; use one of {', '.join(allowed)}")
    values: dict[str, Any] = {name: entry[name] for name in _TEXTS}
    values.update((name, tuple(labels[name])) for name in _LABELS)
    return Incident(**values)


def _need_fields(mapping: Any, names: Iterable[str], what: str) -> None:
    if not isinstance(mapping, dict):
        raise ValueError(f"{what} is not a mapping; write 'name: value' lines")
    if missing := [name for name in names if name not in mapping]:
        raise ValueError(f"{what} lacks {', '.join(missing)}; add it")
    if unknown := [str(name) for name in mapping if name not in names]:
        raise ValueError(f"{what} has the unknown field {', '.join(unknown)}; remove or rename it")
