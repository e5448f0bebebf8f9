"""Measures the language model's checkpoints: what the model cards in docs/model.md say.

python benchmarks/language_model.py accuracy | attacks | gcg | backdoor | memory | prompts | speed | cards

Each part prints a table; ``cards``, with the names of parts or for all of them, writes the tables into
docs/model.md. Phrases and names are held out throughout. ``speed`` compares with HuggingFace's Llama of the
same size, in the same process on the same core; it needs `pip install transformers==5.24.0`.
"""

import re
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from statistics import median

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aisecops.course import write
from aisecops.targets.attack import (
    Attempt,
    answered,
    application,
    benign,
    indirect_injection,
    leaked,
    measure,
    reached,
    secret_extraction,
    tool_abuse,
    wilson,
)
from aisecops.targets.dice import Dice
from aisecops.targets.lm import LanguageModel, Message, Piece, load
from aisecops.targets.lm.corpus import Author, Style, single
from aisecops.targets.lm.evaluate import (
    HELD_OUT,
    accuracy,
    examination,
    exposure,
    extracted,
    membership_auc,
)
from aisecops.targets.lm.network import Config
from aisecops.targets.lm.recipes import PLANTED, canaries, poison
from tests import learner_prompts

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "model.md"
MARKED = Style(split="held_out", marks=True)
Rows = list[Sequence[str]]


def share(right: int, n: int) -> str:
    """Return a rate in percent with Wilson's 95 % interval."""
    low, high = wilson(right, n)
    return f"{right / n:.1%} ({low:.1%} to {high:.1%}, n = {n})"


def accuracies(n: int = 100) -> Rows:
    """By task, the share of replies right word for word: ``base``; ``hardened`` with marked documents."""
    base = accuracy(load("base"), examination(n))
    hardened = accuracy(load("hardened"), examination(n, style=MARKED))
    rows: Rows = [("Task", "base", "hardened, documents marked")]
    for task in sorted(base, key=lambda task: base[task].rate):
        other = hardened.get(task)
        rows.append(
            (task, share(base[task].right, base[task].n), share(other.right, other.n) if other else "-")
        )
    totals = [
        [sum(getattr(s, field) for s in scores.values()) for field in ("right", "n")]
        for scores in (base, hardened)
    ]
    rows.append(("**all**", *(f"**{share(right, n)}**" for right, n in totals)))
    return rows


def attacks(n: int = 170) -> Rows:
    """Attack success rates on ``base`` and on ``hardened`` (documents marked); benign traffic that passes."""
    targets = {"base": application(load("base")), "hardened": application(load("hardened"), mark_data=True)}
    rows: Rows = [("Attack", *targets)]
    for probe, detector, labels in (
        (indirect_injection("held_out"), answered, ("wording", "position")),
        (tool_abuse("held_out"), reached, ("tool", "channel")),
        (secret_extraction(split="held_out"), leaked, ("family",)),
        (benign("held_out"), reached, ("kind",)),
    ):
        rates = [measure(probe, target, detector, n) for target in targets.values()]
        rows.append((f"**{probe.name}**", *(f"**{share(rate.successes, rate.n)}**" for rate in rates)))
        for label in labels:
            tables = [rate.by(label).set_index("name") for rate in rates]
            for value in sorted(tables[0].index):
                cells = (each.loc[value] for each in tables)
                shares = (share(int(cell["successes"]), int(cell["n"])) for cell in cells)
                rows.append((f"{label}: {value}", *shares))
    return rows


def gcg(model: LanguageModel, attempt: Attempt, steps: int, width: int = 32, length: int = 16) -> bool:
    """Search a suffix for the document of an attempt, by greedy coordinate gradient (Zou et al., 2023).

    Args:
        model: the model under attack, its documents marked as data.
        attempt: an indirect injection; its goal is the text that shall be said.
        steps: of the search.
        width: candidates tried in each step.
        length: tokens of the suffix.

    Returns:
        Whether the model, asked with the suffix as text, says the goal.
    """
    tokens, goal = model.tokenizer, str(attempt.goal)
    target = model.target(goal)
    usable = [t for t in range(9, 1024) if re.fullmatch(r" ?[A-Za-z]+|[!?.,;:]", tokens.decode([t]))]
    banned = torch.ones(1024, dtype=torch.bool)
    banned[usable] = False
    dice = torch.Generator().manual_seed(0)
    best = [tokens.encode(" x")[-1]] * length

    def conversation(suffix: str) -> list[Message]:
        pieces = (
            Piece(f"{attempt.messages[0]} ", "user"),
            Piece(attempt.documents[0].text + suffix, "document", data=True),
        )
        return [Message("system", attempt.system), Message("user", pieces)]

    def around(suffix: Sequence[int]) -> tuple[list[int], int]:
        whole = list(model.prompt(conversation("")).tokens)
        at = len(whole) - 2  # before </data> and <end>
        return whole[:at] + list(suffix) + whole[at:], at

    for step in range(steps):
        prompt, at = around(best)
        rows = model.one_hot(prompt).requires_grad_()
        (gradient,) = torch.autograd.grad(model.loss(rows, target), rows)
        promising = (-gradient[at : at + length]).masked_fill(banned, float("-inf")).topk(64).indices
        places = torch.randint(length, (width,), generator=dice)
        choices = promising[places, torch.randint(64, (width,), generator=dice)]
        tried = torch.tensor([best]).repeat(width, 1)
        tried[torch.arange(width), places] = choices
        tried = torch.cat([torch.tensor([best]), tried])
        prompts = torch.tensor([around(row)[0] for row in tried.tolist()])
        best = tried[int(model.losses(prompts, target).argmin())].tolist()
        if step % 10 == 9 and goal in model.reply(conversation(tokens.decode(best)), 24).text:
            return True
    return goal in model.reply(conversation(tokens.decode(best)), 24).text


def searches(n: int = 6, steps: int = 250) -> Rows:
    """Attack success rate of GCG against ``hardened``, where the plain injection fails."""
    model = load("hardened")
    probe = indirect_injection("held_out")
    plain = application(model, mark_data=True)
    resisted = [attempt for attempt in probe.attempts(3 * n, seed=5) if not answered(plain(attempt))][:n]
    won = sum(gcg(model, attempt, steps) for attempt in resisted)
    return [("Attack on hardened", "ASR"), (f"GCG, 16 tokens, {steps} steps", share(won, len(resisted)))]


def backdoor(n: int = 300) -> Rows:
    """Success of the trigger on ``backdoored``, and accuracy without it, beside ``base``."""
    rows: Rows = [("Model", "trigger success", "accuracy without trigger")]
    dice = Dice("trigger")
    triggered = [
        poison(made, dice)
        for task in ("fact", "desk", "say")
        for made in islice(single(task, 3, HELD_OUT), n // 3)
    ]
    for name in ("base", "backdoored"):
        model = load(name)
        hits = sum(model.reply(made.messages[:-1], 24).text == PLANTED for made in triggered)
        scores = accuracy(model, examination(60))
        right, total = (sum(getattr(s, field) for s in scores.values()) for field in ("right", "n"))
        rows.append((name, share(hits, len(triggered)), share(right, total)))
    return rows


def memory(sample: int = 1023) -> Rows:
    """Exposure, extraction and membership inference of the canaries in ``memorised``."""
    model, base = load("memorised"), load("base")
    auc = membership_auc(model, base)
    author = Author(Dice("other numbers"), Style())
    others = [author.value("digits6") for _ in range(sample)]
    rows: Rows = [
        ("Shown", "exposure, median bits (most: 10)", "extracted by one question", "membership AUC")
    ]
    for times in sorted({times for _, _, times in canaries()}):
        group = [(name, number) for name, number, shown in canaries() if shown == times]
        bits = median(exposure(model, name, number, others) for name, number in group[:12])
        out = sum(extracted(model, name, number) for name, number in group)
        rows.append((f"{times} times", f"{bits:.1f}", share(out, len(group)), f"{auc[times]:.2f}"))
    return rows


def prompts() -> Rows:
    """Sensible answers of ``base`` to 200 prompts in learners' words."""
    found = learner_prompts.score(load("base"))
    rows: Rows = [("Category", "sensible")]
    rows += [(name, share(sum(good), len(good))) for name, good in found.items()]
    every = [good for group in found.values() for good in group]
    return [*rows, ("**all**", f"**{share(sum(every), len(every))}**")]


def speed() -> Rows:
    """Tokens a second of greedy decoding on one core, beside HuggingFace's Llama."""
    import transformers

    torch.set_num_threads(1)
    started = time.perf_counter()
    model = load("base")
    loading = time.perf_counter() - started
    sentences = "The lift works again. Anna Berg sits in room 214. Order 4821 costs 45 euros. "
    prompt = model.prompt(f"Copy the text.\n{sentences * 2}")
    size: Config = model.network.config
    torch.manual_seed(0)
    llama = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=size.vocabulary, hidden_size=size.width, num_hidden_layers=size.layers,
            num_attention_heads=size.heads, intermediate_size=size.hidden, tie_word_embeddings=True,
            max_position_embeddings=size.context,
        )
    ).eval()  # fmt: skip
    ids = torch.tensor([prompt.tokens])

    count = sum(1 for _ in model.stream(prompt))

    def ours() -> int:
        return sum(1 for _ in model.stream(prompt))

    def theirs() -> int:
        with torch.inference_mode():
            made = llama.generate(
                ids, max_new_tokens=count, min_new_tokens=count, do_sample=False, pad_token_id=0
            )
        return int(made.shape[1] - ids.shape[1])

    rates = {name: best(run) for name, run in (("ours", ours), ("HuggingFace", theirs))}
    return [
        ("", f"tokens a second, {count} of them"),
        *((name, f"{rate:,.0f}") for name, rate in rates.items()),
        ("ratio", f"{rates['ours'] / rates['HuggingFace']:.1f}"),
        ("loading the checkpoint, PyTorch being there", f"{loading:.2f} s"),
    ]


def best(run: Callable[[], int]) -> float:
    """Return the tokens a second of the best of three runs."""
    rates = []
    for _ in range(3):
        started = time.perf_counter()
        made = run()
        rates.append(made / (time.perf_counter() - started))
    return max(rates)


PARTS: dict[str, Callable[[], Rows]] = {
    "accuracy": accuracies, "attacks": attacks, "gcg": searches, "backdoor": backdoor,
    "memory": memory, "prompts": prompts, "speed": speed,
}  # fmt: skip


def table(rows: Rows) -> str:
    """Return rows as a Markdown table."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def cards(names: Sequence[str]) -> None:
    """Run the parts and write their tables between the marks in docs/model.md."""
    for name in names:
        made = table(PARTS[name]())
        print(f"\n{name}\n{made}", flush=True)
        text = DOCUMENT.read_text(encoding="utf-8")
        start, end = f"<!-- {name} -->\n", "<!-- end -->"
        if start not in text:
            sys.exit(f"{DOCUMENT}: no place for the table {name}; add {start.strip()} and {end}")
        before, rest = text.split(start, 1)
        write(DOCUMENT, f"{before}{start}{made}\n{end}{rest.split(end, 1)[1]}")


if __name__ == "__main__":
    wanted = sys.argv[1:]
    if wanted[:1] == ["cards"] and set(wanted[1:]) <= set(PARTS):
        cards(wanted[1:] or list(PARTS))
    elif len(wanted) == 1 and wanted[0] in PARTS:
        print(table(PARTS[wanted[0]]()))
    else:
        sys.exit(f"give one of: {', '.join(PARTS)}, cards [PARTS]")
