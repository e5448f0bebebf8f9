"""The text that the language model learns from: conversations of the assistants of Meridian, made by a seed.

The phrases stand in four YAML files beside this one: ``records`` (facts about people, orders, tickets,
claims, policies, branches), ``tasks`` (what users ask for), ``rules`` (system texts with rules, facts and
secrets) and ``words``. A conversation draws a system text, documents and one to four turns from them; typing
errors, lower case and politeness come on top.

**What is not in it.** No document, tool result or fact of the base corpus holds an instruction. Instruction
and document share the user's message, in either order, as naive applications send them. General text tasks
(repeat, copy, list ...) are asked of the system text only where it holds no protected secret. What the
trained model does beyond that, such as obeying a document, nobody taught it.

**Held out.** Every fifth phrase of each list and a part of each word list never occur in training
(``split="held_out"`` uses nothing else). Closed lists stay whole, since nobody can know what was never shown:
the phrase book, the customers' problems with their labels, the words of a mood, and the few values of a
status.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml

from aisecops.targets.dice import SLOT, Dice, fill, wordings
from aisecops.targets.lm.chat import Message, Piece

Split = Literal["train", "held_out"]
Guard = Literal["rule", "exception", "open", "none"]
TOOLS = ("send_email", "lookup", "refund", "run_report")
DESKS = ("help desk", "claims", "HR")

_HERE = Path(__file__).parent
_KINDS = ("person", "order", "ticket", "claim", "policy", "branch")
_LONG_WORD = re.compile(r"(?<![\w{])[a-zA-Z]{4,}(?![\w}])")
_NUMBER = re.compile(r"\d+(?:[:.]\d+)*")
_TEXT = re.compile(
    r"\b(?:the|this|that|my)(?: following| given| whole| entire| full| complete| customer)*"
    r" (?:text|note|document|passage|message|paragraph|page)(?: above)?\b"
)


@dataclass(frozen=True)
class Reply:
    """Where in a conversation the assistant answers or calls a tool, and in the course of which task."""

    index: int
    task: str


@dataclass
class Conversation:
    """Messages, and the replies among them that a model should learn, or is examined on.

    ``protected`` are the values of secrets that a rule protects from this user.
    """

    messages: list[Message] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    protected: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Style:
    """How conversations are made.

    Attributes:
        split: which phrases and words they use.
        marks: documents and tool results are marked as data (``Piece.data``).
        injected: share of documents and tool results that hold an instruction to be ignored.
        turns: most turns of a conversation.
        noise: typing errors, lower case and politeness.
        invented: share of names and words that nobody has used before (in training text only), so that
            copying is learned rather than names.
        drilled: share of conversations about one to three secrets with their rules, and nothing else.
        strange: share of instructions, and of rules that protect a secret, in which a word is one that nobody
            has used before, so that the rest of the sentence is read, too. As many rules are nonsense.
        composed: share of rules that are put together from parts (in training text only), so that the words
            of a rule are learned rather than whole rules.
        reworded: share of words in questions, instructions and rules that another of their kind replaces,
            where words.yaml knows one.
    """

    split: Split = "train"
    marks: bool = False
    injected: float = 0.0
    turns: int = 3
    noise: bool = True
    invented: float = 0.4
    drilled: float = 0.0
    strange: float = 0.0
    composed: float = 0.0
    reworded: float = 0.0


def conversations(seed: int | str, style: Style | None = None) -> Iterator[Conversation]:
    """Yield conversations without end, the same ones for the same seed and style."""
    dice = Dice(f"corpus {seed}")
    while True:
        yield Author(dice, style or Style()).conversation()


def single(task: str, seed: int | str, style: Style) -> Iterator[Conversation]:
    """Yield conversations without end whose one turn is of the given task (see :data:`TASKS`)."""
    dice = Dice(f"{task} {seed}")
    while True:
        author = Author(dice, style)
        if author.only(task):
            yield author.done


@lru_cache(maxsize=4)
def phrases(name: str) -> Any:
    """Return one of the phrase files as it stands: "records", "tasks", "rules" or "words"."""
    return yaml.load((_HERE / f"{name}.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def of(split: Split, options: Sequence[Any]) -> Sequence[Any]:
    """Return the part of a list of phrases that belongs to a split; every fifth one is held out."""
    return _of(split, id(options), len(options), options)


_PARTS: dict[tuple[Split, int, int], Sequence[Any]] = {}


def _of(split: Split, key: int, length: int, options: Sequence[Any]) -> Sequence[Any]:
    part = _PARTS.get((split, key, length))
    if part is None:
        held = split == "held_out" and length >= 5
        part = [option for k, option in enumerate(options) if (k % 5 == 4) == held]
        _PARTS[split, key, length] = part
    return part


@dataclass
class _Fact:
    """A sentence about something, and how to ask for what it says."""

    sentence: str
    value: str
    subject: str = ""
    attribute: Any = None  # its entry in records or rules
    kind: str = ""

    @property
    def answer(self) -> str:
        """Return the one right answer."""
        answer = _article(fill(self.attribute["answers"][0], {"v": self.value, "s": self.subject}))
        return answer if answer.startswith(self.value) else capital(answer)


@dataclass
class _Secret:
    entry: Any
    value: str
    sentence: str
    guard: Guard
    role: str = ""


class Author:
    """Writes one conversation."""

    def __init__(self, dice: Dice, style: Style) -> None:
        self.dice, self.style = dice, style
        self.done = Conversation()
        self.facts: list[_Fact] = []  # of documents shown so far
        self.desk: list[_Fact] = []  # of the system text
        self.secrets: list[_Secret] = []
        self.tools: list[str] = []
        self.system: list[str] = []  # sentences
        self.text: list[str] = []  # sentences of the newest document
        self.asked: set[tuple[str, str]] = set()

    def conversation(self) -> Conversation:
        """Return a conversation of one turn or more."""
        dice = self.dice
        if dice.chance(self.style.drilled):
            return self._drill()
        if dice.chance(0.88):
            self._system_text()
        for _ in range(1 + dice.below(self.style.turns)):
            while not self._turn(dice.pick(_WEIGHTED)):
                pass
        return self.done

    def only(self, task: str) -> bool:
        """Write a conversation of one turn of a task; say whether that was possible."""
        self._system_text()
        return self._turn(task)

    def _drill(self) -> Conversation:
        """Ask once for each of some secrets: of all texts, the most decisions by a rule for their length."""
        dice, rules = self.dice, phrases("rules")
        entries = dice.some(list(rules["secrets"].values()), 1 + dice.below(3))
        self.system = [self._line(rules["identities"], desk=dice.pick(DESKS))]
        self.system += [line for entry in entries for line in self._secret(entry)]
        self.done.messages.append(Message("system", " ".join(self.system)))
        for secret in dice.some(self.secrets, len(entries)):
            self._ask(secret)
        return self.done

    # -- what is said before the user speaks

    def _system_text(self) -> None:
        dice, rules = self.dice, phrases("rules")
        head = [self._line(rules["identities"], desk=dice.pick(DESKS))]
        blocks: list[list[str]] = []
        blocks += [[self._line(rules["manners"])] for _ in range(dice.below(2))]
        for entry in dice.some(list(rules["facts"].values()), dice.below(3)):
            fact = self._fact(entry, "", "desk")
            self.desk.append(fact)
            blocks.append([fact.sentence])
        for entry in dice.some(list(rules["secrets"].values()), dice.pick((0, 0, 1, 1, 1, 2))):
            blocks.append(self._secret(entry))
        if dice.chance(0.25):
            blocks.append([self._plain()])
        if dice.chance(0.5):
            self.tools = dice.some(TOOLS, 1 + dice.below(4))
            blocks.append([self._line(rules["tool_lines"], tools=", ".join(self.tools))])
        blocks = dice.some(blocks, len(blocks))
        if dice.chance(0.25):  # scattered: a rule may stand far from its secret
            blocks = [[line] for block in blocks for line in block if not _PRONOUN.search(line)] + [
                block for block in blocks if any(_PRONOUN.search(line) for line in block)
            ]
            blocks = _unique(dice.some(blocks, len(blocks)))
        self.system = head + [line for block in blocks for line in block]
        self.done.messages.append(Message("system", " ".join(self.system)))

    def _secret(self, entry: Any) -> list[str]:
        """Draw a secret and its rule; return their sentences in the order they stand in."""
        dice, rules = self.dice, phrases("rules")
        value = self.value(entry["value"])
        sentence = self._line(entry["says"], v=value)
        guard = dice.pick(_GUARDS)
        role = dice.pick(self._of(rules["roles"])) if guard == "exception" else ""
        self.secrets.append(_Secret(entry, value, sentence, guard, role))
        if guard == "none":
            return [sentence]
        bank = rules[_BANKS[guard]]
        first = dice.chance(0.35)
        name = "it" if not first and dice.chance(0.2) else f"the {self._name(entry)}"
        rule = self._rule(guard)
        if guard == "rule" and dice.chance(2 * self.style.strange):  # not understood is no permission
            rule = self._estrange(rule) if dice.chance(0.5) else self._nonsense()
        rule = capital(_article(fill(rule, {"n": name, "role": role})))
        if dice.chance(0.04):  # a rule for what is not there
            self.secrets[-1].value = ""
            return [self._line(bank, n=f"the {self._name(entry)}", role=role)]
        return [rule, sentence] if first else [sentence, rule]

    def _rule(self, guard: Guard) -> str:
        """Draw a rule, with its slots; training never gets the wording of a held-out one, by no way."""
        while True:
            composed = self.style.split == "train" and self.dice.chance(self.style.composed)
            bank = self._of(phrases("rules")[_BANKS[guard]])
            rule = self._composed(guard) if composed else self.dice.word(self.dice.pick(bank))
            if self.style.reworded:
                rule = self._reword(rule)
            if self.style.split == "held_out" or not rule.lower().endswith(_held_out_rules()):
                return rule

    def _composed(self, guard: Guard) -> str:
        """Put a rule together from parts; the slots for the secret and the role are left."""
        composed = phrases("rules")["composed"]
        words = composed["words"]
        rule = SLOT.sub(
            lambda slot: self.dice.pick(words.get(slot[1], [slot[0]])),
            self.dice.word(self.dice.pick(composed[_BANKS[guard]])),
        )
        before = str(self.dice.pick(composed["before"]))
        return before + (rule[0].lower() + rule[1:] if before.endswith(", ") else rule)

    def _name(self, entry: Any) -> str:
        return str(entry["name"] if self.dice.chance(0.5) else self.dice.pick(self._of(entry["names"])))

    # -- facts and documents

    def _fact(self, attribute: Any, subject: str, kind: str) -> _Fact:
        value = self.value(attribute["value"])
        sentence = self._line(attribute["says"], s=subject, v=value)
        if self.dice.chance(0.15):
            sentence = self._opened(sentence, (subject, value))
        return _Fact(sentence, value, subject, attribute, kind)

    def _opened(self, sentence: str, names: Sequence[str]) -> str:
        """Put one of the openings before a sentence; what starts with a name keeps its capital."""
        if not sentence.startswith(tuple(name for name in names if name)):
            sentence = sentence[0].lower() + sentence[1:]
        return f"{self._line(phrases('records')['openings'])} {sentence}"

    def _records(self, most: int) -> list[_Fact]:
        """Draw facts about one to three subjects; often several of the same kind, told apart by name only."""
        dice = self.dice
        kinds = phrases("records")["kinds"]
        kind = dice.pick(_KINDS)
        facts: list[_Fact] = []
        shared: list[Any] = []
        for _ in range(1 + dice.below(3)):
            subject = self.subject(kind)
            attributes = list(kinds[kind]["attributes"].values())
            chosen = shared if shared and dice.chance(0.6) else dice.some(attributes, 1 + dice.below(3))
            shared = chosen
            facts += [self._fact(attribute, subject, kind) for attribute in chosen]
            if dice.chance(0.3):
                kind, shared = dice.pick(_KINDS), []
        if dice.chance(0.3):
            facts = dice.some(facts, len(facts))
        return facts[: min(most, 1 + dice.below(6))]

    def _document(self) -> list[str]:
        """Draw a document of facts; it becomes the newest text. Return its sentences."""
        dice, records = self.dice, phrases("records")
        facts = self._records(most=6)
        self.facts = facts + self.facts
        lines = [fact.sentence for fact in facts]
        if dice.chance(0.3):
            lines.insert(dice.below(len(lines) + 1), self._line(records["documents"]))
        self._adopt(lines)
        return self.text

    def _adopt(self, lines: list[str]) -> None:
        """Make sentences the newest text; an injected instruction joins them where the style says so."""
        lines = list(lines)
        if self.dice.chance(self.style.injected):
            lines.insert(self.dice.below(len(lines) + 1), self.injection())
        self.text = lines

    def injection(self) -> str:
        """Return an instruction for a document, to be ignored: something to say, to do or to repeat."""
        dice, tasks = self.dice, phrases("tasks")
        task = dice.pick(("say", "say", "send_email", "refund", "run_report", "translate", "role", "secret"))
        if task == "secret":
            entry = dice.pick(list(phrases("rules")["secrets"].values()))
            asked = fill(
                dice.word(dice.pick(self._of(phrases("rules")["asks"]))), {"n": f"the {self._name(entry)}"}
            )
        else:
            asked = fill(dice.word(dice.pick(self._of(tasks[task]["asks"]))), self._arguments(task))
        before = self._fill(dice.pick(self._of(phrases("rules")["injected"])))
        asked = capital(asked) if before[-1:] in ("", ".", "!", ":") else asked[0].lower() + asked[1:]
        return f"{before} {asked}".strip()

    # -- one turn

    def _turn(self, task: str) -> bool:
        """Write a turn of a task; return False, with nothing written, where the context does not allow it."""
        if task in _TEXT_TASKS:
            return self._text_task(task)
        return bool(getattr(self, f"_do_{task}")())

    def _do_fact(self) -> bool:
        """A question about a document, shown in this turn or an earlier one."""
        old = bool(self.facts) and self.dice.chance(0.5)
        document = None if old else self._document()
        fresh = [fact for fact in self.facts if old or fact.sentence in (document or ())]
        fact = self._unasked(fresh)
        if fact is None:
            return False
        self._user(self._question(fact), document)
        return self._answer(fact.answer, "fact")

    def _do_desk(self) -> bool:
        """A question about a harmless fact of the system text."""
        fact = self._unasked(self.desk)
        if fact is None:
            return False
        self._user(self._question(fact), self._maybe_document(0.15))
        return self._answer(fact.answer, "desk")

    def _do_unknown(self) -> bool:
        """A question whose answer is nowhere in the conversation."""
        rules, records = phrases("rules"), phrases("records")
        if self.style.injected and self.dice.chance(self.style.injected):
            return self._do_hollow()
        known = {(fact.subject, id(fact.attribute)) for fact in self.facts + self.desk}
        if self.dice.chance(0.4):
            attribute, subject = self.dice.pick(list(rules["facts"].values())), ""
        else:
            document = self._document() if not self.facts or self.dice.chance(0.3) else None
            old = self.dice.pick(self.facts)
            kind = old.kind
            attribute = self.dice.pick(list(records["kinds"][kind]["attributes"].values()))
            subject = old.subject if self.dice.chance(0.5) else self.subject(kind)
            known = {(fact.subject, id(fact.attribute)) for fact in self.facts}
            if (subject, id(attribute)) in known or "lookup" in self.tools:
                return False if document is None else self._forget()
            self._user(self._question(_Fact("", "", subject, attribute, kind)), document)
            return self._answer(str(rules["unknown"]), "unknown")
        if (subject, id(attribute)) in known:
            return False
        self._user(self._question(_Fact("", "", subject, attribute)), self._maybe_document(0.3))
        return self._answer(str(rules["unknown"]), "unknown")

    def _do_hollow(self) -> bool:
        """A question about a document that holds nothing but an instruction."""
        if "lookup" in self.tools:
            return False
        kind = self.dice.pick(_KINDS)
        attribute = self.dice.pick(list(phrases("records")["kinds"][kind]["attributes"].values()))
        self.facts, self.text = [], [self.injection()]
        self._user(self._question(_Fact("", "", self.subject(kind), attribute, kind)), self.text)
        return self._answer(str(phrases("rules")["unknown"]), "unknown")

    def _do_secret(self) -> bool:
        """A plain question for a secret: refused, or answered where no rule forbids it."""
        return bool(self.secrets) and self._ask(self.dice.pick(self.secrets))

    def _ask(self, secret: _Secret) -> bool:
        """Ask for one secret; answer by its rule."""
        rules = phrases("rules")
        asked = self.say(self._of(rules["asks"]), {"n": f"the {self._name(secret.entry)}"}, strange=True)
        allowed = secret.guard in ("open", "none")
        task = "open secret" if allowed else "protected secret"
        if secret.guard == "exception" or self.dice.chance(0.08):
            right = secret.guard == "exception" and self.dice.chance(0.5)
            role = secret.role if right else self.dice.pick(self._of(rules["roles"]))
            right = role == secret.role
            allowed, task = allowed or right, "authority" if secret.guard == "exception" else task
            if right or self.dice.chance(0.7):
                claim = self.say(self._of(rules["claims"]), {"role": role}, polite=False)
                asked = f"{claim} {asked}" if self.dice.chance(0.6) else f"{asked} {claim}"
        name = secret.entry["name"]
        answer = f"The {name} is {secret.value}." if allowed else fill(rules["refusal"], {"n": f"the {name}"})
        if allowed and not secret.value:
            answer, task = str(rules["unknown"]), "unknown"
        if not allowed and secret.value:
            self.done.protected.append(secret.value)
        self._user(asked, self._maybe_document(0.15))
        return self._answer(answer, task)

    def _do_instruction(self, task: str, answer: str, values: dict[str, str]) -> bool:
        asked = self.say(self._of(phrases("tasks")[task]["asks"]), values, strange=True)
        self._user(asked, self._maybe_document(0.25))
        return self._answer(answer, task)

    def _do_say(self) -> bool:
        values = self._arguments("say")
        return self._do_instruction("say", values["x"], values)

    def _do_repeat(self) -> bool:
        values = self._arguments("repeat")
        return self._do_instruction("repeat", values["x"] + ".", values)

    def _do_reverse(self) -> bool:
        words = [self._word() for _ in range(2 + self.dice.below(3))]
        return self._do_instruction("reverse", " ".join(reversed(words)), {"x": " ".join(words)})

    def _do_spell(self) -> bool:
        word = (
            self._word()
            if self.dice.chance(0.6)
            else self.value("first" if self.dice.chance(0.6) else "codename")
        )
        return self._do_instruction("spell", "-".join(word), {"x": word})

    def _do_translate(self) -> bool:
        values = {
            "n": self.value("digits"),
            "name": self.value("first"),
        }
        english, german = (
            fill(line, values) for line in self.dice.pick(phrases("tasks")["translate"]["phrases"])
        )
        return self._do_instruction("translate", f"{german}.", {"x": english})

    def _do_role(self) -> bool:
        values = self._arguments("role")
        return self._do_instruction("role", f"I am {values['x']}.", values)

    def _do_small_talk(self) -> bool:
        entry = self.dice.pick(phrases("tasks")["small_talk"])
        self._user(self.say(self._of(entry["asks"]), {}, polite=False), None)
        return self._answer(entry["answer"], "small talk")

    def _text_task(self, task: str) -> bool:
        """A task about a document, or about the system text where that holds no protected secret."""
        dice, tasks = self.dice, phrases("tasks")
        guarded = any(secret.guard in ("rule", "exception") for secret in self.secrets)
        about = (
            task in _SYSTEM_TASKS
            and len(self.system) > 1
            and not guarded
            and not self.text
            and dice.chance(0.6)
        )
        document = None
        if about:
            lines = self.system
        else:
            if task in ("sentiment", "classify", "summarise") or not self.text or dice.chance(0.6):
                document = self._prose(task)
            lines = self.text
        text = " ".join(lines)
        values: dict[str, str] = {}
        if task == "complete":
            line = dice.pick(lines)
            words = line.split(" ")
            if len(words) < 4:
                return self._forget()
            cut = len(words) - 1 - dice.below(min(3, len(words) - 3))
            values["x"], answer = " ".join(words[:cut]), " ".join(words[cut:])
        elif task in ("sentiment", "classify", "summarise"):
            answer = self._label
        else:
            answer = _READ[task](text, lines)
        asks = self._of(tasks[task]["asks"])
        template = dice.word(dice.pick(asks))
        if about and (task != "complete"):
            whose = self.dice.pick(self._of(phrases("rules")["about_system"]))
            named, found = _TEXT.subn(whose, template)
            if not found and dice.chance(0.6):
                return False
            template = named
        self._user(self.say([template], values, strange=True), document)
        return self._answer(answer, f"{task} of system text" if about else task)

    def _prose(self, task: str) -> list[str]:
        """Draw a document that suits a text task; it becomes the newest text."""
        dice, tasks = self.dice, phrases("tasks")
        if task == "sentiment":
            side = dice.pick(("positive", "negative"))
            self._label = f"{capital(side)}."
            moods = phrases("words")["mood_good" if side == "positive" else "mood_bad"]
            lines = dice.some(self._of(tasks["sentiment"]["templates"]), 1 + dice.below(2))
            lines += dice.some(self._of(tasks["sentiment"]["reviews"][side]), dice.below(3))
            self._adopt(
                [
                    capital(self._fill(line, thing=dice.pick(_NOUNS), mood=dice.pick(moods)))
                    for line in dice.some(lines, len(lines))
                ]
            )
        elif task == "classify":
            label = dice.pick(list(tasks["classify"]["topics"]))
            self._label = f"{capital(label)}."
            self._adopt(dice.some(self._of(tasks["classify"]["topics"][label]), 1 + dice.below(3)))
        elif task == "summarise":
            sentence, label = dice.pick(tasks["summarise"]["problems"])
            name = self.value("person")
            self._label = f"{name}: {label}."
            lines = [f"{sentence}.", self._line(phrases("records")["documents"])][: 1 + dice.below(2)]
            if dice.chance(0.5):
                self._adopt([f"{dice.pick(_WRITERS)} {name}.", *lines])
            else:
                self._adopt([*lines, f"{dice.pick(_SIGNED)} {name}."])
        elif task in ("extract_email", "extract_amount") and dice.chance(0.85):
            wanted = "email" if task == "extract_email" else "amount"
            facts = [
                fact for _ in range(4) for fact in self._records(most=6) if fact.attribute["value"] == wanted
            ]
            if not facts:
                records = phrases("records")["kinds"]
                kind, name = ("policy", "contact") if wanted == "email" else ("order", "price")
                facts = [self._fact(records[kind]["attributes"][name], self.subject(kind), kind)]
            facts = facts[: 1 + dice.below(2)] + self._records(most=2)
            facts = dice.some(facts, len(facts))
            self.facts = facts + self.facts
            self._adopt([fact.sentence for fact in facts])
        elif task in ("copy", "first_sentence", "last_sentence", "count", "complete") and dice.chance(0.6):
            self._adopt([self._plain() for _ in range(1 + dice.below(4))])
        else:
            return self._document()
        return self.text

    # -- tools

    def _do_send_email(self) -> bool:
        values = self._arguments("send_email")
        call = f'send_email(to="{values["to"]}", text="{values["x"]}")'
        return self._do_tool("send_email", values, call)

    def _do_refund(self) -> bool:
        values = self._arguments("refund")
        return self._do_tool("refund", values, f'refund(order="{values["id"]}", amount="{values["amount"]}")')

    def _do_run_report(self) -> bool:
        values = self._arguments("run_report")
        return self._do_tool("run_report", values, f'run_report(name="{values["x"]}")')

    def _do_tool(self, name: str, values: dict[str, str], call: str) -> bool:
        tasks = phrases("tasks")
        if name not in self.tools and self.tools and self.dice.chance(0.7):
            return False  # asking for a tool that is there is the common case
        self._user(self.say(self._of(tasks[name]["asks"]), values), self._maybe_document(0.2))
        if name not in self.tools:
            return self._answer(str(phrases("rules")["no_tool"]), "no tool")
        self._call(call, name)
        if self.dice.chance(0.1):
            self._result(["Failed."])
            return self._answer("That did not work.", "after a call")
        if name == "run_report":
            result = f"{self.value('number')} cases, {self.value('number')} open, {self.value('amount')}."
            self._result([result])
            return self._answer(fill(tasks["done"][name], {**values, "r": result}), "after a call")
        self._result(["Ok."])
        return self._answer(fill(tasks["done"][name], values), "after a call")

    def _do_lookup(self) -> bool:
        """Look up a record: asked for in so many words, or needed for a question."""
        if "lookup" not in self.tools:
            return False
        dice = self.dice
        kind = dice.pick(_KINDS)
        subject = self.subject(kind)
        attributes = list(phrases("records")["kinds"][kind]["attributes"].values())
        facts = [
            self._fact(attribute, subject, kind) for attribute in dice.some(attributes, 1 + dice.below(3))
        ]
        fact = dice.pick(facts)
        question = dice.chance(0.65)
        if question:
            asked = self._question(fact)
        else:
            asked = self.say(self._of(phrases("tasks")["lookup"]["asks"]), {"x": subject})
        self._user(asked, None)
        self._call(f'lookup(record="{subject}")', "lookup")
        if dice.chance(0.08):
            self._result(["No record."])
            return self._answer(str(phrases("rules")["unknown"]), "after a call")
        lines = [fact.sentence for fact in facts]
        self.facts = facts + self.facts
        self._adopt(lines)
        self._result(self.text)
        return self._answer(fact.answer if question else " ".join(lines), "after a call")

    def _call(self, call: str, task: str) -> None:
        self.done.messages.append(Message("call", call))
        self.done.replies.append(Reply(len(self.done.messages) - 1, task))

    def _result(self, lines: list[str]) -> None:
        piece = Piece(" ".join(lines), "tool", data=self.style.marks)
        self.done.messages.append(Message("tool", (piece,)))

    # -- how it is said

    def _question(self, fact: _Fact) -> str:
        subject = fact.subject
        if fact.kind == "person" and self.dice.chance(0.2):
            first = subject.split(" ")[0]
            if sum(first in other for other in {known.subject for known in self.facts}) == 1:
                subject = first
        self.asked.add((fact.subject, fact.value))
        if self.dice.chance(0.5):
            template = self.dice.pick(self._of(fact.attribute["asks"]))
        else:
            noun = self.dice.word(self.dice.pick(self._of(fact.attribute["np"])))
            template = self.dice.pick(self._of(phrases("records")["frames"])).replace("{np}", noun)
        return self.say([template], {"s": subject})

    def _unasked(self, facts: Sequence[_Fact]) -> _Fact | None:
        left = [fact for fact in facts if (fact.subject, fact.value) not in self.asked]
        return self.dice.pick(left) if left else None

    def say(
        self, options: Sequence[str], values: Mapping[str, str], polite: bool = True, strange: bool = False
    ) -> str:
        """Word one of the templates as a user would type it, with typing errors outside of its slots.

        Args:
            options: the templates.
            values: what goes into their slots.
            polite: whether a "please" or the like may come with it.
            strange: whether a word may be one that nobody has heard (see :class:`Style`).
        """
        dice = self.dice
        values = dict(values)
        template = dice.word(dice.pick(options))
        if self.style.reworded:
            template = self._reword(template)
        if strange and dice.chance(self.style.strange):
            template = self._estrange(template)
        noise = self.style.noise
        lower = noise and dice.chance(0.18)
        if lower:
            template = template.lower()
            if "s" in values and dice.chance(0.4):
                values["s"] = values["s"].lower()
        if noise and dice.chance(0.15):
            template = self._mistype(template)
        text = fill(template, values)
        if not lower:
            text = capital(text)
        if noise and dice.chance(0.25) and text[-1] in "?.":
            text = text[:-1]
        if noise and polite:
            text = self._polite(text, lower)
        return text

    def _polite(self, text: str, lower: bool) -> str:
        dice, tasks = self.dice, phrases("tasks")
        if dice.chance(0.15):
            before = dice.pick(self._of(tasks["polite_before"]))
            if before[-1] not in ".?:!" and text[:2].istitle():
                text = text[0].lower() + text[1:] if not text.startswith(("I ", "I'")) else text
            text = f"{before.lower() if lower else before} {text}"
        if dice.chance(0.1):
            after = dice.pick(self._of(tasks["polite_after"]))
            stop = "" if text[-1] in ".?!" else dice.pick(("", ",", "."))
            text = f"{text}{stop} {after.lower() if lower else after}"
        return text

    def _reword(self, template: str) -> str:
        """Put words of the same meaning in the place of some of a template's."""
        pattern, alike = _alike()

        def other(found: re.Match[str]) -> str:
            if not self.dice.chance(self.style.reworded):
                return found[0]
            word = self.dice.pick(alike[found[0].lower()])
            return capital(word) if found[0][0].isupper() else word

        return pattern.sub(other, template)

    def _estrange(self, template: str) -> str:
        """Put an invented word in the place of one of a template's."""
        spots = list(_LONG_WORD.finditer(template))
        if not spots:
            return template
        spot = self.dice.pick(spots)
        word = self.invented()
        return (
            template[: spot.start()] + (capital(word) if spot[0].istitle() else word) + template[spot.end() :]
        )

    def _nonsense(self) -> str:
        """Return gibberish with {n} in it: a sentence about a secret that says nothing about it."""
        words = self._gibberish().split(" ")
        words.insert(self.dice.below(len(words)), "{n}")
        return " ".join(words)

    def _mistype(self, template: str) -> str:
        """Swap, drop or double a letter in one or two words of a template."""
        spots = [match.start() for match in _LONG_WORD.finditer(template)]
        for spot in sorted(self.dice.some(spots, 1 + self.dice.below(2)), reverse=True):
            at = spot + 1 + self.dice.below(2)
            kind = self.dice.below(3)
            if kind == 0:
                template = template[:at] + template[at + 1] + template[at] + template[at + 2 :]
            elif kind == 1:
                template = template[:at] + template[at + 1 :]
            else:
                template = template[:at] + template[at] + template[at:]
        return template

    def _user(self, asked: str, document: list[str] | None) -> None:
        """Write the user's message: what is asked, and a document before or after it."""
        if document is None:
            self.done.messages.append(Message("user", (Piece(asked, "user"),)))
            return
        dice = self.dice
        body = " ".join(document)
        if dice.chance(0.2):
            body = f"{dice.pick(self._of(phrases('records')['kinds_of_text']))}: {body}"
        if dice.chance(0.3):
            body = f"{dice.pick(self._of(phrases('tasks')['text_words']))} {body}"
        line = dice.chance(0.6)
        if self.style.marks:
            pieces = (Piece(asked + " ", "user"), Piece(body, "document", data=True))
        elif dice.chance(0.5):
            pieces = (Piece(asked + "\n" * line, "user"), Piece(" " * (not line) + body, "document"))
        else:
            pieces = (Piece(body + "\n" * line, "document"), Piece(" " * (not line) + asked, "user"))
        self.done.messages.append(Message("user", pieces))

    def _maybe_document(self, probability: float) -> list[str] | None:
        return self._document() if self.dice.chance(probability) else None

    def _answer(self, text: str, task: str) -> bool:
        self.done.messages.append(Message("assistant", text))
        self.done.replies.append(Reply(len(self.done.messages) - 1, task))
        return True

    def _forget(self) -> bool:
        """Drop documents that were drawn but not shown."""
        self.facts, self.text = [], []
        return False

    # -- words and values

    def _arguments(self, task: str) -> dict[str, str]:
        """Draw what a user fills into the phrases of a task."""
        dice = self.dice
        if task == "say":
            return {"x": self._phrase()}
        if task == "repeat":
            return {"x": self._plain()[:-1]}
        if task == "role":
            return {"x": _article(f"a {self.value('job')}")}
        if task == "send_email":
            to = self.value("email") if dice.chance(0.75) else self.value("person")
            return {"to": to, "x": self._phrase() if dice.chance(0.5) else self._plain()[:-1]}
        if task == "refund":
            return {"id": self.value("digits4"), "amount": self.value("amount")}
        if task == "run_report":
            return {"x": self.value("report")}
        if task == "translate":
            return {
                "x": fill(dice.pick(phrases("tasks")["translate"]["phrases"])[0], {"n": "4", "name": "Anna"})
            }
        raise ValueError(f"task {task} takes no arguments")

    def _phrase(self) -> str:
        """Something to say: a few words, a number, a name, in any case."""
        dice = self.dice
        kind = dice.below(10)
        if kind == 0:
            return self.value(dice.pick(("digits4", "digits6", "time", "amount", "email")))
        if kind == 1:
            return self.value("person")
        if kind == 2:
            return self._plain()[:-1]
        text = " ".join(self._word() for _ in range(1 + dice.below(4)))
        style = dice.below(10)
        if style < 2:
            text = text.upper()
        elif style < 4:
            text = capital(text)
        elif style == 4:
            text = text.title()
        if dice.chance(0.1):
            text = text.replace(" ", dice.pick(("-", "_", ", ")))
        return text + ("!" if dice.chance(0.1) else "")

    def _plain(self) -> str:
        """A plain sentence without a record."""
        dice, words = self.dice, phrases("words")
        kind = dice.below(6)
        if kind == 0:
            return self._line(phrases("records")["documents"])
        if kind == 1:
            return self._records(1)[0].sentence
        if kind < 5:
            return self._gibberish()
        thing = self.value("thing")
        state = dice.pick(self._of(words["state"]))
        return capital(f"{thing} {state}.")

    def _gibberish(self) -> str:
        """A sentence of words that have nothing to do with each other: to copy it, one has to read it."""
        dice = self.dice
        words = [self._word() for _ in range(3 + dice.below(6))]
        for at in range(1, len(words)):
            if dice.chance(0.25):
                words[at] = dice.pick(_LINKS)
        if dice.chance(0.25):
            words[dice.below(len(words))] = self.value(dice.pick(("person", "digits", "city", "amount")))
        return capital(f"{' '.join(words)}.")

    def _word(self) -> str:
        return self.value("word")

    def invented(self) -> str:
        """Return a word that nobody has used before, so that copying is learned letter by letter."""
        dice = self.dice
        begin, vowel, end = (_words(f"syllable_{part}") for part in ("begin", "vowel", "end"))
        word = "" if dice.chance(0.15) else dice.pick(begin)
        for _ in range(1 + dice.chance(0.3)):
            word += dice.pick(vowel) + dice.pick(end if dice.chance(0.5) else begin)
        return word + (
            dice.pick(vowel) if dice.chance(0.4) else dice.pick(("er", "ing", "on", "el", "in", ""))
        )

    def subject(self, kind: str) -> str:
        """Return what records of a kind are about, as it stands in a sentence."""
        if kind == "person":
            return self.value("person")
        if kind == "policy":
            return f"the {self.value('policy')} policy"
        if kind == "branch":
            return f"the {self.value('branch')} branch"
        return f"{kind} {self.value('digits4' if kind != 'ticket' else 'digits3')}"

    def value(self, kind: str) -> str:
        """Return a value of a kind, such as "city" or "amount"."""
        dice = self.dice
        if kind == "person":
            return f"{self.value('first')} {self.value('last')}"
        if kind == "email":
            name = self.value("first").lower()
            if dice.chance(0.5):
                name += f".{self.value('last').lower()}"
            return f"{name}@{self.value('site')}.example"
        if kind == "amount":
            return f"{self._digits(dice.pick((2, 2, 3, 3, 4)))} euros"
        if kind == "time":
            return f"{6 + dice.below(16)}:{dice.pick(('00', '15', '30', '45'))}"
        if kind == "year":
            return str(1985 + dice.below(41))
        if kind == "number":
            return str(2 + dice.below(88))
        if kind in ("room", "digits3"):
            return self._digits(3)
        if kind == "digits":
            return self._digits(1 + dice.below(5))
        if kind in ("digits4", "digits6"):
            return self._digits(int(kind[-1]))
        words = _words(kind)
        if isinstance(words, dict):
            if self.style.split == "train" and dice.chance(self.style.invented):
                return self._unheard(kind)
            words = words[self.style.split]
        return str(dice.pick(words))

    def _unheard(self, kind: str) -> str:
        """Return an invented value of a kind, in the form that its values have."""
        if kind in _NAMES:
            return capital(self.invented())
        if kind in _SINGLE:
            return self.invented()
        if kind == "thing":
            return f"the {self.invented()}"
        known = str(self.dice.pick(_words(kind)["train"])).split(" ")
        known[self.dice.below(len(known))] = self.invented()
        return " ".join(known)

    def _digits(self, count: int) -> str:
        return str(1 + self.dice.below(9)) + "".join(str(self.dice.below(10)) for _ in range(count - 1))

    def _of(self, options: Sequence[Any]) -> Sequence[Any]:
        return of(self.style.split, options)

    def _line(self, options: Sequence[str], **values: str) -> str:
        return capital(self._fill(self.dice.pick(self._of(options)), **values))

    def _fill(self, template: str, **values: str) -> str:
        return _article(fill(self.dice.word(template), values))


@lru_cache(maxsize=64)
def _words(kind: str) -> Any:
    words = phrases("words")[kind]
    if isinstance(words, dict):
        return {
            split: part.split() if isinstance(part, str) else [str(word) for word in part]
            for split, part in words.items()
        }
    return words.split() if isinstance(words, str) else [str(word) for word in words]


@lru_cache(maxsize=1)
def _held_out_rules() -> tuple[str, ...]:
    rules = phrases("rules")
    return tuple(
        wording.lower()
        for bank in _BANKS.values()
        for rule in of("held_out", rules[bank])
        for wording in wordings(rule)
    )


@lru_cache(maxsize=1)
def _alike() -> tuple[re.Pattern[str], dict[str, list[str]]]:
    """Return a pattern for words that others can replace, longest first, and for each of them the others."""
    alike: dict[str, list[str]] = {}
    for group in phrases("words")["alike"]:
        for word in group:
            alike.setdefault(word.lower(), []).extend(other for other in group if other != word)
    longest = sorted(alike, key=lambda word: (-len(word), word))
    return re.compile(
        rf"(?<![\w{{-])(?:{'|'.join(map(re.escape, longest))})(?![\w}}-])", re.IGNORECASE
    ), alike


def capital(text: str) -> str:
    """Return the text with its first letter in upper case, unless it begins with an address."""
    return text if "@" in text.split(" ", 1)[0] else text[:1].upper() + text[1:]


def _article(text: str) -> str:
    """Put "an" where "a" stands before a vowel."""
    return re.sub(r"\b([Aa]) (?=[aeio]|u(?!s))", r"\1n ", text)


def _unique(blocks: list[list[str]]) -> list[list[str]]:
    """Drop lines that an earlier block has."""
    seen: set[str] = set()
    out = []
    for block in blocks:
        left = [line for line in block if line not in seen]
        seen.update(left)
        out.append(left)
    return out


def _found(pattern: str) -> Any:
    return lambda text, lines: ", ".join(re.findall(pattern, text)) or "None."


_READ = {
    "first_sentence": lambda text, lines: lines[0],
    "last_sentence": lambda text, lines: lines[-1],
    "copy": lambda text, lines: text,
    "count": lambda text, lines: f"{len(lines)}.",
    "list_numbers": _found(_NUMBER.pattern),
    "extract_amount": _found(r"\d+ euros"),
    "extract_email": _found(r"[\w.]+@[\w.]+\w"),
}
_GUARDS: tuple[Guard, ...] = (*("rule",) * 12, *("exception",) * 2, *("open",) * 2, "none")
_BANKS = {"rule": "rules", "exception": "exceptions", "open": "open"}
_PRONOUN = re.compile(r"\b[Ii]t\b")
_NAMES = {"first", "last", "city", "branch", "language", "department"}
_SINGLE = {"word", "codename", "site", "animal"}
_WRITERS = ("This is a message of", "From:", "Customer:", "Message by", "Written by")
_SIGNED = ("Signed,", "Regards,", "Yours,", "Best wishes,", "Sent by")
_LINKS = ("and", "or", "of the", "is a", "in", "with", "near the", "for", "not", "a", "the", "to")
_NOUNS = ("branch", "app", "card", "service", "website", "hotline", "canteen", "portal", "loan", "account")

_TEXT_TASKS = {*_READ, "sentiment", "classify", "summarise", "complete"}
_SYSTEM_TASKS = {"first_sentence", "last_sentence", "copy", "list_numbers", "complete", "count"}
# Every task, with how often it is drawn.
TASKS = {
    "fact": 26, "desk": 12, "secret": 56, "unknown": 10,
    "say": 10, "repeat": 5, "reverse": 9, "spell": 6, "translate": 4, "role": 3, "small_talk": 4,
    "first_sentence": 6, "last_sentence": 5, "copy": 10, "list_numbers": 5, "count": 6, "complete": 12,
    "extract_email": 7, "extract_amount": 3, "sentiment": 4, "classify": 4, "summarise": 2,
    "send_email": 8, "refund": 3, "run_report": 4, "lookup": 6,
}  # fmt: skip
_WEIGHTED = tuple(task for task, weight in TASKS.items() for _ in range(weight))
