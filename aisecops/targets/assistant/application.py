"""The assistant: a language model with documents, tools and a memory, put together as applications do it.

The user asks; the retriever adds documents to the user's message; the model answers or calls a tool; a tool's
result goes back to the model. Everything that enters the context is text without borders, which is what
prompt injection lives on (Greshake et al., *Not what you've signed up for*, 2023). Every part can be
replaced, and a defence is a plain function at one of three places, the *guards*.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from aisecops.course import CourseError
from aisecops.targets.assistant.bank import FAILED, Tool
from aisecops.targets.assistant.calls import Call, parse, whole
from aisecops.targets.assistant.documents import Document, Retriever
from aisecops.targets.assistant.endpoint import Endpoint
from aisecops.targets.assistant.log import Log
from aisecops.targets.lm.chat import Message, Piece, Prompt

REFUSAL = "I cannot help with that."

PieceGuard = Callable[[list[Piece]], Sequence[Piece] | None]
CallGuard = Callable[[Call], Call | None]
TextGuard = Callable[[str], str | None]


class Said(Protocol):
    """What a model says: an answer (role "assistant") or a tool call (role "call")."""

    @property
    def role(self) -> str:
        """The role."""

    @property
    def text(self) -> str:
        """The text."""


class Model(Protocol):
    """What an assistant needs of a model; ``LanguageModel`` and ``Endpoint`` have it."""

    @property
    def name(self) -> str:
        """What the log calls it."""

    @property
    def context(self) -> int:
        """How many tokens fit, reply included."""

    def prompt(self, messages: Sequence[Message]) -> Prompt:
        """Return what the model sees of a conversation; only its length matters here."""

    def reply(
        self, messages: Sequence[Message], max_tokens: int = ..., temperature: float = ..., seed: int = ...
    ) -> Said:
        """Return the reply to a conversation."""


@dataclass(frozen=True)
class Answer:
    """What the user gets, and the model's replies on the way there, calls included."""

    text: str
    replies: tuple[Said, ...]

    def __str__(self) -> str:
        """Return the text."""
        return self.text


@dataclass
class Assistant:
    """An assistant with one user.

    Each guard gets what is about to go on, and returns what shall go on instead: the same, something else,
    or None to stop it.

    Attributes:
        system: the system text. Tools are offered there: "Tools: lookup, send_email."
        model: any model; see :class:`Model`.
        retriever: from the user's text to documents, best first; None for no documents.
        tools: functions by name. Their arguments are strings or numbers, by keyword; they return text.
        order: what comes first in the user's message.
        mark_data: wrap documents and tool results in the tokens that the checkpoint "hardened" knows, with
            the question first.
        before_model: gets the pieces of a user's message with its documents, or of a tool's result.
        before_tool: gets a call. Where it stops one, the model hears "Failed."
        after_model: gets the answer before the user does.
        max_calls: most tool calls for one question.
        max_tokens: most tokens of one reply, and what is kept free for it.
        temperature: 0 for the likeliest reply.
        seed: of the draws where the temperature is above 0.
        history: the conversation so far, without the system text.
        log: everything that happened.
    """

    system: str
    model: Model
    retriever: Retriever | None = None
    tools: Mapping[str, Tool] = field(default_factory=dict)
    order: Literal["question first", "documents first"] = "question first"
    mark_data: bool = False
    before_model: PieceGuard | None = None
    before_tool: CallGuard | None = None
    after_model: TextGuard | None = None
    max_calls: int = 3
    max_tokens: int = 96
    temperature: float = 0.0
    seed: int = 0
    history: list[Message] = field(default_factory=list)
    log: Log = field(default_factory=Log)

    def ask(self, text: str) -> Answer:
        """Answer a message of the user; tools run on the way.

        Raises:
            CourseError: the message alone is too long for the model, or the model can't be reached. The
                conversation is then as it was before; the log and the tools' effects stay.
        """
        before = list(self.history)
        try:
            return self._ask(whole(text))
        except Exception:
            self.history = before
            raise

    def _ask(self, text: str) -> Answer:
        self.log.add("user", "user", text)
        pieces = self._guarded(self._question(text))
        if pieces is None:
            return self._answer(REFUSAL, [])
        start = len(self.history)
        self.history.append(Message("user", tuple(pieces)))
        replies: list[Said] = []
        while True:
            gone = self._make_room(start)
            if gone is None:
                if not replies:
                    raise CourseError(
                        f"the message needs more than the {self.model.context} tokens that the model reads, "
                        "its reply included; write a shorter one"
                    )
                self.log.add("limit", "application", "calls and their results fill the context")
                return self._answer(REFUSAL, replies)
            start -= gone
            messages = [Message("system", self.system), *self.history]
            self.log.add("prompt", "application", "".join(message.text for message in messages), messages)
            replies.append(said := self._model.reply(messages, self.max_tokens, self.temperature, self.seed))
            reply = whole(said.text)
            self.log.add("reply", self.model.name, reply)
            if said.role != "call":
                return self._answer(reply, replies)
            if len(replies) > self.max_calls:
                self.log.add("limit", "application", f"more than {self.max_calls} calls for one question")
                return self._answer(REFUSAL, replies)
            self.history.append(Message("call", reply))
            result = self._guarded(self._call(reply)) or [Piece(FAILED, "application")]
            self.history.append(Message("tool", tuple(result)))

    @property
    def _model(self) -> Model:
        """The model; an endpoint is told which tools there are."""
        return self.model.offering(self.tools) if isinstance(self.model, Endpoint) else self.model

    def _question(self, text: str) -> list[Piece]:
        """Return the pieces of the user's message: what the user wrote, and documents that fit to it."""
        shown = {piece.source for message in self.history for piece in message.pieces}
        found = [document for document in self._retrieved(text) if document.source not in shown]
        if not found:
            return [Piece(text, "user")]
        data = [
            Piece(whole(document.text) + " " * (k < len(found) - 1), document.source, self.mark_data)
            for k, document in enumerate(found)
        ]
        gap = " " if self.mark_data else "\n"  # as the checkpoints have learned it
        if self.order == "question first":
            return [Piece(f"{text}{gap}", "user"), *data]
        return [*data, Piece(f"{gap}{text}", "user")]

    def _retrieved(self, text: str) -> Sequence[Document]:
        documents = self.retriever(text) if self.retriever else ()
        for document in documents:
            self.log.add("retrieved", document.source, document.text)
        return documents

    def _guarded(self, pieces: list[Piece]) -> list[Piece] | None:
        """Return what ``before_model`` lets into the context."""
        if self.before_model is None:
            return pieces
        passed = self.before_model(list(pieces))
        if not passed:
            self.log.add("blocked", "guard: before_model", "".join(piece.text for piece in pieces))
            return None
        return list(passed)

    def _call(self, text: str) -> list[Piece]:
        """Run a tool as the model asked; return its result as pieces."""
        try:
            call = parse(text)
        except ValueError as problem:
            self.log.add("malformed call", self.model.name, f"{text} ({problem})")
            return [Piece(FAILED, "application")]
        if self.before_tool is not None:
            allowed = self.before_tool(call)
            if allowed is None:
                self.log.add("blocked", "guard: before_tool", str(call), call=call)
                return [Piece(FAILED, "application")]
            call = allowed
        tool = self.tools.get(call.name)
        if tool is None or not _fits(tool, call):
            problem_ = "no such tool" if tool is None else "wrong arguments"
            self.log.add("malformed call", self.model.name, f"{call} ({problem_})")
            return [Piece(FAILED, "application")]
        source = f"tool: {call.name}"
        self.log.add("call", source, str(call), call=call)
        result = whole(str(tool(**call.arguments)))
        self.log.add("result", source, result, call=call)
        return [Piece(result, source, self.mark_data)]

    def _make_room(self, start: int) -> int | None:
        """Drop what the model has no room for; return how many messages before the current turn are gone.

        Oldest turns go first, then the least relevant documents of the current turn, which begins at
        ``start`` in the history. None if there is no room even so.
        """
        gone = 0
        while not self._room():
            if start > gone:
                self.log.add("dropped", self.history[0].role, self.history[0].text)
                del self.history[0]
                gone += 1
                continue
            question = self.history[0]
            last = next((p for p in reversed(question.pieces) if p.source.startswith("document")), None)
            if last is None:
                return None
            self.log.add("dropped", last.source, last.text)
            self.history[0] = Message("user", tuple(piece for piece in question.pieces if piece != last))
        return gone

    def _room(self) -> bool:
        """Return whether the conversation leaves room for a reply, and begins with the user."""
        if self.history[0].role != "user":
            return False
        prompt = self.model.prompt([Message("system", self.system), *self.history])
        return len(prompt.tokens) + self.max_tokens + 1 <= self.model.context

    def _answer(self, text: str, replies: Sequence[Said]) -> Answer:
        """Let ``after_model`` see the answer, remember it, and return it."""
        if self.after_model is not None:
            passed = self.after_model(text)
            if passed is None:
                self.log.add("blocked", "guard: after_model", text)
            text = REFUSAL if passed is None else passed
        if replies:
            self.history.append(Message("assistant", text))
        self.log.add("answer", "application", text)
        return Answer(text, tuple(replies))


def _fits(tool: Tool, call: Call) -> bool:
    """Return whether a tool takes the arguments of a call."""
    try:
        inspect.signature(tool).bind(**call.arguments)
    except TypeError:
        return False
    return True
