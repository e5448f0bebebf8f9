"""What a check of the course found: one sentence about one place."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """Something wrong with a lab, or worth knowing about it.

    Attributes:
        where: ``path:line`` relative to the course root, as exactly as the check knows it.
        check: the name of the check that found it, such as ``leak`` or ``standards``.
        sentence: what is wrong and how to put it right.
        note: worth knowing, but no reason to fail.
    """

    where: str
    check: str
    sentence: str
    note: bool = False

    def __str__(self) -> str:
        """Return one line, as a compiler would print it."""
        return f"{self.where}: {self.check}: {self.sentence}"
