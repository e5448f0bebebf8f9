"""What stands behind a model's name: it counts what it reads, says it in small steps, and embeds text."""

import json
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aisecops.course import CourseError
from aisecops.targets.assistant.calls import Call, parse
from aisecops.targets.lm.chat import Message
from aisecops.targets.lm.tokenizer import ROLES
from aisecops.targets.service.wire import Failure, Finish

if TYPE_CHECKING:
    from aisecops.targets.lm import LanguageModel, Token, Tokenizer

_LONE_BYTES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")


@dataclass(frozen=True)
class Order:
    """What a request wants to have said.

    Attributes:
        messages: the conversation so far.
        tools: the client offered tools, and takes calls as such rather than as text.
        max_tokens: most tokens of an answer; None is all that fit.
        temperature: 0 takes the likeliest token each time.
        stops: texts that end an answer; they are no part of it.
    """

    messages: tuple[Message, ...]
    tools: bool = False
    max_tokens: int | None = None
    temperature: float = 0.0
    stops: tuple[str, ...] = ()


@dataclass(frozen=True)
class Delta:
    """A step of an answer: more text, or nothing yet; the last one says why it is the last.

    ``tokens`` are those of the text, ``used`` is how many the step took.
    """

    text: str = ""
    tokens: tuple["Token", ...] = ()
    used: int = 0
    call: Call | None = None
    finish: Finish | None = None


class Voice(Protocol):
    """What the service asks of a model. All of it runs in one thread, a step at a time."""

    def count(self, messages: Sequence[Message]) -> int:
        """Return how many tokens a conversation has.

        Raises:
            Failure: it leaves no room for an answer.
        """

    def say(self, order: Order, seed: int) -> Generator[Delta, None, None]:
        """Yield an answer, each step short; whoever has heard enough asks for no more."""

    def embed(self, item: str | Sequence[int]) -> tuple[list[float], int]:
        """Return a vector of unit length for a text or token ids, and how many tokens were read.

        Raises:
            Failure: it is too long, or no token has such an id.
        """

    def show(self, token: int) -> str:
        """Return a token as people can read it."""


class Plain:
    """A checkpoint as it is, with the system text that the client sends."""

    def __init__(self, model: "LanguageModel") -> None:
        self.model = model

    def count(self, messages: Sequence[Message]) -> int:
        """Return how many tokens a conversation has; see :class:`Voice`."""
        length = len(self.model.prompt(messages).tokens)
        if self.model.context - length < 2:
            raise _too_long(length, self.model.context, "messages")
        return length

    def say(self, order: Order, seed: int) -> Generator[Delta, None, None]:
        """Yield an answer, a token at a time; see :class:`Voice`."""
        # The end's token counts, so the model stops at the context's end whatever is asked for.
        most = min(order.max_tokens or self.model.context, self.model.context)
        stream = self.model.stream(order.messages, most, order.temperature, seed)
        yield from _spell(stream, self.model.tokenizer, order)

    def embed(self, item: str | Sequence[int]) -> tuple[list[float], int]:
        """Return the mean of the last layer's states, with unit length; see :class:`Voice`."""
        from torch.nn import functional as F  # noqa: N812  (the name that everybody uses)

        tokens = self.model.tokenizer.encode(item) if isinstance(item, str) else item
        if len(tokens) > self.model.context:
            raise _too_long(len(tokens), self.model.context, "input")
        if max(tokens) >= (size := self.model.network.config.vocabulary):
            raise Failure(400, f"Token ids are below {size}.", "input", "invalid_value")
        mean = self.model.embeddings(tokens).mean(0)
        vector: list[float] = F.normalize(mean, dim=0).tolist()
        return vector, len(tokens)

    def show(self, token: int) -> str:
        """Return a token as people can read it: a lone byte as ``<0xE2>``."""
        return self.model.tokenizer.show(token)


class Application(Plain):
    """An assistant of Meridian: a system text, documents and tools of its own, which run here.

    Each answer has a new bank and log, so clients do not see each other's refunds.
    """

    def __init__(self, name: str, model: "LanguageModel") -> None:
        super().__init__(model)
        self.name = name

    def count(self, messages: Sequence[Message]) -> int:
        """Return how many tokens the client's messages have; what the application adds is not counted."""
        roles = [message.role for message in messages]
        if not {"user", "assistant"}.issuperset(roles) or roles[-1] != "user":
            raise Failure(
                400,
                f"The {self.name} application has a system text and tools of its own: send messages of user "
                "and assistant, the last one of user.",
                "messages",
                "invalid_value",
            )
        return super().count(messages)

    def say(self, order: Order, seed: int) -> Generator[Delta, None, None]:
        """Yield an answer, once the application has it; see :class:`Voice`."""
        from aisecops.targets.assistant import assistant
        from aisecops.targets.lm import Reply

        ready = assistant(self.name, self.model, temperature=order.temperature, mark_data=self.marks)
        ready.seed = seed
        ready.max_tokens = min(order.max_tokens or ready.max_tokens, ready.max_tokens)
        ready.history = list(order.messages[:-1])
        try:
            answer = ready.ask(order.messages[-1].text)
        except CourseError as error:
            raise Failure(400, str(error), "messages", "context_length_exceeded") from None
        replies = [reply for reply in answer.replies if isinstance(reply, Reply)]
        last = replies.pop() if replies and replies[-1].text == answer.text else None
        yield Delta(used=sum(len(reply.tokens) - 1 for reply in replies))
        if last:
            yield from _spell(iter(last.tokens), self.model.tokenizer, order)
        else:  # too many calls: the application said something of its own
            yield Delta(answer.text[: _stop(answer.text, order.stops)], finish="stop")

    @property
    def marks(self) -> bool:
        """Whether documents are marked as data: only this checkpoint knows what the marks mean."""
        return self.model.name == "hardened"


def _spell(stream: Iterator["Token"], tokenizer: "Tokenizer", order: Order) -> Generator[Delta, None, None]:
    """Yield the steps of a reply, given its tokens, the role's first."""
    calling = next(stream).id == ROLES["call"] and order.tools
    said: list[int] = []
    waiting: list[tuple[int, Token]] = []  # tokens not handed out, and where their text begins
    text, out = "", 0
    finish: Finish = "length"
    for token in stream:
        if token.id == ROLES["end"]:
            finish = "stop"
            break
        waiting.append((len(text.rstrip("�")), token))
        said.append(token.id)
        text = tokenizer.decode(said)
        if (end := _stop(text, order.stops)) is not None:
            text, finish = text[:end], "stop"
            break
        safe = out if calling else _settled(text, order.stops)
        yield Delta(text[out:safe], _pop(waiting, safe), used=1)
        out = safe
    tokens = _pop(waiting, len(text))
    used = int(finish == "stop")  # the token that ended the reply
    if calling and finish == "stop" and (call := _call(text)):
        yield Delta(tokens=tokens, used=used, call=call, finish="tool_calls")
    else:
        yield Delta(text[out:], tokens, used, finish=finish)


def arguments(call: Call) -> str:
    """Return a call's arguments as an object in JSON.

    Raises:
        ValueError: JSON has no word for one of them, such as an infinite number.
    """
    return json.dumps(dict(call.arguments), ensure_ascii=False, allow_nan=False)


def bytes_of(shown: str, role: bool) -> list[int] | None:
    """Return the bytes of a token, given as it is shown; None for a role's token, which is no text."""
    if role:
        return None
    if _LONE_BYTES.fullmatch(shown):
        return [int(byte, 16) for byte in re.findall("0x(..)", shown)]
    return list(shown.encode())


def _call(text: str) -> Call | None:
    """Return the call that a text is, if it is one that JSON can hold."""
    try:
        call = parse(text)
        arguments(call)
    except ValueError:
        return None
    return call


def _stop(text: str, stops: tuple[str, ...]) -> int | None:
    """Return where the first stop in a text begins; None if there is none."""
    return min((at for at in map(text.find, stops) if at >= 0), default=None)


def _settled(text: str, stops: tuple[str, ...]) -> int:
    """Return how much of a text can go out: no half character, and nothing that may begin a stop."""
    safe = len(text.rstrip("�"))
    for stop in stops:
        for length in range(min(len(stop) - 1, len(text)), 0, -1):
            if text.endswith(stop[:length]):
                safe = min(safe, len(text) - length)
                break
    return safe


def _pop(waiting: list[tuple[int, "Token"]], end: int) -> tuple["Token", ...]:
    """Take off the tokens whose text begins before ``end``."""
    ready = tuple(token for start, token in waiting if start < end)
    del waiting[: len(ready)]
    return ready


def _too_long(length: int, context: int, param: str) -> Failure:
    return Failure(
        400,
        f"This model reads at most {context} tokens, answer included; {param} has {length}. Shorten it.",
        param,
        "context_length_exceeded",
    )
