"""The catalogue of incidents: what a learner may rely on, and what a broken file says."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aisecops.course import CourseError
from aisecops.targets import incidents
from aisecops.targets.incidents import Incident, frame, load

GOOD = """\
- id: one
  date: 2024-05
  title: A title
  kind: incident
  system: generative
  victim: somebody
  happened: Something.
  entry: a door
  consequence: a loss
  source: Somebody (2024)
  labels:
    owasp: [LLM01:2026]
    tactics: [AML.TA0005]
    techniques: [AML.T0051.001]
    accept: []
"""


@pytest.fixture(scope="module")
def catalogue() -> list[Incident]:
    return load()


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "incidents.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_catalogue_spans_ten_years_oldest_first(catalogue: list[Incident]) -> None:
    dates = [incident.date for incident in catalogue]
    assert dates == sorted(dates)
    assert (catalogue[0].year, catalogue[-1].year) == (2016, 2026)
    assert len(catalogue) >= 24


def test_ids_are_unique_slugs(catalogue: list[Incident]) -> None:
    ids = [incident.id for incident in catalogue]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in ids)


def test_every_kind_of_event_and_system_occurs(catalogue: list[Incident]) -> None:
    assert {incident.kind for incident in catalogue} == set(incidents.KINDS)
    assert {incident.system for incident in catalogue} == set(incidents.SYSTEMS)


@pytest.mark.parametrize(
    "citation",
    [
        "AML.CS0009", "CVE-2019-20634", "Compromised PyTorch-nightly", "CVE-2023-29374",
        "Incident Database 768", "2024 BCCRT 149", "JFrog", "CVE-2023-48022", "Ultralytics", "CVE-2025-32711",
        "Incident Database 622",
        "AML.CS0003", "Incident Database 634", "Incident Database 473", "March 20 ChatGPT outage",
        "arXiv:2302.12173", "AML.CS0019", "Space secrets", "CVE-2025-8217", "Incident Database 631",
        "38TB", "AML.CS0031", "AML.CS0053", "CVE-2025-54135", "AML.CS0022", "AML.CS0030",
    ],
)  # fmt: skip
def test_well_known_events_are_there(catalogue: list[Incident], citation: str) -> None:
    assert any(citation in incident.source for incident in catalogue)


def test_sources_give_a_year_not_before_the_event(catalogue: list[Incident]) -> None:
    for incident in catalogue:
        years = [int(year) for year in re.findall(r"\b20\d\d\b", incident.source)]
        assert years, f"{incident.id}: no year in the source"
        assert max(years) >= incident.year, f"{incident.id}: the source is older than the event"


def test_research_is_marked_as_research(catalogue: list[Incident]) -> None:
    kinds = {incident.id: incident.kind for incident in catalogue}
    for shown in (
        "greshake-indirect-injection",
        "poisongpt",
        "cylance-bypass",
        "proof-pudding",
        "slopsquatting",
    ):
        assert kinds[shown] == "demonstration"


def test_every_label_exists_in_the_standards(catalogue: list[Incident]) -> None:
    from aisecops import standards

    for incident in catalogue:
        for label in (*incident.owasp, *incident.tactics, *incident.techniques, *incident.accept):
            standards.check(label)


def test_labels_name_their_edition_and_stand_in_their_column(catalogue: list[Incident]) -> None:
    patterns = {
        "owasp": r"LLM\d\d:2026|ML\d\d:2023",
        "tactics": r"AML\.TA\d{4}",
        "techniques": r"AML\.T\d{4}(\.\d{3})?",
    }
    for incident in catalogue:
        for column, pattern in patterns.items():
            assert all(re.fullmatch(pattern, label) for label in getattr(incident, column)), incident.id
        assert all(re.fullmatch("|".join(patterns.values()), label) for label in incident.accept), incident.id


def test_an_answer_is_given_once(catalogue: list[Incident]) -> None:
    for incident in catalogue:
        labels = [*incident.owasp, *incident.tactics, *incident.techniques, *incident.accept]
        assert len(set(labels)) == len(labels), incident.id
        assert bool(incident.tactics) == bool(incident.techniques), incident.id


def test_twelve_events_wait_for_the_learner_without_any_label(catalogue: list[Incident]) -> None:
    unsorted = [incident for incident in catalogue if not incident.tactics]
    assert len(unsorted) == 12
    assert not any(incident.owasp or incident.accept for incident in unsorted)


def test_only_misuse_of_ai_against_people_has_no_owasp_label(catalogue: list[Incident]) -> None:
    sorted_ones = [incident for incident in catalogue if incident.tactics]
    assert [incident.id for incident in sorted_ones if not incident.owasp] == ["arup-deepfake"]


def test_frame_has_a_row_an_incident_and_lists_of_labels(catalogue: list[Incident]) -> None:
    table = frame()
    assert list(table["id"]) == [incident.id for incident in catalogue]
    assert list(table.loc[table["id"] == "slack-ai", "owasp"].iloc[0]) == ["LLM01:2026", "LLM02:2026"]
    assert table["year"].between(2016, 2026).all()
    assert table.explode("tactics")["tactics"].count() == sum(len(incident.tactics) for incident in catalogue)


def test_changing_the_frame_leaves_the_catalogue_alone(catalogue: list[Incident]) -> None:
    frame(catalogue)["owasp"].iloc[0].append("LLM99:2026")
    assert "LLM99:2026" not in load()[0].owasp


def test_frame_of_nothing_keeps_its_columns() -> None:
    assert list(frame([]).columns) == list(frame().columns)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    (incident,) = load(written(tmp_path, GOOD))
    assert (incident.date, incident.year, incident.techniques) == ("2024-05", 2024, ("AML.T0051.001",))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected a list"),
        ("id: one\n", "expected a list"),
        ("- just text\n", "line 1: the incident is not a mapping"),
        ("- id: [\n", r"line \d+: .*correct the YAML"),
        ("- \x00\n", "is not YAML"),
        (GOOD.replace("  entry: a door\n", ""), "line 1: the incident lacks entry"),
        (GOOD + "  price: 3\n", "unknown field price"),
        (GOOD.replace("    accept: []\n", ""), "labels lacks accept"),
        (GOOD.replace("accept: []", "accept: LLM02:2026"), "labels.accept is not a list"),
        (GOOD.replace("accept: []", "accept: [[a]]"), "labels.accept is not a list"),
        (GOOD.replace("2024-05", "May 2024"), "date 'May 2024'"),
        (GOOD.replace("2024-05", "2024-13"), "date '2024-13'"),
        (GOOD.replace("kind: incident", "kind: rumour"), "kind 'rumour' is unknown; use one of incident"),
        (GOOD.replace("generative", "magic"), "system 'magic' is unknown"),
        (GOOD.replace("a door", "''"), "entry is empty"),
        (GOOD + GOOD, "line 16: the id 'one' is taken"),
    ],
)
def test_a_broken_file_says_what_and_where(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(CourseError, match=says) as caught:
        load(written(tmp_path, text))
    assert "incidents.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_binary_one_say_so(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="cannot read"):
        load(tmp_path / "none.yaml")
    binary = tmp_path / "incidents.yaml"
    binary.write_bytes(b"\xff\xfe\x80")
    with pytest.raises(CourseError, match="not UTF-8"):
        load(binary)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    text=st.one_of(
        st.text(),
        st.builds(
            lambda position, piece: GOOD[:position] + piece + GOOD[position:],
            st.integers(0, len(GOOD)),
            st.text(alphabet="-[]{}:#&*!|>'\"%@`, \n\tab1é\x85", max_size=6),
        ),
    )
)
def test_any_text_is_read_or_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    try:
        says = "read: " + ", ".join(incident.id for incident in load(written(tmp_path, text)))
    except CourseError as error:
        says = str(error)
    assert says.startswith("read: ") or "incidents.yaml" in says
