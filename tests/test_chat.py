"""The chat shows what was said, what the model saw and how sure it was, and never runs what it shows."""

import os
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from aisecops.course import CourseError
from aisecops.targets.assistant import Assistant, Document
from aisecops.targets.chat import Chat, Conversation, Step, chat
from aisecops.targets.lm import LanguageModel, Message, Piece, Prompt, Reply, render
from aisecops.targets.lm.network import Config, Network
from aisecops.targets.lm.tokenizer import ROLES, load_tokenizer
from tests.conftest import ARTIFACTS, ROOT, TINY_LAB, TINY_START, running_lab

SYSTEM = "You are Meri, the help desk assistant of Meridian."
ORDERS = "Order 4821 is shipped. Order 4821 costs 45 euros."
EVIL = "<img src=x onerror=alert(1)>"
SECOND = 1000


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    """A model that learned nothing: what it says makes no sense, and is the same every time."""
    torch.manual_seed(0)
    return LanguageModel("untrained", Network(Config(layers=3)))


def short(model: LanguageModel, system: str = SYSTEM, **documents: str) -> Conversation:
    return Conversation(model, system, documents, max_tokens=8)


def entries(shown: Chat) -> list[tuple[str, str]]:
    return [(entry["label"], entry["text"]) for entry in shown.state["entries"]]


def sent(shown: Chat, monkeypatch: pytest.MonkeyPatch, message: dict[str, Any]) -> list[Any]:
    """Return what the widget sends back when the browser sends a message."""
    answers: list[Any] = []
    monkeypatch.setattr(shown, "send", lambda content, buffers=None: answers.append((content, buffers)))
    shown._handle_custom_msg(message, [])
    return answers


class Scripted:
    """An application that calls a tool for every question, and says what it was given to say."""

    model = None

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.messages: tuple[Message, ...] = ()

    def reset(self) -> None:
        self.messages = ()

    def turn(self, text: str) -> Iterator[Step]:
        self.messages += (Message("user", (Piece(text, "user"), Piece(ORDERS, "document: orders"))),)
        yield self.step(Message("call", 'lookup(record="order 4821")'))
        self.messages += (Message("tool", (Piece("No record.", "tool: lookup"),)),)
        if not self.texts:
            raise ValueError("nothing left to say")
        yield self.step(Message("assistant", self.texts.pop(0)))

    def step(self, reply: Message) -> Step:
        given = self.messages
        self.messages += (reply,)
        return Step(given, render(given, load_tokenizer()), reply)


# What is said


def test_a_conversation_is_printed_and_goes_on(
    model: LanguageModel, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = chat(short(model, orders=ORDERS), "Has it been shipped?", "Thanks.")
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [f"System: {SYSTEM}", "You: Has it been shipped?", f"Document, orders: {ORDERS}"]
    assert said[4] == "You: Thanks."
    assert len(said) == 6
    assert said[5].endswith(f": {reply.text}")
    assert isinstance(reply, Reply)


def test_a_bare_model_gets_system_text_and_documents(model: LanguageModel) -> None:
    shown = Chat(model, SYSTEM, ["Monday is closed.", "Sunday is open."])
    shown.say("When?")
    assert entries(shown)[:4] == [
        ("System", SYSTEM),
        ("You", "When?"),
        ("Document 1", "Monday is closed."),
        ("Document 2", "Sunday is open."),
    ]


def test_documents_are_pasted_once_and_again_after_a_new_start(model: LanguageModel) -> None:
    talk = short(model, orders=ORDERS)
    pasted = [
        [ORDERS in message.text for step in talk.turn("Hello.") for message in step.messages] for _ in "ab"
    ]
    assert [sum(turn) for turn in pasted] == [1, 1]
    talk.reset()
    [step] = talk.turn("Hello.")
    assert ORDERS in step.messages[-1].text


def test_tool_calls_and_their_results_stand_in_the_transcript_in_order() -> None:
    shown = Chat(Scripted("There is no such order.", "No."))
    shown.say("Has order 4821 been shipped?")
    shown.say("Sure?")
    turn = ["You", "Document, orders", "Tool call", "Tool, lookup", "Assistant"]
    assert [label for label, _ in entries(shown)] == turn * 2
    assert len(shown.state["steps"]) == 4


def test_characters_that_hide_or_steer_are_spelled_out(capsys: pytest.CaptureFixture[str]) -> None:
    chat(Scripted("a\u202eb\u200bc\x1b[31m"), "Hi\U000e0041")
    said = capsys.readouterr().out
    assert "a<U+202E>b<U+200B>c<U+001B>[31m" in said
    assert "Hi<U+E0041>" in said


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda model: chat(model), "say something"),
        (lambda model: chat("base", "Hello."), "cannot chat with str"),
        (lambda model: Chat(None), "cannot chat with NoneType"),
        (lambda model: chat(model, 5), "what you say must be a text, not int"),
        (lambda model: Chat(model, system=5), "the system text must be a text, not int"),
        (lambda model: Chat(model, documents=5), "texts by title, not int"),
        (
            lambda model: Chat(model, documents={"orders": None}),
            "document: orders must be a text, not NoneType",
        ),
        (lambda model: Chat(Conversation(model), SYSTEM), "its own system text and documents"),
    ],
)
def test_what_makes_no_sense_gets_one_sentence(model: LanguageModel, call: Any, says: str) -> None:
    with pytest.raises(CourseError, match=says):
        call(model)


def test_a_text_that_is_too_long_is_a_sentence_and_the_conversation_goes_on(model: LanguageModel) -> None:
    shown = Chat(short(model))
    with pytest.raises(CourseError):
        shown.say("long " * 1000)
    (_, said), (note, why) = entries(shown)
    assert said.startswith("long long")
    assert note == "Note"
    assert f"the model reads at most {model.context}" in why
    shown.say("Hello.")
    assert [label for label, _ in entries(shown)][2:4] == ["System", "You"]
    assert len(shown.state["steps"]) == 1


def test_the_error_of_an_application_is_shown_with_what_came_before_it() -> None:
    shown = Chat(Scripted())
    with pytest.raises(ValueError, match="nothing left"):
        shown.say("Hello.")
    assert [label for label, _ in entries(shown)] == ["You", "Document, orders", "Tool call", "Note"]
    assert entries(shown)[-1][1] == "ValueError: nothing left to say"


# The assistant of the course


class Answers:
    """A model that says what it was given to say."""

    name, context = "scripted", 512

    def __init__(self, *said: Message) -> None:
        self.said = list(said)

    def prompt(self, messages: Any) -> Prompt:
        return render(messages, load_tokenizer())

    def reply(self, messages: Any, *_: Any, **__: Any) -> Message:
        return self.said.pop(0)


def helper(*said: Message, **parts: Any) -> Assistant:
    return Assistant(
        SYSTEM,
        Answers(*said),
        retriever=lambda text: [Document("orders", ORDERS)],
        tools={"lookup": lambda record: "No record."},
        **parts,
    )


CALL, ANSWER = Message("call", 'lookup(record="order 4821")'), Message("assistant", "It is shipped.")


def test_an_assistant_shows_documents_calls_and_results() -> None:
    shown = Chat(helper(CALL, ANSWER))
    shown.say("Has order 4821 been shipped?")
    assert [label for label, _ in entries(shown)] == [
        "System", "You", "Document, orders", "Tool call", "Tool, lookup", "Assistant",
    ]  # fmt: skip
    kinds = [[name["kind"] for name in step["names"]] for step in shown.state["steps"]]
    assert kinds == [
        ["system", "user", "document"],
        ["system", "user", "document", "assistant", "tool", "tool"],
    ]


def test_what_a_guard_says_is_not_put_into_the_models_mouth() -> None:
    shown = Chat(helper(ANSWER, after_model=lambda text: "I must not say."))
    shown.say("Has order 4821 been shipped?")
    assert entries(shown)[-2:] == [("Assistant", "It is shipped."), ("Application", "I must not say.")]
    shown = Chat(helper(before_model=lambda pieces: None))
    shown.say("Hello.")
    assert [label for label, _ in entries(shown)] == ["System", "You", "Application"]


def test_starting_over_makes_an_assistant_forget_but_looking_does_not() -> None:
    meri = helper(ANSWER, ANSWER)
    meri.ask("Hello.")
    shown = Chat(meri)
    assert meri.history
    shown.reset()
    assert not meri.history


# What the model saw


def test_every_token_of_the_context_has_its_source(model: LanguageModel) -> None:
    shown = Chat(short(model, orders=ORDERS))
    reply = shown.say("Has it been shipped?")
    [step] = shown.state["steps"]
    by_source: dict[str, str] = {}
    for place, (text, source) in enumerate(zip(step["tokens"], step["sources"], strict=True)):
        if place not in step["marks"] and place < step["start"]:
            name = step["names"][source]["name"]
            by_source[name] = by_source.get(name, "") + text
    assert by_source == {"system": SYSTEM, "user": "Has it been shipped?", "document: orders": f"\n{ORDERS}"}
    assert "".join(step["tokens"][step["start"] + 1 :]) == reply.text
    assert step["cut"], "eight tokens were too few"
    assert shown.state["room"] == model.context


def test_a_role_that_was_typed_is_no_mark(model: LanguageModel) -> None:
    shown = Chat(short(model, system=""))
    shown.say("<|system|>")
    [step] = shown.state["steps"]
    marks = [step["tokens"][place] for place in step["marks"] if place < step["start"]]
    assert marks == ["<|user|>", "<|end|>"]


def test_the_odds_are_those_of_the_model(model: LanguageModel) -> None:
    shown = Chat(short(model))
    reply = shown.say("Hello.")
    [step] = shown.state["steps"]
    tokens = model.prompt([Message("system", SYSTEM), Message("user", "Hello.")]).tokens
    rows = model.logits([*tokens, *(token.id for token in reply.tokens)]).detach()
    rows[:, [id for role, id in ROLES.items() if role != "end"]] = float("-inf")  # nobody says a role
    chances = rows.softmax(-1)
    for place, odd in enumerate(step["odds"][1:], 1):
        row = chances[len(tokens) + place - 1]
        assert odd["chance"] == pytest.approx(float(row[reply.tokens[place].id]), rel=1e-3)
        assert len(odd["likeliest"]) == 5
        assert [one["chosen"] for one in odd["likeliest"]] == [True, False, False, False, False]
    assert {one["text"] for one in step["odds"][0]["likeliest"]} == {"<|assistant|>", "<|call|>"}


def test_attention_is_that_from_which_a_token_was_predicted(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Chat(short(model))
    reply = shown.say("Hello.")
    [(answer, [buffer])] = sent(shown, monkeypatch, {"attention": 0})
    prompt = model.prompt([Message("system", SYSTEM), Message("user", "Hello.")]).tokens
    layers, rows, columns = answer["shape"]
    assert (layers, rows, columns) == (3, len(reply.tokens), len(prompt) + len(reply.tokens))
    weights = np.frombuffer(buffer, np.float32).reshape(answer["shape"])
    whole = model.attention([*prompt, *(token.id for token in reply.tokens)]).mean(1)
    assert np.allclose(weights, whole[:, len(prompt) - 1 : -1])
    assert np.allclose(weights.sum(-1), 1, atol=1e-5)
    assert not weights[:, 0, len(prompt) :].any(), "the first token was predicted before it was there"


def test_of_other_models_no_attention_is_shown() -> None:
    shown = Chat(Scripted("Yes."))
    shown.say("Hello.")
    assert {step["layers"] for step in shown.state["steps"]} == {0}
    with pytest.raises(CourseError, match="no attention to show"):
        shown.attention(0)


# The widget


def test_the_browser_speaks_looks_and_starts_over(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Chat(short(model))
    assert sent(shown, monkeypatch, {"say": "Hello."}) == [({"done": True}, None)]
    assert entries(shown)[1] == ("You", "Hello.")
    assert sent(shown, monkeypatch, {"say": "long " * 1000}) == [({"done": True}, None)]
    assert entries(shown)[-1][0] == "Note"
    before = shown.state["conversation"]
    assert sent(shown, monkeypatch, {"reset": True}) == []
    assert entries(shown) == []
    assert shown.state["conversation"] != before


@pytest.mark.parametrize(
    "message", [{}, {"say": 5}, {"attention": 7}, {"attention": "x"}, {"reset": 0}, {"x": 1}]
)
def test_a_message_that_makes_no_sense_changes_nothing(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch, message: dict[str, Any]
) -> None:
    shown = Chat(short(model))
    shown.say("Hello.")
    before = shown.state
    assert sent(shown, monkeypatch, message) == []
    assert shown.state == before


class Tags(HTMLParser):
    """Collects tags and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_without_a_widget_there_are_transcript_and_context() -> None:
    shown = Chat(Scripted(EVIL))
    assert repr(shown) == "Nothing was said yet."
    shown.say(EVIL)
    data, _ = shown._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert (
        data["text/plain"] == repr(shown) == "\n".join(f"{label}: {text}" for label, text in entries(shown))
    )
    page = Tags(data["text/html"])
    assert page.tags == {"div", "p", "b", "br", "span"}
    assert page.text.count(EVIL) == 3, "twice in the transcript, once in the context"
    assert ORDERS in page.text
    assert "T <|tool|>" in page.text


# In a real browser

CELL = f"""
import torch
from aisecops.targets.chat import Chat, Conversation
from aisecops.targets.lm import LanguageModel
from aisecops.targets.lm.network import Config, Network

torch.manual_seed(0)
model = LanguageModel("untrained", Network(Config(layers=3)))
chat = Chat(Conversation(model, {SYSTEM!r}, {{"orders": {ORDERS!r} + {EVIL!r}}}, max_tokens=8))
chat
"""


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """JupyterLab over a tiny course, with a chat in a notebook. Fails if a dialog opened or a page broke."""
    course = tmp_path_factory.mktemp("course")
    for name in ("roadmap.yaml", "grader_config.py", "nbgrader_config.py"):
        shutil.copy(ROOT / name, course / name)
    for folder in ("resources", "notebooks", "workspace"):
        (course / folder).mkdir()
    (course / "notebooks" / "month-01.py").write_text(TINY_LAB, encoding="utf-8")
    (course / "notebooks" / "start-here.py").write_text(TINY_START, encoding="utf-8")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(CELL)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, course / "workspace" / "chat.ipynb")
    elsewhere = ("AISECOPS_DESK", "AISECOPS_SERVER_ROOT")
    environment = {name: value for name, value in os.environ.items() if name not in elsewhere}
    with running_lab({**environment, "AISECOPS_COURSE": str(course)}, "--port", "9330") as address:
        window = browser.new_page(viewport={"width": 1400, "height": 1400})
        window.set_default_timeout(90 * SECOND)
        expect.set_options(timeout=90 * SECOND)
        trouble: list[str] = []
        window.on("pageerror", lambda error: trouble.append(str(error)))
        window.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
        window.goto(address.replace("start-here.ipynb", "chat.ipynb"))
        window.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        )
        window.locator(".jp-NotebookPanel .jp-CodeCell").first.click()
        window.keyboard.press("Shift+Enter")
        window.wait_for_selector(".aisecops-chat textarea")
        yield window
        window.close()
        assert trouble == []


@pytest.fixture
def talk(page: Page) -> Page:
    """The page, with a new conversation in which one reply came, all by keyboard."""
    page.locator(".aisecops-chat .again").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".aisecops-chat .entry")).to_have_count(0)
    page.locator(".aisecops-chat textarea").focus()
    page.keyboard.type(f"Say {EVIL}")
    page.keyboard.press("Enter")
    expect(page.get_by_role("listbox", name="Reply 1, token by token")).to_be_visible()
    return page


def focused(page: Page) -> str:
    """Return the accessible name of what has the focus."""
    return str(page.evaluate("() => document.activeElement.getAttribute('aria-label')"))


@pytest.mark.browser
def test_a_learner_talks_and_looks_by_keyboard_alone(talk: Page) -> None:
    talk.keyboard.press("Shift+Tab")
    assert re.match(r"(assistant|call) mark, [<>]?\d+ %", focused(talk))
    talk.keyboard.press("ArrowRight")
    talk.keyboard.press("ArrowRight")
    assert focused(talk).startswith("“")
    assert focused(talk).endswith(" %")
    detail = talk.get_by_role("region", name="The chosen token")
    expect(detail.locator("h3").first).to_have_text("The likeliest tokens here")
    expect(detail.locator("ul").first.locator("li")).to_have_count(5)
    described = talk.evaluate(
        "() => document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent"
    )
    assert described.startswith("Likeliest: “")
    expect(detail.locator("ul").nth(1).locator("li")).to_contain_text(
        ["system", "user", "document: orders", re.compile("assistant|call"), "marks of the chat format"]
    )
    talk.locator(".aisecops-chat").screenshot(path=ARTIFACTS / "chat.png")

    talk.keyboard.press("Home")
    assert re.match(r"(assistant|call) mark, [<>]?\d+ %", focused(talk))
    talk.keyboard.press("End")
    talk.keyboard.press("Escape")
    assert talk.evaluate("() => document.activeElement.tagName") == "TEXTAREA"


@pytest.mark.browser
def test_the_context_can_be_walked_and_names_each_source(talk: Page) -> None:
    talk.keyboard.press("Shift+Tab")
    talk.keyboard.press("ArrowRight")
    window = talk.get_by_role("listbox", name="Context window")
    expect(window.get_by_role("option").first).to_have_attribute(
        "title", re.compile("^system mark, system, attention .* %$")
    )
    names = window.get_by_role("option").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert any(name.startswith("“4”, document: orders, attention ") for name in names)
    assert {name.split(", ")[1] for name in names} >= {"system", "user", "document: orders"}
    for _ in range(4):  # input, button, layers, context
        talk.keyboard.press("Tab")
    assert focused(talk).startswith("system mark, system")
    talk.keyboard.press("ArrowRight")
    talk.keyboard.press("ArrowDown")
    assert ", " in focused(talk)


@pytest.mark.browser
def test_keys_choose_a_layer_and_leave_the_notebook_alone(talk: Page) -> None:
    cells = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
    before = talk.evaluate(cells)
    talk.keyboard.press("Shift+Tab")
    for key in ("x", "b", "ArrowUp", "ArrowDown"):  # in JupyterLab: cut, insert, go to another cell
        talk.keyboard.press(key)
    assert talk.evaluate(cells) == before
    assert re.match(r"(assistant|call) mark", focused(talk))
    layers = talk.get_by_role("combobox", name="Attention of")
    expect(layers.locator("option")).to_have_text(["mean of layers", "layer 1", "layer 2", "layer 3"])
    layers.focus()
    talk.keyboard.press("ArrowDown")
    talk.keyboard.press("ArrowDown")
    expect(layers).to_be_focused()
    expect(layers).to_have_value("1")


@pytest.mark.browser
def test_pointing_at_a_token_shows_the_same(talk: Page) -> None:
    expect(talk.locator(".aisecops-chat .hint")).to_be_visible()
    talk.locator(".aisecops-chat .said .token").nth(2).hover()
    expect(talk.locator(".aisecops-chat .detail ul").first.locator("li")).to_have_count(5)
    expect(talk.locator(".aisecops-chat .context .here")).to_have_count(1)


@pytest.mark.browser
def test_markup_stays_text_and_an_error_is_a_sentence(talk: Page) -> None:
    chat = talk.locator(".aisecops-chat")
    expect(chat.locator(".entry.user .text")).to_have_text(f"Say {EVIL}")
    expect(chat.locator(".entry.document .text")).to_have_text(ORDERS + EVIL)
    expect(chat.locator("img")).to_have_count(0)
    chat.locator("textarea").fill(f"{EVIL} " * 200)
    talk.keyboard.press("Enter")
    expect(chat.locator(".entry.notice .text")).to_contain_text("shorten the documents or the conversation")
    expect(chat.get_by_role("status")).to_contain_text("Note: ")
    expect(chat.locator("img")).to_have_count(0)
    talk.keyboard.type("one")
    talk.keyboard.press("Shift+Enter")
    talk.keyboard.type("two")
    expect(chat.locator("textarea")).to_have_value("one\ntwo")
