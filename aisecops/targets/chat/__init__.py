"""A chat to look into: what was said, what the model saw of it, how sure it was, and where it looked.

``Chat(load("base"))`` is a widget for notebooks; ``chat(load("base"), "Say hello.")`` prints a conversation
as plain text. Both take a language model, an assistant, or any other :class:`Application`.
"""

from typing import TYPE_CHECKING, Any

from aisecops.targets.chat.conversation import Application, Conversation, Step, chat

if TYPE_CHECKING:
    from aisecops.targets.chat.widget import Chat

__all__ = ["Application", "Chat", "Conversation", "Step", "chat"]


def __getattr__(name: str) -> Any:
    """Import the widget when it is asked for: who only speaks the protocol needs no ipywidgets."""
    if name == "Chat":
        from aisecops.targets.chat.widget import Chat

        return Chat
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
