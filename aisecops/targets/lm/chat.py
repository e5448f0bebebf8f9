"""A conversation, and the one row of tokens that the model sees of it.

Roles are mere tokens: nothing but their position tells the model who is speaking. Within a message there
are no borders either, unless an application marks data as such (``data=True``), and the model was trained
to heed the mark, as the checkpoint ``hardened`` was.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from aisecops.targets.lm.tokenizer import ROLES, Tokenizer

Role = Literal["system", "user", "assistant", "call", "tool"]


@dataclass(frozen=True)
class Piece:
    """A stretch of text of a message, and where it came from.

    ``source`` is free text for people and logs, such as "user" or "document: travel policy". With ``data``
    the piece is wrapped in the tokens ``<|data|>`` and ``<|/data|>``.
    """

    text: str
    source: str
    data: bool = False


@dataclass(frozen=True)
class Message:
    """One message. ``content`` is plain text, or pieces of text from several sources.

    The role ``call`` is the assistant calling a tool, such as ``lookup(record="order 4821")``; ``tool`` is
    what the tool returned.
    """

    role: Role
    content: str | tuple[Piece, ...]

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Return the pieces of the message; plain text is one piece whose source is the role."""
        return (Piece(self.content, self.role),) if isinstance(self.content, str) else self.content

    @property
    def text(self) -> str:
        """Return the whole text of the message, without marks."""
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True)
class Prompt:
    """What the model sees: token ids, and for each the source of the piece it belongs to."""

    tokens: tuple[int, ...]
    sources: tuple[str, ...]


def render(messages: Iterable[Message], tokenizer: Tokenizer) -> Prompt:
    """Put a conversation into one row of tokens, as the model was trained on.

    Each message is its role's token, its text, and ``<|end|>``. The model goes on from there: it chooses
    ``<|assistant|>`` for an answer or ``<|call|>`` for a tool call itself.

    Args:
        messages: the conversation so far, oldest first.
        tokenizer: whose ids to use.

    Returns:
        The prompt. Text of the pieces is never taken for a role token, whatever is in it.
    """
    tokens: list[int] = []
    sources: list[str] = []

    def add(ids: Sequence[int], source: str) -> None:
        tokens.extend(ids)
        sources.extend([source] * len(ids))

    for message in messages:
        add([ROLES[message.role]], message.role)
        for piece in message.pieces:
            ids = tokenizer.encode(piece.text)
            add([ROLES["data"], *ids, ROLES["/data"]] if piece.data else ids, piece.source)
        add([ROLES["end"]], message.role)
    return Prompt(tuple(tokens), tuple(sources))
