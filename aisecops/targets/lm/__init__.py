"""A language model worth attacking: small, real, and the same for everybody.

``load("base").reply("Say hello.")`` is all it takes. The network is a transformer with about a million
weights (:mod:`network`), trained by code in this folder (:mod:`train`) on text that is made in this folder
(:mod:`corpus`). The model cards in ``docs/model.md`` say what each checkpoint can and cannot do.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aisecops.targets.lm.chat import Message, Piece, Prompt, Role, render
    from aisecops.targets.lm.model import LanguageModel, Reply, Token, load
    from aisecops.targets.lm.tokenizer import ROLES, Tokenizer, load_tokenizer

__all__ = [
    "ROLES",
    "LanguageModel",
    "Message",
    "Piece",
    "Prompt",
    "Reply",
    "Role",
    "Token",
    "Tokenizer",
    "load",
    "load_tokenizer",
    "render",
]

_HOMES = {
    "chat": ("Message", "Piece", "Prompt", "Role", "render"),
    "model": ("LanguageModel", "Reply", "Token", "load"),
    "tokenizer": ("ROLES", "Tokenizer", "load_tokenizer"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for: PyTorch takes a second."""
    from importlib import import_module

    for home, held in _HOMES.items():
        if name in held:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
