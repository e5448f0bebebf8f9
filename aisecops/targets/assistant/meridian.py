"""The three assistants of Meridian, ready to use: help desk, claims and HR."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from aisecops.course import CourseError
from aisecops.targets.assistant.application import Assistant, Model
from aisecops.targets.assistant.bank import FILE, Bank
from aisecops.targets.assistant.documents import Bm25, Document, Store
from aisecops.targets.assistant.endpoint import Endpoint
from aisecops.targets.records import Reader


@dataclass(frozen=True)
class Profile:
    """An assistant as it stands in ``meridian.yaml``.

    ``secrets`` are those values of the system text that a rule protects, by name.
    """

    name: str
    system: str
    secrets: Mapping[str, str]
    tools: tuple[str, ...]
    documents: tuple[Document, ...]


@dataclass
class Ready(Assistant):
    """An assistant of Meridian, with the store and the bank that it works on."""

    profile: Profile = field(kw_only=True)
    store: Store = field(kw_only=True)
    bank: Bank = field(kw_only=True)


@lru_cache(maxsize=1)
def assistants() -> Mapping[str, Profile]:
    """Return the assistants by name."""
    return {profile.name: profile for profile in Reader(FILE).records("assistants", Profile)}


def assistant(name: str, model: Model | None = None, seed: int = 2026, **parts: Any) -> Ready:
    """Return an assistant of Meridian, with a store, a bank and a log of its own.

    Args:
        name: "help desk", "claims" or "HR".
        model: what answers; if not given, the endpoint that the environment names (see :mod:`.endpoint`), or
            the course's own checkpoint "base".
        seed: of the bank's records.
        parts: other parts of the :class:`Assistant`, such as ``before_tool``.

    Raises:
        CourseError: there is no such assistant.
    """
    profile = assistants().get(name)
    if profile is None:
        raise CourseError(f"there is no assistant {name!r}; choose one of {', '.join(assistants())}")
    bank, store = Bank(seed), Store(profile.documents)
    tools = {tool: function for tool, function in bank.tools().items() if tool in profile.tools}
    given: dict[str, Any] = {
        "system": profile.system,
        "model": model or Endpoint.from_environment() or _own(),
        "retriever": Bm25(store),
        "tools": tools,
        **parts,
    }
    return Ready(**given, profile=profile, store=store, bank=bank)


def _own() -> Model:
    from aisecops.targets.lm import load

    return load("base")
