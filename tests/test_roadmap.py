"""The roadmap as data holds all of the original and nothing else; every mistake in it is found by line."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aisecops import roadmap as roadmaps
from aisecops.course import CourseError
from aisecops.roadmap import Checklist, Item, Roadmap, load

COURSE = Path(__file__).resolve().parents[1]
YAML = (COURSE / "roadmap.yaml").read_text(encoding="utf-8")
ORIGINAL = COURSE / "tests" / "fixtures" / "roadmap-seed.md"

# Pictures and check marks are decoration; the words are what counts.
DECORATION = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf\ufe0f]+ ?")


@pytest.fixture(scope="module")
def roadmap() -> Roadmap:
    return load(COURSE / "roadmap.yaml")


@pytest.fixture
def loaded_from(tmp_path: Path):
    def read(text: str | bytes) -> Roadmap:
        path = tmp_path / "roadmap.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path)

    return read


def original_lines() -> list[str]:
    text = DECORATION.sub("", ORIGINAL.read_text(encoding="utf-8"))
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def written(roadmap: Roadmap) -> Iterator[str]:
    """Yield the lines of the original document, from the data alone; marked additions stay out."""

    def bullets(items: tuple[Item, ...], sign: str = "-") -> Iterator[str]:
        yield from (f"{sign} {item.text}" for item in items if not item.added)

    def numbers(items: tuple[Item, ...]) -> Iterator[str]:
        kept = [item for item in items if not item.added]
        yield from (f"{n}. {item.text}" for n, item in enumerate(kept, start=1))

    def checklist(checklist: Checklist, sign: str) -> Iterator[str]:
        yield checklist.intro
        yield from bullets(checklist.items, sign)

    def span(first: int, last: int) -> str:
        return f"Month {first}" if first == last else f"Months {first}-{last}"

    yield f"# {roadmap.title}"
    yield "## Overview"
    yield roadmap.overview
    yield f"## Timeline: {roadmap.timeline}"
    yield "### Prerequisites"
    yield from checklist(roadmap.prerequisites, "-")
    for number, phase in enumerate(roadmap.phases, start=1):
        yield f"### Phase {number}: {phase.title} ({span(*phase.span)})"
        for month in phase.months:
            yield f"#### {span(month.months[0], month.months[-1])}: {month.title}"
            yield "**Objectives**:"
            yield from bullets(month.objectives)
            yield "**Resources**:"
            yield from bullets(month.resources)
            yield f"**Milestone**: {month.milestone.text}"
    yield "## Skill Matrix"
    for level in roadmap.skill_matrix:
        yield f"### {level.title} ({level.years})"
        yield from bullets(level.skills)
    yield "## Learning Resources Priority"
    for tier in roadmap.priorities:
        yield f"### {tier.title} ({tier.rank})"
        yield from numbers(tier.topics)
    yield "## Essential Tools"
    for family in roadmap.tools:
        yield f"### {family.title}"
        for purpose in family.purposes:
            yield f"- **{purpose.title}**: " + ", ".join(
                tool.name for tool in purpose.tools if not tool.added
            )
    yield "## Job Search Strategy"
    for search in roadmap.job_search:
        yield f"### Month {search.month}: {search.title}"
        yield from bullets(search.steps)
    yield "## Career Progression"
    for year in roadmap.career:
        yield f"### Year {year.year}: {year.title}"
        yield from bullets(year.steps)
    yield "## Pro Tips"
    for number, tip in enumerate((tip for tip in roadmap.tips if not tip.added), start=1):
        yield f"{number}. **{tip.headline}**: {tip.text}"
    yield "## Final Checklist"
    yield from checklist(roadmap.checklist, "- [ ]")
    yield "---"
    yield f"**Remember**: {roadmap.remember}"


def test_every_line_of_the_original_is_in_the_data_and_no_other(roadmap: Roadmap) -> None:
    assert list(written(roadmap)) == original_lines()


def test_the_comparison_sees_a_word_changed_and_an_unmarked_addition(loaded_from) -> None:
    changed = loaded_from(YAML.replace("Learn AI threat model}", "Learn the AI threat model}"))
    assert list(written(changed)) != original_lines()
    last = "{id: check-10, text: Respond to AI security incidents}"
    unmarked = loaded_from(YAML.replace(last, f"{last}\n    - {{id: check-11, text: Sleep well}}"))
    assert list(written(unmarked)) != original_lines()


def test_a_marked_addition_is_told_from_the_original(loaded_from) -> None:
    last = "{id: check-10, text: Respond to AI security incidents}"
    more = loaded_from(YAML.replace(last, f"{last}\n    - {{id: check-11, text: Sleep well, added: true}}"))
    assert more.checklist.items[-1].text == "Sleep well"
    assert list(written(more)) == original_lines()


def test_the_roadmap_has_the_size_of_the_original(roadmap: Roadmap) -> None:
    assert len(roadmap.phases) == 6
    assert [month.id for month in roadmap.months] == [*(f"m{n:02}" for n in range(1, 17)), "m18"]
    assert [phase.span for phase in roadmap.phases] == [(1, 3), (4, 6), (7, 9), (10, 12), (13, 15), (16, 18)]
    assert sum(len(month.objectives) for month in roadmap.months) == 68
    assert sum(len(p.tools) for family in roadmap.tools for p in family.purposes) == 18


def test_ids_are_the_ones_that_grades_and_progress_hold_on_to(roadmap: Roadmap) -> None:
    month = roadmap.month("m04")
    assert [objective.id for objective in month.objectives] == ["m04.1", "m04.2", "m04.3", "m04.4"]
    assert [resource.id for resource in month.resources] == ["m04.r1", "m04.r2", "m04.r3"]
    assert month.milestone.id == "m04.milestone"
    assert roadmap.skill_matrix[0].skills[2].id == "skill-1.3"
    assert roadmap.tools[0].purposes[0].tools[1].id == "nemo-guardrails"
    assert roadmap.checklist.items[2].id == "check-3"


def test_a_roadmap_cannot_be_changed_by_those_who_read_it(roadmap: Roadmap) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        roadmap.months[0].title = "Other"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["m04", "m4", "4", "04", "month-04", "month-4", 4, " M04 "])
def test_a_month_is_found_under_every_usual_name(roadmap: Roadmap, name: str | int) -> None:
    assert roadmap.month(name).title == "Prompt Injection Defense"
    assert roadmap.notebook(name) == "month-04"
    assert roadmap.phase_of(name).id == "phase-2"


def test_months_16_and_17_are_one_unit_with_two_notebooks(roadmap: Roadmap) -> None:
    assert roadmap.month("m17") is roadmap.month("m16")
    assert roadmap.month("m16").notebooks == ("month-16", "month-17")
    assert (roadmap.notebook("m16"), roadmap.notebook("m17")) == ("month-16", "month-17")


@pytest.mark.parametrize("name", ["m19", "0", "m00", "", "april", "m04.2", "month-", "m4x", -1, 19])
def test_an_unknown_month_is_refused_with_the_months_there_are(roadmap: Roadmap, name: str | int) -> None:
    for ask in (roadmap.month, roadmap.notebook, roadmap.phase_of):
        with pytest.raises(CourseError, match=r"m01, m02, .*m17, m18"):
            ask(name)


def test_the_course_of_the_current_folder_is_the_default(
    monkeypatch: pytest.MonkeyPatch, roadmap: Roadmap
) -> None:
    monkeypatch.setenv("AISECOPS_COURSE", str(COURSE))
    assert load() == roadmap


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), start=1) if part in line)


# what is done to the file: (old text, new text, text of the line to be named, words of the message)
MISTAKES = {
    "tab": ("    title: LLM Security Deep Dive", "\ttitle: LLM Security Deep Dive", "\ttitle", "not valid YAML"),
    "open quote": ('ensure you can:"', "ensure you can:", "ensure you can:", "not valid YAML"),
    "unclosed brace": ("Learn attack vectors}", "Learn attack vectors", "m02.2", "not valid YAML"),
    "unknown key": ("years: 5-7 years", "yers: 5-7 years", "yers", "nothing here is called 'yers'; did you mean 'years'"),
    "strange key": ("rank: Core", "rank: Core\n    xyzzy: 1", "xyzzy", "nothing here is called 'xyzzy'; remove it"),
    "missing key": ("    years: 5-7 years\n", "", "id: skill-2,", "'years' is missing here; add the line"),
    "missing top key": ("timeline: ", "# ", "title: AI SecOps", "'timeline' is missing"),
    "duplicate key": ("    rank: Core", "    rank: Core\n    rank: Main", "rank: Main", "'rank' stands in line"),
    "duplicate id": ("{id: m04.2,", "{id: m04.1,", "Learn defense techniques", "m04.1 is taken in line"),
    "duplicate tool": (
        "{id: art, name: ART}",
        "{id: lime, name: LIME}",
        "{id: lime, name: LIME}\n@last",
        "lime is taken in line .*; remove one",
    ),
    "id of another month": ("{id: m05.3,", "{id: m06.3,", "training data security", "does not fit its place; write m05.3"),
    "gap in numbers": ("{id: m07.3, ", "{id: m07.5, ", "Master pipeline security", "write m07.3"),
    "id of a milestone": ("{id: m07.milestone", "{id: m07-milestone", "m07-milestone", "write m07.milestone"),
    "id of a phase": ("id: phase-3", "id: phase-three", "phase-three", "write phase-3"),
    "id of a tool": ("id: nemo-guardrails", "id: nemo", "NeMo", "write nemo-guardrails"),
    "month twice": ("months: [5]", "months: [4]", "months: [4]\n@last", r"m05 covers months \[4\]; its turn is \[5\]"),
    "month left out": ("months: [16, 17]", "months: [16]", "months: [18]", r"m18 covers months \[18\]; its turn is \[17\]"),
    "month beyond": ("months: [18]", "months: [19]", "months: [19]", "whole number from 1 to 18"),
    "month in words": ("months: [9]", "months: [nine]", "months: [nine]", "'months' is 'nine'; write a whole number"),
    "month no list": ("months: [9]", "months: 9", "months: 9", "'months' must be a list, not '9'"),
    "empty list": ("months: [9]", "months: []", "months: []", "'months' is an empty list"),
    "empty text": ("title: Inference Security", "title:", "title:\n", "'title' is empty"),
    "text is a list": ("title: Inference Security", "title: [a, b]", "title: [a, b]", "'title' must be a text, not a list"),
    "text is a mapping": ("title: Inference Security", "title: {a: b}", "title: {a: b}", "text, not keys with values"),
    "item is a text": ("{id: m03.2, text: Learn prompt injection attacks}", "Learn", "- Learn\n", "'objectives' must be keys"),
    "mark is no yes or no": ("{id: m03.2, ", "{added: perhaps, id: m03.2, ", "m03.2", "'added' is 'perhaps'; write true"),
    "list as a key": ("timeline: 18", "[1, 2]: 18", "[1, 2]: 18", "no single word before the colon"),
    "two documents": ("\nphases:\n", "\n---\nphases:\n", "phases:\n", "second document"),
    "control character": ("title: Inference Security", "title: Inference\x07", "title: Inference\x07", "does not allow"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_a_remedy(case: str, loaded_from) -> None:
    old, new, where, message = MISTAKES[case]
    assert old in YAML
    broken = YAML.replace(old, new, 1)
    where, last, _ = where.partition("\n@last")
    lines = [n for n, line in enumerate(broken.split("\n"), start=1) if where in line + "\n"]
    if case == "missing key":
        lines = [line_of(broken, "id: skill-2")]
    expected = lines[-1 if last else 0]
    with pytest.raises(CourseError, match=message) as caught:
        loaded_from(broken)
    assert str(caught.value).startswith(f"roadmap.yaml:{expected}: ")


def test_the_first_of_several_mistakes_is_named(loaded_from) -> None:
    broken = YAML.replace("years: 7+ years", "yeers: 7+ years").replace(
        "title: Adversarial ML", "tytle: Adversarial ML"
    )
    with pytest.raises(
        CourseError, match=f"roadmap.yaml:{line_of(broken, 'tytle')}: nothing here is called 'tytle'"
    ):
        loaded_from(broken)


def test_the_last_months_may_not_be_cut_off(loaded_from) -> None:
    start, end = YAML.index("      - id: m18"), YAML.index("skill_matrix:")
    with pytest.raises(
        CourseError, match=r"roadmap.yaml:\d+: the last phase ends with month 17; add months 18 to 18"
    ):
        loaded_from(YAML[:start] + YAML[end:])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "roadmap.yaml:1: the file is empty"),
        (b"# only a comment\n", "roadmap.yaml:1: the file is empty"),
        (b"title\n", "roadmap.yaml:1: 'roadmap' must be keys with values, not 'title'"),
        (b"title: a\noverview: caf\xe9\n", "roadmap.yaml:2: a byte that is not UTF-8"),
        (b"title: &a [*a]\n", "roadmap.yaml:1: a reference to another entry"),
        (b"title: " + b"[" * 900 + b"]" * 900, "roadmap.yaml:1: lists or mappings nested too deeply"),
        (b"[" * 100_000, "roadmap.yaml:1: lists or mappings nested too deeply"),
        (b"title: *nowhere\n", "roadmap.yaml:1: a reference to another entry"),
    ],
)
def test_a_file_that_is_no_roadmap_at_all_is_refused(content: bytes, message: str, loaded_from) -> None:
    with pytest.raises(CourseError, match=message):
        loaded_from(content)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=r"cannot read .*roadmap\.yaml: No such file"):
        load(tmp_path / "roadmap.yaml")


def test_words_that_yaml_likes_to_guess_about_stay_words(loaded_from) -> None:
    guessed = loaded_from(
        YAML.replace("text: Implement guardrails}", "text: no}").replace("year: 4+", "year: 012")
    )
    assert guessed.checklist.items[3].text == "no"
    assert guessed.career[-1].year == "012"


LINES = YAML.splitlines(keepends=True)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.integers(0, len(LINES) - 1),
    mangle=st.one_of(
        st.just(lambda line: ""),
        st.just(lambda line: line * 2),
        st.just(lambda line: "  " + line),
        st.just(str.lstrip),
        st.sampled_from(":-[]{}\"'#&*!|>%@,\t\n0").map(lambda c: lambda line: c + line),
        st.integers(0, 60).map(lambda n: lambda line: line[:n] + line[n + 1 :]),
        st.tuples(st.integers(0, 60), st.text(max_size=5)).map(
            lambda cut: lambda line: line[: cut[0]] + cut[1] + line[cut[0] :]
        ),
    ),
)
def test_a_mangled_line_changes_nothing_or_is_seen(
    number: int, mangle, loaded_from, roadmap: Roadmap
) -> None:
    lines = [*LINES[:number], mangle(LINES[number]), *LINES[number + 1 :]]
    try:
        loaded = loaded_from("".join(lines).encode("utf-8", "surrogatepass"))
    except CourseError as error:
        refusal = str(error)
    else:
        refusal = None
    if refusal:
        assert re.match(r"roadmap\.yaml:\d+: .+; .+", refusal)
        return
    # What still loads either is the roadmap, or differs from the original in a way that the comparison finds.
    assert loaded == roadmap or list(written(loaded)) != original_lines()


def test_ids_stand_once(roadmap: Roadmap) -> None:
    ids = [entry.id for _, entry, _ in roadmaps._ids(roadmap)]
    assert len(ids) == len(set(ids))
