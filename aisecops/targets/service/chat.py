"""Between the wire and a voice: a request becomes an order, an answer's steps become a choice or chunks."""

import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aisecops.targets.assistant.calls import Call, whole
from aisecops.targets.lm.chat import Message, Piece, Role
from aisecops.targets.lm.tokenizer import ROLES
from aisecops.targets.service import wire
from aisecops.targets.service.voice import Delta, Order, arguments, bytes_of
from aisecops.targets.service.wire import Failure

if TYPE_CHECKING:
    from aisecops.targets.lm import Token

_ROLES: dict[str, Role] = {"developer": "system", "system": "system", "user": "user", "tool": "tool"}
_LEAST = -9999.0  # stands for a probability of zero, which JSON has no logarithm for


def order(request: wire.ChatRequest) -> Order:
    """Return what a request wants to have said.

    Raises:
        Failure: a message is empty, or the parameters contradict each other.
    """
    if request.top_logprobs is not None and not request.logprobs:
        raise Failure(400, "top_logprobs needs logprobs to be true.", "top_logprobs", "invalid_value")
    offered = [] if request.tool_choice == "none" else [tool.function.name for tool in request.tools or []]
    stop = request.stop or []
    return Order(
        messages=_with_tools(_messages(request.messages), offered),
        tools=bool(offered),
        max_tokens=request.max_completion_tokens or request.max_tokens,
        temperature=request.temperature or 0.0,
        stops=(stop,) if isinstance(stop, str) else tuple(stop),
    )


def _messages(sent: Iterable[wire.ChatMessage]) -> list[Message]:
    messages = []
    for index, message in enumerate(sent):
        calls = message.tool_calls or [] if message.role == "assistant" else []
        if message.content is None and not calls:
            raise Failure(400, "A message needs content.", f"messages[{index}].content", "invalid_value")
        if message.role != "assistant":
            messages.append(Message(_ROLES[message.role], _content(message, message.role)))
        elif message.content:
            messages.append(Message("assistant", _content(message, "assistant")))
        for number, call in enumerate(calls):
            place = f"messages[{index}].tool_calls[{number}].function.arguments"
            messages.append(Message("call", _call_text(call.function, place)))
    return messages


def _content(message: wire.ChatMessage, source: str) -> tuple[Piece, ...]:
    """Return the text of a message. Its parts stand on lines of their own, unless a mark parts them."""
    if not isinstance(message.content, list):
        return (Piece(message.content or "", source),)
    pieces: list[Piece] = []
    for part in message.content:
        apart = not pieces or part.data or pieces[-1].data
        pieces.append(Piece(part.text if apart else f"\n{part.text}", source, part.data))
    return tuple(pieces)


def _call_text(call: wire.FunctionCall, place: str) -> str:
    """Return a call as the model writes it."""
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise Failure(400, "Arguments are an object in JSON.", place, "invalid_value")
    return whole(str(Call(call.name, arguments)))


def _with_tools(messages: list[Message], names: list[str]) -> tuple[Message, ...]:
    """Put the tools into the first system message, in the words that the model was trained on."""
    if not names:
        return tuple(messages)
    line = f"Tools: {', '.join(names)}."
    for at, message in enumerate(messages):
        if message.role == "system":
            with_line = Message("system", (*message.pieces, Piece(f" {line}", "system")))
            return (*messages[:at], with_line, *messages[at + 1 :])
    return (Message("system", line), *messages)


@dataclass
class Scribe:
    """Writes down the answers to one request.

    Attributes:
        request: what was asked.
        read: tokens of the conversation.
        show: gives a token as people can read it.
    """

    request: wire.ChatRequest
    read: int
    show: Callable[[int], str]
    written: int = 0
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    async def choice(self, index: int, steps: AsyncIterator[Delta]) -> wire.Choice:
        """Return an answer, once all its steps are there."""
        text, last = "", Delta()
        tokens: list[Token] = []
        async for last in steps:
            self.written += last.used
            text += last.text
            tokens += last.tokens
        return wire.Choice(
            index=index,
            message=wire.Answer(
                content=None if last.call else text, tool_calls=[_tool_call(last.call)] if last.call else None
            ),
            logprobs=self._logprobs(tokens),
            finish_reason=last.finish or "stop",
        )

    def completion(self, choices: list[wire.Choice]) -> wire.ChatCompletion:
        """Return all answers."""
        return wire.ChatCompletion(
            id=self.id, created=self.created, model=self.request.model, choices=choices, usage=self._usage()
        )

    async def chunks(self, index: int, steps: AsyncIterator[Delta]) -> AsyncIterator[dict[str, Any]]:
        """Yield an answer in chunks, the first of which names the role."""
        yield self._chunk(index, {"role": "assistant", "content": ""}, None, None)
        async for step in steps:
            self.written += step.used
            said: dict[str, Any] = {"content": step.text} if step.text else {}
            if step.call:
                said = {"tool_calls": [{"index": 0} | _tool_call(step.call).model_dump()]}
            if said or step.finish:
                yield self._chunk(index, said, step.finish, self._logprobs(step.tokens))

    def last(self) -> dict[str, Any] | None:
        """Return the chunk that ends a stream with the number of tokens, if the client wants it."""
        return self._frame([]) | {"usage": self._usage().model_dump()} if self._counts else None

    @property
    def _counts(self) -> bool:
        options = self.request.stream_options
        return bool(options and options.include_usage)

    def _chunk(
        self, index: int, delta: dict[str, Any], finish: str | None, logprobs: wire.Logprobs | None
    ) -> dict[str, Any]:
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": logprobs and logprobs.model_dump(),
            "finish_reason": finish,
        }
        return self._frame([choice]) | ({"usage": None} if self._counts else {})

    def _frame(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.request.model,
            "choices": choices,
        }

    def _usage(self) -> wire.Usage:
        return wire.Usage(
            prompt_tokens=self.read, completion_tokens=self.written, total_tokens=self.read + self.written
        )

    def _logprobs(self, tokens: Iterable["Token"]) -> wire.Logprobs | None:
        if not self.request.logprobs:
            return None
        most = self.request.top_logprobs or 0
        return wire.Logprobs(
            content=[
                wire.TokenLogprob(
                    **self._token(token.id, token.logprob),
                    top_logprobs=[wire.TopLogprob(**self._token(*one)) for one in token.likeliest[:most]],
                )
                for token in tokens
            ]
        )

    def _token(self, id: int, logprob: float) -> dict[str, Any]:
        shown = self.show(id)
        return {
            "token": shown,
            "bytes": bytes_of(shown, role=id < len(ROLES)),
            "logprob": max(logprob, _LEAST),
        }


def _tool_call(call: Call) -> wire.ToolCall:
    return wire.ToolCall(
        id=f"call_{secrets.token_hex(12)}",
        function=wire.FunctionCall(name=call.name, arguments=arguments(call)),
    )
