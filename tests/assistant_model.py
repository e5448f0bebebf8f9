"""A stand-in for the language model that says what a test tells it to."""

from collections.abc import Callable, Sequence

from aisecops.targets.lm.chat import Message, Prompt, render
from aisecops.targets.lm.tokenizer import load_tokenizer


class Scripted:
    """Says the given texts one after another, or what a function makes of the conversation.

    A text that begins with "call:" is a tool call. ``seen`` are the conversations it was asked.
    """

    name = "scripted"

    def __init__(self, *said: str, think: Callable[[str], str] | None = None, context: int = 512) -> None:
        self.said, self.think, self.context = list(said), think, context
        self.seen: list[list[Message]] = []

    def prompt(self, messages: Sequence[Message]) -> Prompt:
        return render(messages, load_tokenizer())

    def reply(
        self, messages: Sequence[Message], max_tokens: int = 128, temperature: float = 0.0, seed: int = 0
    ) -> Message:
        self.seen.append(list(messages))
        said = self.think(messages[-1].text) if self.think else self.said.pop(0)
        return Message("call", said[5:]) if said.startswith("call:") else Message("assistant", said)
