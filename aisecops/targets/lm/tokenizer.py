"""Text to tokens and back: byte-level byte-pair encoding (Sennrich et al., 2016) with single digits.

Any text has tokens, since the 256 bytes are among them. The first ids are the roles and marks of the chat
format; they are no text and never come out of text, unless a caller asks for that in so many words.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

SIZE = 1024  # tokens in the vocabulary, roles included
# What the chat format needs beside text, with their ids.
ROLES = {
    name: id
    for id, name in enumerate(("pad", "end", "system", "user", "assistant", "call", "tool", "data", "/data"))
}
_NAMES = tuple(f"<|{name}|>" for name in ROLES)
_ROLE = re.compile("(" + "|".join(map(re.escape, _NAMES)) + ")")
FILE = Path(__file__).with_name("tokenizer.json")


class Tokenizer:
    """The tokenizer that all checkpoints share. Get it with :func:`load_tokenizer`."""

    def __init__(self, file: Path = FILE) -> None:
        from tokenizers import Tokenizer as Library

        self._library = Library.from_file(str(file))
        self._library.no_padding()
        self._shown: dict[int, str] = {}

    def encode(self, text: str, roles: bool = False) -> list[int]:
        """Return the token ids of a text.

        Args:
            text: any text.
            roles: take strings such as ``<|system|>`` for the role's token, as careless applications do
                that paste untrusted text into a template. Off, they are text like any other.
        """
        if roles:
            parts = _ROLE.split(text)
            return [
                id for part in parts for id in ([_NAMES.index(part)] if part in _NAMES else self.encode(part))
            ]
        return [id + len(ROLES) for id in self._library.encode(text).ids]

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text; faster than one by one."""
        return [[id + len(ROLES) for id in row.ids] for row in self._library.encode_batch(list(texts))]

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens. Roles and marks are shown by name, bytes that are no text as �."""
        parts: list[str] = []
        run: list[int] = []
        for token in [*tokens, -1]:
            if token >= len(ROLES):
                run.append(token - len(ROLES))
                continue
            if run:
                parts.append(self._library.decode(run))
                run = []
            if token >= 0:
                parts.append(_NAMES[token])
        return "".join(parts)

    def show(self, token: int) -> str:
        """Return one token as people can read it: a role by name, a lone byte as ``<0xE2>``."""
        if token not in self._shown:
            self._shown[token] = self._name(token)
        return self._shown[token]

    def _name(self, token: int) -> str:
        if token < len(ROLES):
            return _NAMES[token]
        text = self._library.decode([token - len(ROLES)])
        if "�" not in text:
            return str(text)
        return "".join(
            f"<0x{byte:02X}>" for byte in _bytes(str(self._library.id_to_token(token - len(ROLES))))
        )


@lru_cache(maxsize=1)
def load_tokenizer() -> Tokenizer:
    """Return the course's tokenizer, read once."""
    return Tokenizer()


def train(texts: Iterable[str], file: Path = FILE) -> None:
    """Learn the merges from texts and write the tokenizer's file."""
    from tokenizers import Tokenizer as Library
    from tokenizers import decoders, models, pre_tokenizers, trainers

    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    library.decoder = decoders.ByteLevel()
    library.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=SIZE - len(ROLES),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    library.save(str(file))


def _bytes(token: str) -> bytes:
    """Return the bytes behind the characters that byte-level encoding writes them as."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    table = {chr(byte): byte for byte in plain} | {chr(256 + k): byte for k, byte in enumerate(others)}
    return bytes(table[character] for character in token)
