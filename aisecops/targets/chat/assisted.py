"""An assistant of :mod:`aisecops.targets.assistant` as a chat sees it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from aisecops.targets.chat.conversation import Said, Step
from aisecops.targets.lm.chat import Message, Prompt, render
from aisecops.targets.lm.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from aisecops.targets.assistant import Assistant


class Assisted:
    """Asks an assistant, and reads the steps of its turn off its log.

    What another model than the course's own saw is cut into the course's tokens.
    """

    def __init__(self, assistant: "Assistant") -> None:
        self.assistant = assistant

    @property
    def model(self) -> object:
        """Return the model behind the assistant."""
        return self.assistant.model

    def reset(self) -> None:
        """Forget the conversation; the log and what the tools did stay."""
        self.assistant.history.clear()

    def turn(self, text: str) -> Iterator[Step]:
        """Ask, and yield a step for each time that the model was asked, and one if a guard spoke instead.

        Raises:
            CourseError: the message is too long for the model, or the model can't be reached.
        """
        known = len(self.assistant.log)
        before = (Message("system", self.assistant.system), *self.assistant.history, Message("user", text))
        answer = self.assistant.ask(text)
        said = [cast(Said, reply) for reply in answer.replies]
        given = [event.messages for event in self.assistant.log[known:] if event.kind == "prompt"]
        for messages, reply in zip(given, said, strict=True):
            yield Step(messages, render(messages, load_tokenizer()), reply)
        if not said or answer.text != said[-1].text:
            messages = (*given[-1], Message(said[-1].role, said[-1].text)) if said else before
            yield Step(messages, Prompt((), ()), Message("assistant", answer.text))
