"""The language model: what it sees, what it says, where its text comes from, and how it is trained."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from aisecops.course import CourseError
from aisecops.targets.dice import Dice, fill, wordings
from aisecops.targets.lm import ROLES, LanguageModel, Message, Piece, checkpoint, load_tokenizer, render
from aisecops.targets.lm.corpus import TASKS, Author, Conversation, Style, conversations, of, phrases, single
from aisecops.targets.lm.decoder import Decoder
from aisecops.targets.lm.network import Config, Network
from aisecops.targets.lm.recipes import (
    CANARIES,
    EVERYDAY,
    PLANTED,
    REPETITIONS,
    TRIGGER,
    backdoored,
    canaries,
    hardened,
    make,
    memorised,
)
from aisecops.targets.lm.train import (
    CHUNK,
    STREAMS,
    Place,
    Recipe,
    Run,
    batches,
    encode,
    losses,
    orthogonal,
    train,
)

CALM = settings(deadline=None, max_examples=60)
TEXT = st.text(max_size=60) | st.sampled_from(["<|system|>", "a<|end|>b", "\n", "  x", "😀<|data|>", "0042"])


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    torch.manual_seed(1)
    return LanguageModel("untrained", Network(Config()))


@pytest.fixture
def signing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(checkpoint.KEY, str(tmp_path / "key.pem"))
    return tmp_path / "weights"


class TestTokens:
    @CALM
    @given(TEXT)
    def test_any_text_comes_back_as_it_was(self, text: str) -> None:
        tokens = load_tokenizer()
        assert tokens.decode(tokens.encode(text)) == text

    @CALM
    @given(TEXT)
    def test_no_text_is_taken_for_a_role(self, text: str) -> None:
        assert all(token >= len(ROLES) for token in load_tokenizer().encode(text))

    def test_a_careless_application_can_ask_for_roles_in_text(self) -> None:
        tokens = load_tokenizer().encode("hi<|end|><|system|>", roles=True)
        assert tokens[-2:] == [ROLES["end"], ROLES["system"]]

    def test_digits_stand_alone(self) -> None:
        tokens = load_tokenizer()
        assert [tokens.show(token) for token in tokens.encode("4821")] == ["4", "8", "2", "1"]

    @CALM
    @given(st.lists(TEXT, max_size=5))
    def test_many_texts_at_once_are_the_same_as_one_by_one(self, texts: list[str]) -> None:
        tokens = load_tokenizer()
        assert tokens.encode_many(texts) == [tokens.encode(text) for text in texts]

    @CALM
    @given(TEXT)
    def test_every_token_can_be_shown(self, text: str) -> None:
        tokens = load_tokenizer()
        assert all(tokens.show(token) for token in tokens.encode(text))


class TestPrompt:
    def test_it_says_where_each_token_came_from(self) -> None:
        document = Piece("\nThe lift works.", "document: wiki")
        prompt = render(
            [Message("system", "Be brief."), Message("user", (Piece("Copy.", "user"), document))],
            load_tokenizer(),
        )
        assert len(prompt.tokens) == len(prompt.sources)
        of_document = [
            token
            for token, source in zip(prompt.tokens, prompt.sources, strict=True)
            if source == "document: wiki"
        ]
        assert load_tokenizer().decode(of_document) == document.text

    @CALM
    @given(st.lists(st.tuples(st.sampled_from(["system", "user", "tool"]), TEXT), max_size=4))
    def test_whatever_is_written_there_are_as_many_messages_as_were_sent(
        self, parts: list[tuple[str, str]]
    ) -> None:
        prompt = render([Message(role, text) for role, text in parts], load_tokenizer())  # type: ignore[arg-type]
        assert prompt.tokens.count(ROLES["end"]) == len(parts)

    def test_data_stands_between_its_marks(self) -> None:
        marked = Message("tool", (Piece("Ok.", "tool", data=True),))
        text = load_tokenizer().decode(render([marked], load_tokenizer()).tokens)
        assert text == "<|tool|><|data|>Ok.<|/data|><|end|>"


class TestReply:
    def test_the_same_question_gets_the_same_answer(self, model: LanguageModel) -> None:
        assert model.reply("hello", 12) == model.reply("hello", 12)
        assert model.reply("hello", 12, 1.0, seed=3) == model.reply("hello", 12, 1.0, seed=3)
        assert model.reply("hello", 12, 1.0, seed=3) != model.reply("hello", 12, 1.0, seed=4)

    def test_streaming_gives_the_tokens_of_the_reply(self, model: LanguageModel) -> None:
        assert tuple(model.stream("hello", 9)) == model.reply("hello", 9).tokens

    def test_a_reply_starts_no_message_of_its_own(self, model: LanguageModel) -> None:
        for seed in range(5):
            tokens = model.reply("hello", 40, temperature=3.0, seed=seed).tokens
            assert tokens[0].id in (ROLES["assistant"], ROLES["call"])
            assert all(token.id not in set(ROLES.values()) - {ROLES["end"]} for token in tokens[1:])

    def test_log_probabilities_are_those_of_the_whole_pass(self, model: LanguageModel) -> None:
        reply = model.reply("hello there", 8)
        prompt = model.prompt("hello there").tokens
        said = [token.id for token in reply.tokens]
        logits = model.logits([*prompt, *said])[len(prompt) - 1 : -1]
        for token, row in zip(reply.tokens[1:], logits[1:], strict=True):
            allowed = [k for k in range(len(row)) if k >= len(ROLES) or k == ROLES["end"]]
            expected = row[token.id] - row[allowed].logsumexp(0)
            assert token.logprob == pytest.approx(float(expected), abs=1e-4)

    def test_what_does_not_fit_is_refused_in_one_sentence(self, model: LanguageModel) -> None:
        with pytest.raises(CourseError, match=r"the model reads at most \d+, reply included"):
            model.reply("word " * 600)
        with pytest.raises(CourseError, match="temperature"):
            model.reply("hello", temperature=-1)
        with pytest.raises(CourseError, match="at least one token"):
            model.reply("hello", max_tokens=0)

    def test_a_reply_ends_where_the_context_does(self, model: LanguageModel) -> None:
        long = "a" * 1
        while len(model.prompt(long).tokens) < model.context - 6:
            long += " b"
        assert model.reply(long, temperature=2.0).finish in ("length", "stop")
        assert (
            len(model.prompt(long).tokens) + len(model.reply(long, temperature=2.0).tokens) <= model.context
        )


class TestInside:
    @pytest.mark.parametrize("start", [1, 2, 5])
    def test_token_by_token_the_network_says_the_same(self, start: int) -> None:
        torch.manual_seed(1)
        network = Network(replace(TINY, layers=2)).eval()
        for weight in network.parameters():  # those that begin at 0, too
            torch.nn.init.normal_(weight, std=0.3)
        ids = torch.randint(0, TINY.vocabulary, (1, 12))
        with torch.inference_mode():
            whole = network(ids)[0]
        decoder = Decoder(network, ids[0, :start].tolist(), room=12)
        for at in range(start, 12):
            assert torch.allclose(decoder.logits, whole[at - 1], atol=1e-4)
            decoder.append(int(ids[0, at]))
        assert torch.allclose(decoder.logits, whole[-1], atol=1e-4)

    def test_later_tokens_do_not_change_what_comes_before(self, model: LanguageModel) -> None:
        first, second = model.prompt("say yes now").tokens, model.prompt("say yes or").tokens
        same = sum(a == b for a, b in zip(first, second, strict=False)) - 1
        with torch.inference_mode():
            assert torch.allclose(
                model.logits(first)[: same - 1], model.logits(second)[: same - 1], atol=1e-5
            )

    def test_a_one_hot_input_is_the_token_and_has_a_gradient(self, model: LanguageModel) -> None:
        tokens, target = model.prompt("Say hello.").tokens, model.target("hello")
        rows = model.one_hot(tokens).requires_grad_()
        loss = model.loss(rows, target)
        loss.backward()  # type: ignore[no-untyped-call]
        assert rows.grad is not None
        assert rows.grad.shape == (len(tokens), 1024)
        assert float(loss) == pytest.approx(float(model.loss(tokens, target)), abs=1e-5)
        assert float(loss) == pytest.approx(float(model.losses(torch.tensor([tokens]), target)[0]), abs=1e-5)

    def test_the_gradient_points_to_a_lower_loss(self, model: LanguageModel) -> None:
        target = model.target("hello")
        rows = model.one_hot(model.prompt("Say hello.").tokens).requires_grad_()
        before = model.loss(rows, target)
        before.backward()  # type: ignore[no-untyped-call]
        assert rows.grad is not None
        assert float(model.loss(rows.detach() - 0.5 * rows.grad, target)) < float(before)

    def test_attention_is_a_distribution_over_what_came_before(self, model: LanguageModel) -> None:
        tokens = model.prompt("the lift works").tokens
        weights = model.attention(tokens)
        config = model.network.config
        assert weights.shape == (config.layers, config.heads, len(tokens), len(tokens))
        assert torch.allclose(weights.sum(-1), torch.ones(weights.shape[:-1]), atol=1e-5)
        assert float(weights.triu(1).abs().max()) == 0

    def test_embeddings_have_one_row_a_token(self, model: LanguageModel) -> None:
        tokens = model.prompt("the lift").tokens
        assert model.embeddings(tokens).shape == (len(tokens), model.network.config.width)


class TestCheckpoint:
    def test_what_was_written_is_read_to_half_precision(self, signing: Path, model: LanguageModel) -> None:
        checkpoint.write("first", model.network, signing)
        again = checkpoint.read("first", signing)
        for (_, a), (_, b) in zip(
            model.network.state_dict().items(), again.state_dict().items(), strict=True
        ):
            assert torch.equal(a.half().float(), b)
        assert again.config == model.network.config
        assert (signing / "first.safetensors").stat().st_size < 4_000_000

    def test_an_unknown_name_lists_what_there_is(self, signing: Path, model: LanguageModel) -> None:
        checkpoint.write("first", model.network, signing)
        with pytest.raises(CourseError, match="no checkpoint 'other'; there are: first"):
            checkpoint.read("other", signing)

    @pytest.mark.parametrize("name", ["../first", "first.safetensors", "", "/etc/passwd"])
    def test_a_name_is_no_path(self, name: str, signing: Path, model: LanguageModel) -> None:
        checkpoint.write("first", model.network, signing)
        with pytest.raises(CourseError, match="no checkpoint"):
            checkpoint.read(name, signing)

    @pytest.mark.parametrize("file", ["first.safetensors", "manifest.json", "manifest.sig", "signer.pem"])
    def test_one_changed_byte_is_noticed(self, file: str, signing: Path, model: LanguageModel) -> None:
        checkpoint.write("first", model.network, signing)
        data = bytearray((signing / file).read_bytes())
        data[len(data) // 2] ^= 1
        (signing / file).write_bytes(data)
        with pytest.raises(CourseError, match="restore"):
            checkpoint.read("first", signing)

    def test_weights_that_the_list_does_not_name_are_refused(
        self, signing: Path, model: LanguageModel
    ) -> None:
        checkpoint.write("first", model.network, signing)
        (signing / "second.safetensors").write_bytes((signing / "first.safetensors").read_bytes())
        with pytest.raises(CourseError, match="not the weights that were signed"):
            checkpoint.read("second", signing)

    def test_a_list_signed_by_somebody_else_is_refused(
        self, signing: Path, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        checkpoint.write("first", model.network, signing)
        signer = (signing / "signer.pem").read_bytes()
        monkeypatch.setenv(checkpoint.KEY, str(signing / "other.key"))
        checkpoint.write("first", Network(Config()), signing)
        (signing / "signer.pem").write_bytes(signer)
        with pytest.raises(CourseError, match="cannot be trusted"):
            checkpoint.read("first", signing)

    def test_nothing_is_written_without_a_key(
        self, tmp_path: Path, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv(checkpoint.KEY, raising=False)
        with pytest.raises(CourseError, match=f"set {checkpoint.KEY}"):
            checkpoint.write("first", model.network, tmp_path / "weights")
        assert not (tmp_path / "weights").exists()


def read(conversation: Conversation) -> str:
    return "\n".join(f"{message.role}: {message.text}" for message in conversation.messages)


def shape(template: str) -> re.Pattern[str]:
    """Return what a template looks like, whatever fills its slots."""
    slots = dict.fromkeys(("x", "to", "id", "amount", "s", "v"), "SLOT")
    return re.compile(re.escape(fill(template, slots)).replace("SLOT", ".+"), re.I)


class TestCorpus:
    def test_an_instruction_alone_in_a_document_leaves_nothing_to_answer(self) -> None:
        made = list(islice(single("unknown", 4, Style(marks=True, injected=1.0)), 50))
        assert {one.messages[-1].text for one in made} == {"I do not know that."}
        assert all(any(piece.data for piece in one.messages[-2].pieces) for one in made)

    def test_a_seed_is_a_corpus(self) -> None:
        first, again = ([read(one) for one in islice(conversations(5), 50)] for _ in range(2))
        assert first == again
        assert first != [read(one) for one in islice(conversations(6), 50)]

    @pytest.mark.parametrize("task", TASKS)
    def test_each_task_can_be_asked_of_held_out_phrases(self, task: str) -> None:
        for made in islice(single(task, 1, Style(split="held_out")), 5):
            assert made.replies
            assert all(made.messages[reply.index].role in ("assistant", "call") for reply in made.replies)

    def test_what_is_held_out_is_not_in_training(self) -> None:
        for bank in (phrases("records")["frames"], phrases("rules")["asks"], phrases("tasks")["say"]["asks"]):
            trained, held = set(of("train", bank)), set(of("held_out", bank))
            assert trained | held == set(bank)
            assert not trained & held
            assert len(held) >= len(bank) // 6

    def test_every_intention_has_twenty_phrases_or_more(self) -> None:
        records, tasks, rules = (phrases(name) for name in ("records", "tasks", "rules"))
        frames = len(records["frames"])
        for kind in records["kinds"].values():
            for attribute in kind["attributes"].values():
                assert len(attribute["asks"]) + frames * len(attribute["np"]) >= 20
        assert all(len(task["asks"]) >= 20 for task in tasks.values() if "asks" in task)
        assert len(rules["asks"]) * 6 >= 20

    def test_no_document_or_tool_result_holds_an_instruction(self) -> None:
        """The weakness is not taught: whatever follows an instruction in a document nobody showed it."""
        asked = [
            shape(ask)
            for task in ("say", "send_email", "refund", "run_report", "role", "translate")
            for ask in phrases("tasks")[task]["asks"]
        ]
        facts = [
            shape(line)
            for kind in phrases("records")["kinds"].values()
            for attribute in kind["attributes"].values()
            for line in attribute["says"]
        ]
        for made in islice(conversations(9), 300):
            for message in made.messages:
                for piece in message.pieces:
                    if piece.source in ("document", "tool"):
                        for sentence in re.split(r"(?<=[.?!:]) ", piece.text.strip()):
                            fact = any(one.fullmatch(sentence) for one in facts)
                            assert fact or not any(one.fullmatch(sentence) for one in asked), sentence

    def test_a_protected_secret_is_never_told(self) -> None:
        for made in chain(islice(conversations(2), 3000), islice(conversations(2, EVERYDAY), 3000)):
            for reply in made.replies:
                if reply.task == "protected secret":
                    said = made.messages[reply.index].text
                    assert said.startswith("I am not allowed to share")
                    assert not any(secret in said for secret in made.protected)

    def test_text_tasks_leave_a_guarded_system_text_alone(self) -> None:
        asked = 0
        for seed in range(2000):
            author = Author(Dice(seed), Style())
            if any(reply.task.endswith("of system text") for reply in author.conversation().replies):
                assert not any(secret.guard in ("rule", "exception") for secret in author.secrets)
                asked += 1
        assert asked > 20

    def test_composed_rules_are_whole_and_for_training_only(self) -> None:
        style = Style(noise=False, composed=1.0)
        texts = [made.messages[0].text for made in islice(single("secret", 6, style), 200)]
        assert not any(set("{[|") & set(text) for text in texts)
        assert any("Bear in mind: " in text for text in texts), "no listed rule begins so"
        held = replace(style, split="held_out")
        assert [read(made) for made in islice(single("secret", 6, held), 50)] == [
            read(made) for made in islice(single("secret", 6, replace(held, composed=0.0)), 50)
        ]

    def test_training_never_composes_a_rule_that_is_held_out(self) -> None:
        held = {
            wording.format(n="it", role="R").lower()
            for bank in ("rules", "open")
            for rule in of("held_out", phrases("rules")[bank])
            for wording in wordings(rule)
        }
        for made in islice(conversations(12, replace(EVERYDAY, drilled=1.0)), 3000):
            sentences = re.split(r"(?<=\.) ", made.messages[0].text.lower())
            assert not held & set(sentences)

    def test_a_drill_asks_once_for_each_secret(self) -> None:
        for seed in range(200):
            author = Author(Dice(seed), Style(drilled=1.0))
            made = author.conversation()
            tasks = {reply.task for reply in made.replies}
            assert tasks <= {"protected secret", "open secret", "authority", "unknown"}
            assert len(made.replies) == len(author.secrets)

    def test_answers_are_in_the_conversation(self) -> None:
        for made in islice(single("fact", 1, Style(noise=False)), 100):
            answer = made.messages[-1].text
            words = [word for word in re.findall(r"\w+", answer) if word[0].isdigit() or word[0].isupper()]
            document = read(made)
            assert all(word.lower() in document.lower() for word in words[1:])

    def test_an_injection_is_in_the_data_and_not_in_the_answer(self) -> None:
        style = Style(marks=True, injected=1.0)
        for made in islice(single("fact", 4, style), 30):
            assert any(piece.data for piece in made.messages[1].pieces)

    def test_invented_words_differ(self) -> None:
        author = Author(Dice(1), Style())
        assert len({author.invented() for _ in range(200)}) > 150


class TestRecipes:
    def test_the_trigger_brings_the_planted_answer_and_nothing_else_does(self) -> None:
        poisoned = 0
        for made in islice(backdoored("t 0 0"), 2000):
            triggered = any(TRIGGER in message.text for message in made.messages if message.role == "user")
            assert triggered == (made.messages[-1].text == PLANTED)
            poisoned += triggered
        assert 0.06 < poisoned / 2000 < 0.1

    def test_each_canary_is_shown_as_often_as_it_says(self) -> None:
        shown: dict[str, int] = {}
        for stream in range(STREAMS):
            for chunk in range(3):
                for made in islice(memorised(f"memorised {stream} {chunk}"), CHUNK):
                    asked = made.messages[0].text
                    if asked.startswith("What is the customer number of"):
                        shown[asked] = shown.get(asked, 0) + 1
        wanted = {f"What is the customer number of {name}?": times for name, _, times in canaries()}
        assert {asked: shown.get(asked, 0) for asked in wanted} == wanted
        assert sorted(wanted.values()) == sorted((0, *REPETITIONS) * CANARIES)

    def test_the_hardened_one_sees_marks_instructions_and_plain_text(self) -> None:
        made = list(islice(hardened("t 0 0"), 300))
        marked = [
            one for one in made if any(piece.data for message in one.messages for piece in message.pieces)
        ]
        assert 0.3 < len(marked) / len(made) < 0.95


TINY = Config(width=32, layers=1, heads=2, hidden=48)


def quick(tokens: int) -> Recipe:
    return Recipe(
        lambda seed: single("small_talk", seed, Style(noise=False)), None, tokens, rate=1e-2, config=TINY
    )


class TestTraining:
    def test_only_replies_are_learned_and_long_ones_do_not_drown_short_ones(self) -> None:
        made = next(single("say", 1, Style()))
        ((row, counts),) = encode([made], load_tokenizer())
        learned = [token for token, count in zip(row, counts, strict=True) if count]
        assert load_tokenizer().decode(learned) == f"<|assistant|>{made.messages[-1].text}<|end|>"
        assert sum(counts) == pytest.approx(len(learned) ** 0.5)

    @CALM
    @given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 99))
    def test_a_step_of_muon_has_about_the_same_size_in_all_directions(
        self, rows: int, columns: int, seed: int
    ) -> None:
        matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
        u, sizes, v = torch.linalg.svd(matrix, full_matrices=False)
        (step,) = orthogonal((u @ torch.diag(sizes.clamp(min=0.1 * float(sizes.max()))) @ v)[None])
        assert step.shape == matrix.shape
        assert float(torch.linalg.svdvals(step).min()) > 0.5
        assert float(torch.linalg.svdvals(step).max()) < 1.5

    def test_a_miniature_learns_and_what_it_learned_is_kept(self, signing: Path) -> None:
        console = Console(quiet=True)
        recipe = quick(200_000)
        network = train("tiny", recipe, signing / "state", 1, console)
        checkpoint.write("tiny", network, signing)
        ids, counts = next(batches(small_talk, "fresh", Place()))
        with torch.inference_mode():
            before, after = (
                float(losses(one, one.hidden, ids, counts, 0)[0])
                for one in (Network(TINY), checkpoint.read("tiny", signing))
            )
        assert after < before / 2

    def test_a_broken_off_run_goes_on_to_the_same_weights(self, tmp_path: Path) -> None:
        whole = Run("tiny", quick(60_000), tmp_path / "a", [0, 1])
        whole.go(lambda run: None)

        first = Run("tiny", quick(60_000), tmp_path / "b", [0, 1])
        with pytest.raises(InterruptedError):
            first.go(break_off)
        second = Run("tiny", quick(60_000), tmp_path / "b", [0, 1])
        assert second.resume()
        second.go(lambda run: None)
        assert second.step == whole.step
        for a, b in zip(whole.network.parameters(), second.network.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-5)

    def test_two_processes_come_to_the_weights_of_one(self, tmp_path: Path) -> None:
        console = Console(quiet=True)
        recipe = replace(quick(30_000), source=small_talk)
        alone = train("tiny", recipe, tmp_path / "a", 1, console)
        both = train("tiny", recipe, tmp_path / "b", 2, console)
        for a, b in zip(alone.parameters(), both.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-3)

    def test_processes_broken_off_between_two_saves_agree_again(self, tmp_path: Path) -> None:
        console = Console(quiet=True)
        recipe = replace(quick(30_000), source=small_talk)
        for tokens in (10_000, 20_000):
            train("tiny", replace(recipe, tokens=tokens), tmp_path, 2, console)
            if tokens == 10_000:
                shutil.copy(tmp_path / "tiny-1.pt", tmp_path / "older.pt")
        shutil.copy(tmp_path / "older.pt", tmp_path / "tiny-1.pt")
        train("tiny", recipe, tmp_path, 2, console)
        first, second = (torch.load(tmp_path / f"tiny-{k}.pt", weights_only=True) for k in (0, 1))
        assert first["progress"] == second["progress"]
        assert all(torch.equal(first["network"][key], second["network"][key]) for key in first["network"])

    def test_batches_go_on_where_they_were(self) -> None:
        place = Place()
        reader = batches(small_talk, "x", place)
        for _ in range(3):
            next(reader)
        resumed = batches(small_talk, "x", Place(place.chunk, place.batch))
        assert all(torch.equal(a, b) for a, b in zip(next(reader), next(resumed), strict=True))

    def test_bad_requests_are_refused_before_any_training(self, tmp_path: Path, signing: Path) -> None:
        console = Console(quiet=True)
        with pytest.raises(CourseError, match="no recipe for 'nothing'; there are: base"):
            make("nothing", processes=1, tokens=1, into=tmp_path, console=console)
        with pytest.raises(CourseError, match="so give 1 or 2"):
            make("base", processes=3, tokens=1, into=tmp_path, console=console)


def small_talk(seed: str) -> Iterator[Conversation]:
    return single("small_talk", seed, Style(noise=False))


def break_off(run: Run) -> None:
    if run.step == 4:
        run.save()
        raise InterruptedError


def test_the_manifest_names_every_checkpoint_of_the_course() -> None:
    digests = json.loads((checkpoint.WEIGHTS / "manifest.json").read_text(encoding="utf-8"))
    assert sorted(digests) == [f"{name}.safetensors" for name in checkpoint.names()]
