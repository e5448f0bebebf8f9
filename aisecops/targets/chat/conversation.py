"""A conversation turn by turn, and its transcript as plain text."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, Union, cast, get_args
from unicodedata import category

from aisecops.course import CourseError
from aisecops.targets.lm.chat import Message, Piece, Prompt, Role

if TYPE_CHECKING:
    from aisecops.targets.assistant import Assistant
    from aisecops.targets.lm.model import LanguageModel, Reply

Documents = str | Sequence[str] | Mapping[str, str]
Kind = Literal[Role, "document", "notice"]
Said = Union["Reply", Message]

_LABELS: dict[str, str] = {
    "system": "System",
    "user": "You",
    "assistant": "Assistant",
    "call": "Tool call",
    "tool": "Tool",
    "notice": "Note",
}


@dataclass(frozen=True)
class Step:
    """The model was asked once, and replied.

    Attributes:
        messages: the conversation it was given, oldest first.
        prompt: what it saw of them: tokens, and for each its source.
        reply: what it said: a :class:`Reply`, or a plain message of the role "assistant" or "call" where
            nobody knows the odds of its tokens.

    Where the application spoke for itself, as a guard does, the prompt is empty.
    """

    messages: tuple[Message, ...]
    prompt: Prompt
    reply: Said


class Application(Protocol):
    """Whatever a chat can talk to. ``Conversation`` is the plainest."""

    @property
    def model(self) -> object:
        """Return the model behind it; if it is a :class:`LanguageModel`, a chat shows where it looked."""
        ...

    def turn(self, text: str) -> Iterable[Step]:
        """Answer the user, and yield each step as it is done: a tool call and the answer make two."""
        ...

    def reset(self) -> None:
        """Forget the conversation."""
        ...


@dataclass
class Conversation:
    """The plainest application: a system text, documents pasted below the first question, no tools.

    Attributes:
        model: the language model.
        system: the system text; empty for none.
        documents: texts, or texts by title.
        max_tokens: most tokens of a reply.
        temperature: 0 takes the likeliest token each time; see :meth:`LanguageModel.reply`.
        seed: of the draws.
        messages: the conversation so far.
    """

    model: "LanguageModel"
    system: str = ""
    documents: Documents = ()
    max_tokens: int = 128
    temperature: float = 0.0
    seed: int = 0
    messages: tuple[Message, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        """Check the texts, and start."""
        _need_text(self.system, "the system text")
        self._pasted = _pieces(self.documents)
        self.reset()

    def reset(self) -> None:
        """Forget the conversation; the system text stays."""
        self.messages = (Message("system", self.system),) if self.system else ()

    def turn(self, text: str) -> Iterator[Step]:
        """Answer the user, in one step. A turn that fails leaves no trace in the conversation.

        Raises:
            CourseError: the conversation does not fit into the context.
        """
        _need_text(text, "what you say")
        spoken = any(message.role == "user" for message in self.messages)
        pieces = (Piece(text, "user"), *(() if spoken else self._pasted))
        messages = (*self.messages, Message("user", pieces))
        prompt = self.model.prompt(messages)
        reply = self.model.reply(prompt, self.max_tokens, self.temperature, self.seed)
        self.messages = (*messages, reply.message)
        yield Step(messages, prompt, reply)


def application(
    model: "LanguageModel | Assistant | Application", system: str = "", documents: Documents = ()
) -> Application:
    """Return what a chat talks to: the application itself, or a conversation with the model.

    Raises:
        CourseError: it is neither, or an application came with a system text or documents.
    """
    if hasattr(model, "reply"):
        return Conversation(cast("LanguageModel", model), system, documents)
    if not hasattr(model, "turn") and not hasattr(model, "ask"):
        raise CourseError(
            f"cannot chat with {type(model).__name__}: give a language model, such as load('base'), an "
            "assistant, or an application with model, turn() and reset()"
        )
    if system or documents:
        raise CourseError("an application has its own system text and documents; set them there")
    if hasattr(model, "turn"):
        return cast(Application, model)
    from aisecops.targets.chat.assisted import Assisted

    return Assisted(model)


@dataclass(frozen=True)
class Entry:
    """One entry of a transcript. ``step`` is the number of the step whose reply it is."""

    kind: Kind
    label: str
    text: str
    step: int | None = None

    def __str__(self) -> str:
        """Return the entry as a line of plain text."""
        return f"{self.label}: {self.text}"


class Transcript:
    """What was said so far, and the steps behind it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.steps: list[Step] = []
        self._system = ""

    def __str__(self) -> str:
        """Return the transcript as plain text, an entry a line."""
        return "\n".join(map(str, self.entries))

    def turn(self, application: Application, text: str) -> Iterator[Step]:
        """Let the application answer, and yield each step once it is in the transcript.

        Whatever the application raises becomes one sentence in the transcript, and goes on to the caller.
        """
        before = len(self.steps)
        try:
            for step in application.turn(text):
                self._add(step)
                yield step
            if len(self.steps) == before:
                raise CourseError("the application gave no reply; its turn() must yield at least one step")
        except Exception as error:
            if len(self.steps) == before:
                self.entries.append(Entry("user", _LABELS["user"], _visible(str(text))))
            said = str(error) if isinstance(error, CourseError) else f"{type(error).__name__}: {error}"
            self.entries.append(Entry("notice", _LABELS["notice"], said))
            raise

    def _add(self, step: Step) -> None:
        """Add what is new in a step: the messages since the last reply, and the reply."""
        spoken = [n for n, message in enumerate(step.messages) if message.role in ("assistant", "call")]
        for message in step.messages[spoken[-1] + 1 if spoken else 0 :]:
            if message.role == "system":
                if message.text == self._system:
                    continue
                self._system = message.text
            self.entries += [_entry(piece) for piece in message.pieces if piece.text.strip()]
        role = step.reply.role
        label = _LABELS[role] if step.prompt.tokens else "Application"
        self.entries.append(Entry(role, label, _visible(step.reply.text), len(self.steps)))
        self.steps.append(step)


def chat(
    model: "LanguageModel | Assistant | Application",
    *texts: str,
    system: str = "",
    documents: Documents = (),
) -> Said:
    """Print a conversation as plain text, and return the last reply.

    Args:
        model: a language model, an assistant (:mod:`aisecops.targets.assistant`), or another application,
            such as ``Conversation(model, temperature=1.0)``.
        texts: what the user says, one text a turn.
        system: the system text, for a bare model.
        documents: texts, or texts by title, for a bare model; they are pasted below the first question.

    Raises:
        CourseError: nothing was said, or the model cannot answer.
    """
    if not texts:
        raise CourseError('say something to the model: chat(model, "Say hello.")')
    speaker, transcript = application(model, system, documents), Transcript()
    printed = 0
    for text in texts:
        for _ in transcript.turn(speaker, text):
            for entry in transcript.entries[printed:]:
                print(entry)
            printed = len(transcript.entries)
    return transcript.steps[-1].reply


def _pieces(documents: Documents) -> tuple[Piece, ...]:
    """Return documents as pieces of a message, each on a line of its own."""
    if isinstance(documents, str):
        documents = [documents]
    if not isinstance(documents, Mapping | Sequence):
        raise CourseError(f"documents are texts, or texts by title, not {type(documents).__name__}")
    if isinstance(documents, Mapping):
        sources = [f"document: {title}" for title in documents]
        texts = list(documents.values())
    else:
        texts = list(documents)
        sources = ["document"] if len(texts) == 1 else [f"document {n}" for n in range(1, len(texts) + 1)]
    for text, source in zip(texts, sources, strict=True):
        _need_text(text, source)
    return tuple(Piece(f"\n{text}", source) for text, source in zip(texts, sources, strict=True) if text)


def kind(source: str) -> Kind:
    """Return the kind of a source: a role, as in "user" or "tool: lookup", and a document otherwise.

    What the application itself puts in counts as system text.
    """
    first = source.partition(":")[0]
    if first == "application":
        return "system"
    return cast(Kind, first) if first in get_args(Role) else "document"


def _entry(piece: Piece) -> Entry:
    """Return a piece of a message as an entry; "document: orders" becomes “Document, orders”."""
    first, _, name = piece.source.partition(":")
    label = _LABELS.get(first, first[:1].upper() + first[1:]) + (f", {name.strip()}" if name else "")
    return Entry(kind(piece.source), _visible(label), _visible(piece.text.strip()))


def _visible(text: str) -> str:
    """Return a text with invisible characters spelled out: they hide words, or steer a terminal."""
    return "".join(
        letter if letter in "\n\t" or category(letter) not in ("Cc", "Cf", "Cs") else f"<U+{ord(letter):04X}>"
        for letter in text
    )


def _need_text(value: object, what: str) -> None:
    if not isinstance(value, str):
        raise CourseError(f"{what} must be a text, not {type(value).__name__}")
