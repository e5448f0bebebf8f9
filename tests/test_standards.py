"""No lab carries a label whose id and name do not belong together."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisecops import standards
from aisecops.course import CourseError

EVERY_ID = [id for source in standards.sources() for id in standards.ids(source)]


@pytest.mark.parametrize("id", EVERY_ID)
def test_every_id_is_accepted_alone_and_with_its_name(id: str) -> None:
    standard = standards.lookup(id)
    assert standards.name(id) == standard.name
    assert (
        standards.check(id)
        == standards.check(str(standard))
        == standards.check(f"{id} — {standard.name}")
        == standard
    )


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("OWASP LLM 2026", 10),
        ("OWASP LLM 2025", 10),
        ("OWASP ASI 2026", 10),
        ("OWASP ML 2023", 10),
        ("OWASP AISVS 1.0", 12),
        ("OWASP AITG v1", 32),
        ("ATLAS tactics", 16),
        ("NIST AI RMF 1.0", 4 + 19),
        ("NIST AI 600-1", 12),
        ("SAIF", 15),
        ("ISO 42001", 9),
    ],
)
def test_sources_are_complete(source: str, size: int) -> None:
    assert len(standards.ids(source)) == size


def test_an_id_stands_in_one_source_only() -> None:
    assert len(set(EVERY_ID)) == len(EVERY_ID)


def test_tactics_come_in_the_order_of_the_matrix() -> None:
    tactics = standards.ids("ATLAS tactics")
    assert tactics[:4] == ("AML.TA0002", "AML.TA0003", "AML.TA0004", "AML.TA0000")
    assert tactics[-4:] == ("AML.TA0001", "AML.TA0014", "AML.TA0010", "AML.TA0011")


def test_an_entry_says_where_it_comes_from() -> None:
    assert standards.lookup("LLM01:2026") == standards.Standard(
        "LLM01:2026", "Prompt Injection", "OWASP LLM 2026", "2026"
    )
    assert standards.lookup("AML.T0051.001").name == "LLM Prompt Injection: Indirect"
    assert standards.lookup("AML.T0051.001").edition == "2026.09"


def test_an_unknown_source_is_refused_with_those_there_are() -> None:
    with pytest.raises(CourseError, match=r"no source 'OWASP': choose one of OWASP LLM 2026, .*CWE"):
        standards.ids("OWASP")


def test_the_editions_of_the_llm_list_map_one_to_one() -> None:
    new, old = standards.ids("OWASP LLM 2026"), standards.ids("OWASP LLM 2025")
    assert sorted(standards.crosswalk(id) for id in new) == sorted(old)
    assert sorted(standards.crosswalk(id) for id in old) == sorted(new)
    assert all(standards.crosswalk(standards.crosswalk(id)) == id for id in (*new, *old))


def test_the_crosswalk_keeps_the_subject() -> None:
    changed = {
        id
        for id in standards.ids("OWASP LLM 2025")
        if standards.name(id) != standards.name(standards.crosswalk(id))
    }
    assert changed == {"LLM07:2025"}, "only System Prompt Leakage became something broader"
    assert standards.crosswalk("LLM06:2025") == "LLM03:2026"
    assert standards.crosswalk("LLM07:2025") == "LLM08:2026"


@pytest.mark.parametrize("id", ["ML01:2023", "AML.T0051", "CWE-502"])
def test_no_crosswalk_where_there_is_one_edition(id: str) -> None:
    with pytest.raises(CourseError, match=f"{re.escape(id)} has no counterpart"):
        standards.crosswalk(id)


@pytest.mark.parametrize(
    "label",
    [
        "LLM01:2026 prompt injection",
        "LLM05:2026: Data & Model Poisoning",
        "ASI02:2026 Tool Misuse and Exploitation",
        "ASI05:2026 Unexpected Code Execution",
        "ML01:2023 Input Manipulation Attack",
        "AITG-APP-01 Testing for Prompt Injection",
        "AML.T0051.001 Indirect",
        "AML.T0051.001 - LLM Prompt Injection: Indirect",
        "AML.T0051:LLM Prompt Injection",
        "  AML.TA0001   AI Attack Adaptation ",
        "GDPR-Art.5(1)(c) Data minimisation",
        "AIA-Art.15 Accuracy, robustness and cybersecurity",
    ],
)
def test_a_right_name_is_accepted_however_it_is_punctuated(label: str) -> None:
    assert label.strip().startswith(standards.check(label).id)


# Pairs seen in published mappings, all of them wrong; the error must say each of the words.
WRONG = {
    "AML.T0043:Prompt Injection": ["AML.T0043 is Craft Adversarial Data", "AML.T0051 LLM Prompt Injection"],
    "AML.T0048 — LLM Prompt Injection: Indirect": ["AML.T0048 is External Harms", "AML.T0051.001 LLM Prompt Injection: Indirect"],
    "AML.T0025 — Exfiltration via ML Inference API": ["AML.T0025 is Exfiltration via Cyber Means", "AML.T0024 Exfiltration via AI Inference API"],
    "AML.T0080.001 — AI Agent Context Poisoning: Memory": ["AML.T0080.001 is AI Agent Context Poisoning: Thread", "AML.T0080.000"],
    "AML.T0080.001 Memory": ["AML.T0080.001 is AI Agent Context Poisoning: Thread", "AML.T0080.000"],
    # names from the time when ATLAS wrote "ML"
    "AML.T0015 Evade ML Model": ["AML.T0015 is Evade AI Model, not Evade ML Model: write AML.T0015 Evade AI Model"],
    "AML.T0010 ML Supply Chain Compromise": ["AML.T0010 is AI Supply Chain Compromise, not ML Supply Chain Compromise: write AML.T0010"],
    # tags without an edition
    "owasp:llm02": ["names no edition", "LLM02:2026 Sensitive Information Disclosure", "LLM02:2025 Sensitive"],
    "owasp:llm06": ["names no edition", "LLM06:2026 Unbounded Consumption", "LLM06:2025 Excessive Agency"],
}  # fmt: skip


@pytest.mark.parametrize("label", WRONG)
def test_wrong_pairs_of_published_mappings_are_refused_with_the_right_ones(label: str) -> None:
    with pytest.raises(CourseError) as caught:
        standards.check(label)
    assert [part for part in WRONG[label] if part not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("LLM01", "LLM01 names no edition: write LLM01:2026 Prompt Injection or LLM01:2025 Prompt Injection"),
        (
            "LLM07 System Prompt Leakage",
            "LLM07 names no edition: write LLM07:2026 Misinformation or LLM07:2025 System",
        ),
        ("ASI01", "write ASI01:2026 Agent Goal Hijack"),
        ("ml05", "write ML05:2023 Model Theft"),
        ("AISVS-C2", "write AISVS-C2:1.0 Input Validation"),
        (
            "LLM06:2026 Excessive Agency",
            "LLM06:2026 is Unbounded Consumption, .* or LLM03:2026 Excessive Agency",
        ),
        (
            "AML.T0019",
            r"AML.T0019 Publish Poisoned Datasets was retired in ATLAS 2026.07: write AML.T0115.000",
        ),
        ("AML.T0104 Publish Poisoned AI Agent Tool", "was retired in ATLAS 2026.07: write AML.T0115.002"),
        (
            "AML.TA0001 AI Attack Staging",
            "AI Attack Staging was renamed in ATLAS 2026.08: write AML.TA0001 AI Attack Adaptation",
        ),
        (
            "AML.M0015 Adversarial Input Detection",
            "was renamed in ATLAS 2026.07: write AML.M0015 Predictive AI",
        ),
        ("LLM01:2026 Good Weather", "LLM01:2026 is Prompt Injection, not Good Weather: write LLM01:2026"),
        (
            "CWE-502 Prompt Injection",
            "CWE-502 is Deserialization of Untrusted Data, .*LLM01:2026 Prompt Injection",
        ),
        ("LLM11:2026", "no standard here has the id 'LLM11:2026': did you mean LLM1"),
        ("AML.T0051.009 Sideways", "no standard here has the id 'AML.T0051.009': did you mean AML.T0051"),
        ("T0051", r"no standard here has the id 'T0051'"),
        ("Prompt Injection", "no standard here has the id 'Prompt': see aisecops/standards.yaml"),
        ("", "no standard here has the id ''"),
    ],
)
def test_a_wrong_label_is_refused_with_what_to_write(label: str, message: str) -> None:
    with pytest.raises(CourseError, match=message):
        standards.check(label)


@given(
    st.one_of(st.text(max_size=30), st.builds("{}{}".format, st.sampled_from(EVERY_ID), st.text(max_size=12)))
)
def test_any_text_is_an_entry_or_refused_in_one_sentence(label: str) -> None:
    try:
        standard = standards.check(label)
    except CourseError as error:
        refusal = str(error)
    else:
        refusal = ""
        assert label.strip().startswith(standard.id)
    assert "Traceback" not in refusal


@given(st.sampled_from(EVERY_ID), st.sampled_from(EVERY_ID))
def test_the_name_of_another_id_never_passes(id: str, other: str) -> None:
    label = f"{id} {standards.name(other)}"
    if standards.name(id) == standards.name(other):
        assert standards.check(label).id == id
    else:
        with pytest.raises(CourseError, match=re.escape(f"{id} is {standards.name(id)}, not ")):
            standards.check(label)


def test_importing_the_index_loads_no_parser() -> None:
    code = "import sys, aisecops.standards; print({'yaml', 'pydantic'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "set()"
