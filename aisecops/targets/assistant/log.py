"""What happened in an assistant, event by event: labs grade this, never the wording of an answer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

from aisecops.targets.assistant.calls import Call
from aisecops.targets.lm.chat import Message

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal[
    "user", "retrieved", "prompt", "reply", "malformed call", "call", "result", "blocked", "dropped",
    "limit", "answer",
]  # fmt: skip


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        number: 1 for the first event of a log, then 2, 3, ...; there is no clock in it.
        kind: ``user`` a person wrote; ``retrieved`` the retriever chose a document; ``prompt`` the model was
            asked; ``reply`` the model said something, to the user or to a tool; ``malformed call`` what it
            said to a tool was none; ``call`` a tool ran; ``result`` it returned; ``blocked`` a guard
            stopped something; ``dropped`` something left the context for lack of room; ``limit`` the model
            wanted more calls than it may make; ``answer`` the user got an answer.
        source: who or what it comes from: "user", "document: travel policy", "model", "tool: lookup",
            "guard: before_tool", ...
        text: what was said, read or returned.
        messages: of a prompt only: everything that the model saw.
        call: of a call and its result only.
    """

    number: int
    kind: Kind
    source: str
    text: str
    messages: tuple[Message, ...] = ()
    call: Call | None = None


class Log(Sequence[Event]):
    """Events, oldest first. They can be added and read, never changed or removed."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def add(
        self,
        kind: Kind,
        source: str,
        text: str,
        messages: Sequence[Message] = (),
        call: Call | None = None,
    ) -> Event:
        """Append an event, and return it."""
        event = Event(len(self._events) + 1, kind, source, text, tuple(messages), call)
        self._events.append(event)
        return event

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        """Return an event, or several, counted from 0."""
        return self._events[index]

    def __len__(self) -> int:
        """Return how many events there are."""
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        """Yield the events, oldest first."""
        return iter(self._events)

    def of(self, *kinds: Kind) -> list[Event]:
        """Return the events of some kinds."""
        return [event for event in self._events if event.kind in kinds]

    def calls(self, tool: str | None = None) -> list[Call]:
        """Return the calls that ran, whatever came of them: of one tool, or of all."""
        return [event.call for event in self.of("call") if event.call and tool in (None, event.call.name)]

    def sent_emails(self) -> list[Mapping[str, str]]:
        """Return ``to`` and ``text`` of each e-mail that was sent."""
        return [
            {name: str(value) for name, value in event.call.arguments.items()}
            for event in self.of("result")
            if event.call and event.call.name == "send_email" and event.text == "Ok."
        ]

    def context(self) -> list[tuple[str, str]]:
        """Return source and text of every piece that the model ever saw, each once, as they came in.

        What the model said itself is left out.
        """
        pieces = (
            (piece.source, piece.text)
            for event in self.of("prompt")
            for message in event.messages
            if message.role not in ("assistant", "call")
            for piece in message.pieces
        )
        return list(dict.fromkeys(pieces))

    def frame(self) -> "pd.DataFrame":
        """Return the log as a frame with ``number``, ``kind``, ``source`` and ``text``."""
        import pandas as pd

        columns: dict[str, list[Any]] = {
            "number": [event.number for event in self._events],
            "kind": [event.kind for event in self._events],
            "source": [event.source for event in self._events],
            "text": [event.text for event in self._events],
        }
        return pd.DataFrame(columns)

    def __str__(self) -> str:
        """Return one line an event, for people."""
        return "\n".join(f"{event.number:>3} {event.kind:<14} {event.source}: {event.text}" for event in self)
