"""Seeded choices and phrase templates: what the generators of the course's texts have in common.

A template is a line with ``[a|b]`` for one of several wordings and ``{slot}`` for what is filled in.
"""

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)\}")


class Dice:
    """Seeded choices, all from ``Random.random``: the one method whose values Python promises to keep."""

    def __init__(self, seed: int | str) -> None:
        self._random = Random(seed).random

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self._random() < probability

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to ``limit`` - 1."""
        return int(self._random() * limit)

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[self.below(len(options))]

    def some(self, options: Sequence[T], count: int) -> list[T]:
        """Return ``count`` different options (all of them if there are fewer) in random order."""
        left = list(options)
        return [left.pop(self.below(len(left))) for _ in range(min(count, len(left)))]

    def word(self, template: str) -> str:
        """Settle the wording of a template: one alternative of each ``[a|b]``."""
        return _CHOICE.sub(lambda match: self.pick(match[1].split("|")), template)


def wordings(template: str) -> list[str]:
    """Return every wording of a template."""
    choice = _CHOICE.search(template)
    if choice is None:
        return [template]
    before, after = template[: choice.start()], template[choice.end() :]
    return [wording for one in choice[1].split("|") for wording in wordings(before + one + after)]


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values into the slots of a template.

    Raises:
        KeyError: a slot has no value.
    """
    return SLOT.sub(lambda match: values[match[1]], template)
