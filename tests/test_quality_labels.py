"""A text that pairs an id with the name of something else is found, wherever it stands and however it says it."""

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisecops import standards
from aisecops.course import CourseError
from aisecops.quality import labels
from tests.conftest import ROOT

# Five ways to write a label, and where they stand.
FORMS = {
    "docs/plain.md": "What it is: {id} {name}.\n",
    "docs/table.md": "| id | name |\n|---|---|\n| `{id}` | **{name}** |\n",
    "docs/bracket.md": "Known as *{name}* ({id}).\n",
    "aisecops/targets/pairs.py": 'NAMES = {{\n    "{id}": "{name}",\n}}\n',
    "aisecops/targets/pairs.yaml": "- id: {id}\n  name: {name}\n",
}
PAIRS = [
    (id, standards.name(other))
    for source in standards.sources()
    for id, other in itertools.permutations(standards.ids(source), 2)
]


def write(course: Path, path: str, text: str) -> None:
    (course / path).parent.mkdir(parents=True, exist_ok=True)
    (course / path).write_text(text, encoding="utf-8")


def found(course: Path, path: str, text: str) -> list[str]:
    """What the check says about a course with this text in it."""
    write(course, path, text)
    return [str(finding) for finding in labels.check(course)]


def is_right(id: str, name: str) -> bool:
    try:
        standards.check(f"{id} {name}")
    except CourseError:
        return False
    return True


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("source", standards.sources())
def test_right_pairs_pass(tmp_path: Path, source: str, path: str) -> None:
    labels_ = [(id, name) for id in standards.ids(source) for name in (standards.name(id),)]
    text = "\n".join(FORMS[path].format(id=id, name=name) for id, name in labels_)
    assert found(tmp_path, path, text) == []


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("source", standards.sources())
def test_a_wrong_pair_is_found_in_each_form(tmp_path: Path, source: str, path: str) -> None:
    ids = standards.ids(source)
    # Each entry gets the name of the next one.
    pairs = [(id, standards.name(other)) for id, other in zip(ids, [*ids[1:], ids[0]], strict=True)]
    wrong = [(id, name) for id, name in pairs if not is_right(id, name)]
    assert wrong
    said = found(tmp_path, path, "\n".join(FORMS[path].format(id=id, name=name) for id, name in wrong))
    assert len(said) == len(wrong)
    for sentence, (id, _) in zip(said, wrong, strict=True):
        assert sentence.startswith(f"{path}:")
        assert f": standards: {id} is {standards.name(id)}, not " in sentence


@settings(max_examples=150, deadline=None)
@given(pair=st.sampled_from(PAIRS), form=st.sampled_from(sorted(FORMS)))
def test_any_wrong_pair_of_a_source_is_found(
    tmp_path_factory: pytest.TempPathFactory, pair: tuple[str, str], form: str
) -> None:
    id, name = pair
    said = found(tmp_path_factory.mktemp("course"), form, FORMS[form].format(id=id, name=name))
    assert len(said) == (0 if is_right(id, name) else 1)


@settings(max_examples=150, deadline=None)
@given(
    text=st.lists(
        st.sampled_from(
            [*(id for id, _ in PAIRS), *(name for _, name in PAIRS), " ", "\n", "(", "|", "# %%", "."]
        )
        | st.text(max_size=5)
    ).map("".join)
)
def test_no_text_breaks_the_check(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    course = tmp_path_factory.mktemp("course")
    (course / "README.md").write_bytes(text.encode("utf-8", "replace"))
    lines = text.count("\n") + text.count("\r") + 1
    assert all(1 <= int(finding.where.partition(":")[2]) <= lines for finding in labels.check(course))


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("# Labels\n\nUse LLM06.\n", 3, "LLM06 names no edition: write LLM06:2026 Unbounded Consumption or LLM06:2025"),
        ("ML05 alone", 1, "ML05 names no edition: write ML05:2023 Model Theft"),
        ("\nAISVS-C2 and\n", 2, "AISVS-C2 names no edition"),
        ("See AML.T9999.", 1, "no standard here has the id 'AML.T9999'"),
        ("See LLM11:2026.", 1, "no standard here has the id 'LLM11:2026'"),
        ("See GDPR-Art.99.", 1, "no standard here has the id 'GDPR-Art.99'"),
        ("See AML.CS123.", 1, "no standard here has the id 'AML.CS123'"),
        ("Models (AML.T0058) are.", 1, "was retired in ATLAS 2026.07: write AML.T0115.001"),
        ("AML.TA0001 *AI Attack Staging*", 1, "was renamed in ATLAS 2026.08: write AML.TA0001 AI Attack Adaptation"),
        ("AML.T0025 — Exfiltration via ML Inference API", 1, "AML.T0024 Exfiltration via AI Inference API"),
        ("AML.T0043:Prompt Injection", 1, "AML.T0043 is Craft Adversarial Data, not Prompt Injection"),
        ("LLM06:2026 is\n*excessive agency*", 1, "LLM06:2026 is Unbounded Consumption, not excessive agency"),
        ("so LLM03 was *Misinformation* in 2025", 1, "LLM03:2026 is Excessive Agency, not Misinformation"),
        ("first LLM06. Then came 2026.", 1, "LLM06 names no edition"),
    ],
)  # fmt: skip
def test_wrong_labels_in_prose(course: Path, text: str, line: int, sentence: str) -> None:
    said = found(course, "README.md", text)
    assert len(said) == 1
    assert said[0].startswith(f"README.md:{line}: standards: ")
    assert sentence in said[0]


@pytest.mark.parametrize(
    "text",
    [
        "LLM06 is Excessive Agency in 2025.",
        "Numbers moved since 2025: LLM03 was *Supply Chain* and is now *Excessive Agency*.",
        "AML.T0058 was retired in 2026.07.",
        "The tactic AML.TA0001 *AI Attack Staging* became *AI Attack Adaptation* in 2026.08.",
        "| AML.T0012 | Initial Access |",
        "the agency is excessive (LLM03:2026), the supply chain (LLM04:2026) and misinformation (LLM07:2026)",
        "From LLM01:2026 *Prompt Injection* to LLM10:2026 *Improper Output Handling*.",
        "AML.T0010.003 Model, AML.T0010.002 Data and AML.T0010.000 Hardware",
        "AML.T0010: Model files carry code, data (AML.T0010.002) carries triggers.",
        "AML.T0015\n\n## Active Scanning",
        "AML.T0051 LLM Prompt Injection (direct or indirect)",
        "AML.T0051.001 Indirect, NISTAML.015 indirect prompt injection",
        "html10:2020 xML01 ML-01 AML.TA00 LLM",
        "the case AML.CS0032",
    ],
)
def test_right_labels_in_prose(course: Path, text: str) -> None:
    assert found(course, "README.md", text) == []


def test_lists_of_pairs_in_code_are_read_in_either_order(course: Path) -> None:
    there = 'A = [("LLM01:2026", "Prompt Injection"), ("LLM03:2026", "Excessive Agency")]\n'
    back = 'B = [("Prompt Injection", "LLM01:2026"), ("Excessive Agency", "LLM03:2026")]\n'
    assert found(course, "aisecops/targets/pairs.py", there + "\n" + back) == []
    swapped = re.sub("LLM0[13]", lambda id: {"LLM01": "LLM03", "LLM03": "LLM01"}[id[0]], there + "\n" + back)
    said = found(course, "aisecops/targets/pairs.py", swapped)
    assert [one.partition(": ")[0] for one in said] == ["aisecops/targets/pairs.py:1"] * 2 + [
        "aisecops/targets/pairs.py:3"
    ] * 2


def test_a_line_of_code_is_its_own_sentence(course: Path) -> None:
    said = found(
        course, "aisecops/targets/ids.py", 'OLD = "LLM06"\nNEW = "LLM03:2026"\n# LLM06 is of\n# 2025.\n'
    )
    assert [one.partition(": ")[0] for one in said] == ["aisecops/targets/ids.py:1"]


def test_a_cell_of_a_notebook_is_named_by_its_line(course: Path) -> None:
    lab = course / "notebooks" / "month-01.py"
    lab.write_text(
        lab.read_text(encoding="utf-8").replace(
            "A tiny lab.", "Evasion is\n# AML.T0015 Extract AI\n# Model."
        ),
        encoding="utf-8",
    )
    (finding,) = labels.check(course)
    assert finding.where == "notebooks/month-01.py:3"
    assert finding.sentence.startswith("AML.T0015 is Evade AI Model, not Extract AI Model: write")


def test_a_break_in_a_string_does_not_hide_an_id(course: Path) -> None:
    said = found(course, "resources/figures/draw.py", r'LABEL = "AML.T0015\nAML.T9999"')
    assert len(said) == 1
    assert "AML.T9999" in said[0]


def test_a_text_that_is_no_text_is_refused(course: Path) -> None:
    (course / "README.md").write_bytes(b"\xff")
    with pytest.raises(CourseError, match=r"README\.md:1: this is not UTF-8"):
        labels.check(course)


def test_the_course_has_no_wrong_label() -> None:
    assert labels.check(ROOT) == []
