"""A store of documents, and retrievers that choose the few that a question is about.

A retriever is any callable that takes the user's text and returns documents, the best first. Two are ready:
:class:`Bm25` by words (Robertson & Zaragoza, *The Probabilistic Relevance Framework: BM25 and Beyond*, 2009;
in SQLite's FTS5), and :class:`Nearest` by embeddings.
"""

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

import numpy as np

from aisecops.course import CourseError
from aisecops.targets.assistant.calls import whole

if TYPE_CHECKING:
    from aisecops.targets.lm.model import LanguageModel

_WORD = re.compile(r"[^\W_]+")
_MOST_WORDS = 64  # of a question; the rest is ignored
# Words that say nothing about the subject of a question: grammar, politeness, and asking to write or send.
_COMMON = frozenset(
    _WORD.findall(
        """
        a about above afternoon again all am an and any are as at be bother by can could dear do does e
        email evening find for from give good grateful had has have hello help her hey hi him his how hurry
        i if in is it its know let like list long look mail many may me meri meridian message might more
        morning much must my name need no not now of ok on one only or our out please question quick request
        s say says send sentence should show small so sorry task tell text thank thanks that the their them
        then there these they thing this to up urgent us want was we well were what when where which who
        whom whose why will with word words would write you your
        """
    )
)


@dataclass(frozen=True)
class Document:
    """A document: ``id`` is its title and unique in a store, ``author`` who wrote it."""

    id: str
    text: str
    author: str = "Meridian"

    @property
    def source(self) -> str:
        """Return how the event log names it."""
        return f"document: {self.id}"


Retriever = Callable[[str], Sequence[Document]]


@dataclass(frozen=True)
class Hit:
    """A document that a search found.

    Attributes:
        document: the document.
        score: BM25, where a word of the title counts twice; higher is better.
        share: of the question's words that the document holds, 0 to 1: a rare word weighs more, and one that
            stands in a title twice as much.
    """

    document: Document
    score: float
    share: float


class Store:
    """Documents by id, with a full-text index over titles and texts. It lives in memory."""

    def __init__(self, documents: Iterable[Document] = ()) -> None:
        self._documents: dict[str, Document] = {}
        self._index = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._index.execute(
            "CREATE VIRTUAL TABLE document USING fts5 (id, text, tokenize = 'porter unicode61')"
        )
        self.add(*documents)

    def add(self, *documents: Document) -> None:
        """Add documents; one whose id is taken replaces the old one."""
        for document in documents:
            self.remove(document.id)
            self._documents[document.id] = document
            row = (whole(document.id), whole(document.text))
            self._index.execute("INSERT INTO document VALUES (?, ?)", row)

    def remove(self, id: str) -> None:
        """Remove the document with this id, if there is one."""
        if self._documents.pop(id, None):
            self._index.execute("DELETE FROM document WHERE id = ?", (whole(id),))

    def search(self, question: str, limit: int) -> list[Hit]:
        """Return the documents that share a word with a question, best first.

        Args:
            question: any text; punctuation and everyday words are ignored.
            limit: most documents.
        """
        words = [word for word in dict.fromkeys(_WORD.findall(question.lower())) if word not in _COMMON]
        weights: list[float] = []
        held: dict[str, float] = {}
        for word in words[:_MOST_WORDS]:
            match = "SELECT id, highlight(document, 0, '<', '>') <> id FROM document WHERE document MATCH ?"
            found = self._index.execute(match, (f'"{word}"',)).fetchall()
            rarity = log(1 + (len(self) + 1) / (len(found) + 0.5))
            weights.append(rarity * (2 if any(in_title for _, in_title in found) else 1))
            for id, _ in found:
                held[id] = held.get(id, 0.0) + weights[-1]
        if not held:
            return []
        rows = self._index.execute(
            "SELECT -bm25(document, 2.0, 1.0) AS score, id FROM document WHERE document MATCH ? "
            "ORDER BY score DESC, id LIMIT ?",
            (" OR ".join(f'"{word}"' for word in words[:_MOST_WORDS]), limit),
        )
        return [Hit(self[id], score, held[id] / sum(weights)) for score, id in rows]

    def __getitem__(self, id: str) -> Document:
        """Return the document with this id.

        Raises:
            CourseError: there is none.
        """
        if id not in self._documents:
            raise CourseError(f"the store has no document {id!r}; print [d.id for d in store] for all")
        return self._documents[id]

    def __iter__(self) -> Iterator[Document]:
        """Yield the documents in the order they were added."""
        return iter(self._documents.values())

    def __len__(self) -> int:
        """Return how many documents there are."""
        return len(self._documents)


@dataclass(frozen=True)
class Bm25:
    """Retrieves by shared words.

    Attributes:
        store: where to search.
        limit: most documents.
        share: of the question's words that a document must hold; see :class:`Hit`.
    """

    store: Store
    limit: int = 2
    share: float = 0.5

    def __call__(self, question: str) -> list[Document]:
        """Return the documents for a question, best first."""
        hits = self.store.search(question, self.limit)
        return [hit.document for hit in hits if hit.share >= self.share]


@dataclass(frozen=True)
class Nearest:
    """Retrieves by the cosine between embeddings, after their mean over the store is taken away.

    Attributes:
        store: where to search.
        embed: from a text to its embedding, (D,); see :func:`embedder`, or bring your own.
        limit: most documents.
        floor: least cosine.
    """

    store: Store
    embed: Callable[[str], "np.ndarray"]
    limit: int = 2
    floor: float = 0.0

    def __call__(self, question: str) -> list[Document]:
        """Return the documents for a question, best first."""
        documents = list(self.store)
        if not documents:
            return []
        rows = np.array([self.embed(f"{document.id}: {document.text}") for document in documents])
        mean = rows.mean(axis=0)
        rows, wanted = rows - mean, self.embed(question) - mean
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(wanted)
        cosines = rows @ wanted / np.maximum(lengths, 1e-12)
        best = np.argsort(-cosines, kind="stable")[: self.limit]
        return [documents[k] for k in best if cosines[k] >= self.floor]


def embedder(model: "LanguageModel") -> Callable[[str], "np.ndarray"]:
    """Return a function from a text to the mean of the model's states over it, (D,); results are kept."""
    known: dict[str, np.ndarray] = {}
    nothing = np.zeros(model.network.config.width, np.float32)

    def embed(text: str) -> np.ndarray:
        if text not in known:
            tokens = model.tokenizer.encode(whole(text))[: model.context]
            known[text] = model.embeddings(tokens).numpy().mean(axis=0) if tokens else nothing
        return known[text]

    return embed
