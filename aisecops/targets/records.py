"""Reads the sections of a YAML file into dataclasses, and knows the line of everything.

Meridian's systems are such files: a mapping of sections, each a list of records of one type.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import yaml

from aisecops.course import CourseError

T = TypeVar("T")

_RENAMED = {"from": "source", "to": "target"}  # "from" is a keyword of Python
_WRITTEN = {field: key for key, field in _RENAMED.items()}


class Reader:
    """One file, read and parsed once.

    Raises:
        CourseError: the file can't be read or is not YAML; the text names the line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._loader = yaml.CSafeLoader(path.read_text(encoding="utf-8"))
            root = self._loader.get_single_node()
        except OSError as error:
            raise CourseError(f"cannot read {path}: {error.strerror}; restore the file") from None
        except UnicodeDecodeError:
            raise CourseError(f"{path} is not UTF-8 text; save it as UTF-8") from None
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise CourseError(f"{path}, line {line}: {error.problem}; correct the YAML") from None
        except yaml.YAMLError as error:
            raise CourseError(f"{path} is not YAML ({str(error).splitlines()[0]}); correct it") from None
        pairs = root.value if isinstance(root, yaml.MappingNode) else []
        self._sections = {key.value: value for key, value in pairs if isinstance(key, yaml.ScalarNode)}

    def records(
        self,
        section: str,
        type_: type[T],
        known: Sequence[str] = (),
        check: Callable[[T], None] | None = None,
    ) -> tuple[T, ...]:
        """Return the entries of a section; every id of an element that they name must be ``known``.

        Args:
            section: its name in the file.
            type_: the dataclass (or plain type) that each entry becomes.
            known: ids that ``source``, ``target``, ``element`` and ``tool`` may name.
            check: raises ``CourseError`` or ``ValueError`` for a record that is wrong in another way.

        Raises:
            CourseError: an entry is wrong; the text names file and line.
        """
        from pydantic import TypeAdapter, ValidationError

        nodes = self._sections.get(section)
        if not isinstance(nodes, yaml.SequenceNode):
            raise self.error(section, "missing or not a list; write entries that start with a dash")
        adapter, records, ids = TypeAdapter(type_), [], set()
        for node in nodes.value:
            line = f"line {node.start_mark.line + 1}"
            try:
                raw = self._loader.construct_document(node)
                if isinstance(raw, dict):
                    raw = {_RENAMED.get(key, key): value for key, value in raw.items()}
                    if strangers := raw.keys() - type_.__annotations__.keys():
                        raise ValueError(f"unknown field {min(strangers, key=str)!r}")
                record = adapter.validate_python(raw)
            except ValidationError as error:
                first = error.errors()[0]
                where = " ".join(_WRITTEN.get(str(part), str(part)) for part in first["loc"])
                raise self.error(section, f"{where}: {first['msg']}; correct it".lstrip(": "), line) from None
            except (yaml.YAMLError, TypeError, ValueError) as error:
                problem = getattr(error, "problem", None) or str(error).splitlines()[0]
                raise self.error(section, f"{problem}; correct the entry", line) from None
            id = getattr(record, "id", None)
            if id in ids:
                raise self.error(section, f"the id {id!r} is taken; choose another", line)
            if id is not None:
                ids.add(id)
            for name in _elements_in(record):
                if name not in known:
                    raise self.error(section, f"no element has the id {name!r}; correct it", line)
            if check:
                try:
                    check(record)
                except (CourseError, ValueError) as error:
                    raise self.error(section, str(error), line) from None
            records.append(record)
        return tuple(records)

    def error(self, section: str, problem: str, line: str = "") -> CourseError:
        """Return the error to raise for a problem in a section, at a line if one is known."""
        return CourseError(f"{self._path}, {line or 'section ' + section}: {problem}")


def _elements_in(record: object) -> list[str]:
    """Return the ids of elements that a record refers to."""
    if isinstance(record, str):
        return [record]
    return [
        getattr(record, name) for name in ("source", "target", "element", "tool") if hasattr(record, name)
    ]
