"""Inbound mail of Meridian, a fictional bank, legitimate and phishing, made by a seeded generator.

Nobody's real mail is in it, every address and link lies below ``example.com``, ``.net`` or ``.org``
(RFC 2606), and no message asks for more than phishing is known to ask for.

**How a mail is made.** ``mail.yaml`` holds 26 *kinds* of mail (invoice, password, parcel, meeting ...). A
*campaign* is one mailing: a phishing wave, an issue of a newsletter, a thread. It draws a kind, its names
(person, company, project, city ...), one wording of each sentence, and a *manner*. Its mails then differ in
the recipient, amounts, dates, a left-out sentence and typing errors: they are near-duplicates, a few of
them copies. A *singleton* is a campaign of one.

**Why it is not easy.** Both sides draw the same kinds, subjects, openings and details; what gives a mail
away are the sentences of one side, and the manner says how many there are:

- *plain*: several sentences of its own side, now and then one of the other;
- *loud* phishing: every trick at once;
- *borderline* phishing: one phishing sentence among several legitimate ones, or in a fake thread;
- *borderline* legitimate: a clumsy one that presses and links, or one that reports phishing and quotes it.

Labels say how a mail was made; none is flipped.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from aisecops.course import CourseError
from aisecops.targets.dice import Dice, fill

if TYPE_CHECKING:
    import pandas as pd

_FILE = Path(__file__).with_name("mail.yaml")
_FIRST_DAY = datetime(2025, 1, 1)
_DAYS = 541  # on which a campaign may start; it lasts up to six days, so the last mails leave in June 2026
_PHISHING = 0.38  # share of the mails
# Shares of the campaigns, legitimate and phishing.
_SINGLETON = {False: 0.65, True: 0.5}
_BORDERLINE = {False: 0.18, True: 0.16}
_LOUD = 0.15
_STRAY = 0.2  # of the plain ones, with a sentence of the other side
# Most mails in a campaign. Borderline ones stay small (a careful attacker sends few), which also keeps
# one lucky or unlucky campaign from deciding the accuracy of a split.
_LARGEST, _LARGEST_BORDERLINE = 6, 3

# By voice: the tones (banks of sentences) that suit it.
_PRESSING = {
    "colleague": ("hurry", "act", "hush", "alarm"),
    "outsider": ("hurry", "act", "alarm"),
    "customer": ("plea",),
}
_EASY = {"colleague": ("context", "ease", "chat"), "outsider": ("courtesy",), "customer": ("patience",)}


def make_corpus(n: int = 4800, seed: int = 2026) -> "pd.DataFrame":
    """Return ``n`` mails in the order they were sent, about 38 % of them phishing.

    The same seed gives the same mails on every machine and every version of Python.

    Args:
        n: how many mails, at least 1.
        seed: which corpus.

    Returns:
        One row a mail with ``id`` (``m00001`` ...), ``sent`` (2025-01 to 2026-06), ``sender``, ``subject``,
        ``body``, ``text`` (subject, empty line, body: what the filter sees), ``campaign`` (shared by
        near-duplicates; singletons have their own) and ``phish`` (0 or 1).

    Raises:
        CourseError: ``n`` is less than 1.
    """
    import pandas as pd

    if n < 1:
        raise CourseError(f"make_corpus(n={n}): a corpus has at least one mail; give n of 1 or more")
    dice = Dice(seed)
    mails: list[dict[str, Any]] = []
    campaigns = phishing = 0
    while len(mails) < n:
        campaigns += 1
        phish = phishing < _PHISHING * len(mails)
        campaign = _Campaign(dice, phish)
        size = min(campaign.size, n - len(mails))
        for _ in range(size):
            mails.append({**campaign.mail(), "campaign": f"c{campaigns:04}", "phish": int(phish)})
        phishing += size * phish
    frame = pd.DataFrame(mails).sort_values(["sent", "campaign"], kind="stable", ignore_index=True)
    frame["text"] = frame.subject + "\n\n" + frame.body
    frame["id"] = [f"m{position:05}" for position in range(1, n + 1)]
    return frame[["id", "sent", "sender", "subject", "body", "text", "campaign", "phish"]]


def common_words() -> list[str]:
    """Return some 200 everyday business words, alphabetical, lower case, each once.

    What an attacker would think of who knows office life and nothing of the filter.
    """
    return sorted(_COMMON.split())


@dataclass(frozen=True)
class _Kind:
    """One kind of mail; see ``mail.yaml``."""

    voice: str
    subject: list[str]
    open: list[str]
    detail: list[str]
    legit: list[str]
    phish: list[str]


@dataclass(frozen=True)
class _Phrases:
    """``mail.yaml``, read: every text a list of alternatives."""

    slots: dict[str, list[str]]
    greetings: dict[str, list[str]]
    closings: list[str]
    signatures: dict[str, list[str]]
    footers: list[str]
    quoting: dict[str, list[str]]
    anywhere: dict[str, list[str]]
    kinds: dict[bool, list[_Kind]]  # by side, each kind as often as its weight says


@lru_cache(maxsize=1)
def _phrases() -> _Phrases:
    raw = yaml.load(_FILE.read_text(encoding="utf-8"), Loader=yaml.CBaseLoader)

    def lines(text: str) -> list[str]:
        return [line.replace("\\n", "\n") for line in text.splitlines()]

    def banks(mapping: Mapping[str, str]) -> dict[str, list[str]]:
        return {name: lines(text) for name, text in mapping.items()}

    kinds: dict[bool, list[_Kind]] = {False: [], True: []}
    for entry in raw["kinds"].values():
        legit, phish = entry.pop("weight").split()
        kind = _Kind(voice=entry.pop("voice"), **banks(entry))
        kinds[False] += [kind] * int(legit)
        kinds[True] += [kind] * int(phish)
    return _Phrases(
        # A slot is a list of lines, or one line of words.
        slots={name: lines(text) if "\n" in text else text.split() for name, text in raw["slots"].items()},
        greetings=banks(raw["greetings"]),
        closings=lines(raw["closings"]),
        signatures=banks(raw["signatures"]),
        footers=lines(raw["footers"]),
        quoting=banks(raw["quoting"]),
        anywhere=banks(raw["anywhere"]),
        kinds=kinds,
    )


class _Campaign:
    """One mailing: what its mails share is drawn here, what differs in ``mail``."""

    def __init__(self, dice: Dice, phish: bool) -> None:
        self._dice, self._phish, self._phrases = dice, phish, _phrases()
        self._borderline = dice.chance(_BORDERLINE[phish])
        largest = _LARGEST_BORDERLINE if self._borderline else _LARGEST
        self.size = 1 if dice.chance(_SINGLETON[phish]) else 2 + dice.below(largest - 1)
        self._kind = kind = dice.pick(self._phrases.kinds[phish])
        self._start = _FIRST_DAY + timedelta(days=dice.below(_DAYS))
        self._names = self._draw_names()
        self._sender = self._address()
        self._subject = dice.word(dice.pick(kind.subject))
        self._open = dice.word(dice.pick(kind.open))
        self._details = [dice.word(line) for line in dice.some(kind.detail, 1 + dice.below(3))]
        self._tells = self._draw_tells()
        side = "customer" if kind.voice == "customer" else "phish" if phish else "legit"
        self._greeting = dice.word(dice.pick(self._phrases.greetings[side]))
        self._close = dice.pick(self._phrases.closings)
        self._signature = dice.word(dice.pick(self._phrases.signatures[kind.voice]))
        self._footer = dice.word(dice.pick(self._phrases.footers)) if dice.chance(0.25) else ""

    def mail(self) -> dict[str, Any]:
        """Return one mail of the campaign: sent, sender, subject and body."""
        dice = self._dice
        sent = self._start + timedelta(days=dice.below(6), minutes=7 * 60 + dice.below(13 * 60))
        names = {**self._names, **self._draw_numbers(sent)}
        topic = " ".join([self._open, *(line for line in self._details if dice.chance(0.75))])
        end = f"{self._close}\n{self._signature}"
        paragraphs = [self._greeting, topic, " ".join(self._tells), end, self._footer]
        body = fill("\n\n".join(filter(None, paragraphs)), names)
        if dice.chance(0.2 if self._phish else 0.12):
            body = self._mistype(body)
        return {
            "sent": sent,
            "sender": self._sender,
            "subject": fill(self._subject, names),
            "body": body,
        }

    def _draw_tells(self) -> list[str]:
        """Return the sentences that speak for one side, as many as the manner of the campaign says."""
        dice, kind = self._dice, self._kind
        easy = self._from(_EASY[kind.voice])
        if not self._phish:
            clumsy = self._from(["clumsy"])
            if not self._borderline:
                lines = dice.some(kind.legit, 1 + dice.below(3)) + dice.some(easy, 1 + dice.below(2))
                lines += dice.some(clumsy, int(dice.chance(_STRAY)))
            else:
                lines = dice.some(kind.legit, 1 + dice.below(2)) + dice.some(easy, dice.below(2))
                if kind.voice == "outsider" or dice.chance(0.5):
                    lines += dice.some(clumsy, 1 + dice.below(2))
                else:
                    lines.append(self._quote("legit", dice.pick(kind.phish)))
        elif self._borderline:
            lines = dice.some(kind.legit, 2) + dice.some(easy, 1 + dice.below(2))
            if dice.chance(0.3):
                lines[0] = self._quote("phish", lines[0])
            lines.append(dice.pick(kind.phish))
        else:
            # At most two tones, so that a mail does not threaten, flatter and whisper at once.
            pressing = self._from(dice.some(_PRESSING[kind.voice], 2))
            loud = dice.chance(_LOUD)
            lines = dice.some(kind.phish, 3 if loud else 1 + dice.below(3))
            lines += dice.some(pressing, 4 if loud else 1 + dice.below(3))
            lines += dice.some(kind.legit + easy, int(dice.chance(_STRAY)))
        return [dice.word(line) for line in dice.some(lines, len(lines))]

    def _from(self, banks: Sequence[str]) -> list[str]:
        return [line for bank in banks for line in self._phrases.anywhere[bank]]

    def _quote(self, side: str, line: str) -> str:
        return self._dice.pick(self._phrases.quoting[side]).replace("{quote}", line)

    def _draw_names(self) -> dict[str, str]:
        dice, slots = self._dice, self._phrases.slots
        names = {slot: dice.pick(options) for slot, options in slots.items()}
        names["person"] = f"{names['first']} {names['last']}"
        names["colleague"] = f"{dice.pick(slots['first'])} {dice.pick(slots['last'])}"
        names["company"] = f"{names['head']}{names['tail']} {names['trade']}"
        names["month"] = slots["month"][(self._start.month - 1 + dice.below(3) - 1) % 12]
        names["extension"] = str(1000 + dice.below(9000))
        site = f"{names['head']}{names['tail']}".lower()
        if self._kind.voice != "outsider":
            site = "intranet.meridian"
        lure = f"{dice.pick(slots['lure'])}-{dice.pick(slots['lure'])}"
        if dice.chance(0.4):
            lure = f"{dice.pick(('meridian', site.split('.')[0]))}-{lure}"
        top = dice.pick(("com", "net", "org"))
        names["home"] = f"https://{site}.example.{top}"
        names["portal"] = names["anylink"] = f"{names['home']}/{names['path']}"
        names["link"] = f"https://{lure}.example.{top}/{dice.pick(slots['path'])}"
        return names

    def _draw_numbers(self, sent: datetime) -> dict[str, str]:
        dice = self._dice
        day = sent + timedelta(days=dice.below(21) - 6)
        cents = dice.pick(("", ".00", ".50", f".{10 + dice.below(90)}"))
        return {
            "first": dice.pick(self._phrases.slots["first"]),
            "amount": f"{40 + dice.below(1000) ** 2 // 50:,}{cents} euros",
            "number": str(10000 + dice.below(90000)),
            "date": f"{day.day} {self._phrases.slots['month'][day.month - 1]}",
            "day": str(day.day),
            "time": f"{7 + dice.below(12)}:{dice.pick(('00', '15', '30', '45'))}",
        }

    def _address(self) -> str:
        """Return the sender's address; phishing comes from a look-alike domain or a captured mailbox."""
        dice, names = self._dice, self._names
        local = f"{names['first']}.{names['last']}".lower()
        home = f"{names['head']}{names['tail']}".lower()
        domain = {"colleague": "meridian", "outsider": home, "customer": "post"}[self._kind.voice]
        if self._phish and dice.chance(0.7):
            domain = f"{domain}-{dice.pick(self._phrases.slots['lure'])}"
        return f"{local}@{domain}.example.com"

    def _mistype(self, text: str) -> str:
        """Swap two letters in the middle of up to three words."""
        spots = [match.start() for match in re.finditer(r"(?<= )[a-z]{5,}(?= )", text)]
        for spot in self._dice.some(spots, 1 + self._dice.below(3)):
            text = f"{text[: spot + 2]}{text[spot + 3]}{text[spot + 2]}{text[spot + 4 :]}"
        return text


_COMMON = """
    about afternoon again agenda agreed agreement already although always annual answer appointment around
    arrange article autumn back because before better board booked branch breakfast brief budget building
    business calendar call canteen chair change chapter choir client coffee colleagues comments committee
    company compare contract copy corridor council course deadline decision defects department desk
    details developer discount discussed discussion document draft early engineer estimate evening event
    everybody explain family feedback figures find finish floor folder forecast free friday friendly glad
    goals good group guest guide happy heating holiday hope hour house ideas information interest
    interview introduction job join kind kitchen language last later launch law learn leave letter library
    lift limit list long lunch manager march market meeting members merger milestone minutes monday month
    morning move news next noon note notes office older option park people picture pilot plan podcast
    point policy programme progress project quarter question quiet range rates reading reception recommend
    rehearsal report research risk room sale schedule second section seminar session settled shares short
    sketch slides small speak spring staff story summary summer table talk tariff team terms test testing
    thanks thursday ticket time together topics train training travel trip tuesday usual version visit
    volunteers wednesday week weekend welcome winter work workshop year
"""
