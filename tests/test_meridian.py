"""Meridian as data: what the threat model of month 1 relies on, and what a broken file says."""

from itertools import pairwise
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aisecops import standards
from aisecops.course import CourseError
from aisecops.targets import meridian
from aisecops.targets.meridian import Meridian, load, tool_log

GOOD = """\
elements:
  - {id: web, name: Web, kind: process, zone: dmz, owner: Ops, stages: [inference]}
  - {id: tool, name: Tool, kind: tool, zone: dmz, owner: Ops, stages: []}
flows:
  - {from: web, to: tool, carries: text, channel: HTTPS, authenticated: false}
assets:
  - {id: gold, name: Gold, element: tool, value: 5, crown_jewel: true}
entries: [web]
steps:
  - {from: web, to: tool, technique: AML.T0053, days: 1.5, how: Ask.}
calls:
  - {task: ask, tool: tool, scope: own-account, access: read, needed: true, count: 2}
"""


@pytest.fixture(scope="module")
def bank() -> Meridian:
    return load()


def broken(tmp_path: Path, text: str) -> str:
    path = tmp_path / "meridian.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CourseError) as error:
        load(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_three_systems_and_the_five_tools_are_there(bank):
    models = {element.id for element in bank.elements if element.kind == "model"}
    assert models == {"mail-filter", "fraud-model", "meri"}
    tools = {element.id for element in bank.elements if element.kind == "tool"}
    assert tools == {"look_up_account", "send_email", "open_ticket", "refund", "run_report"}
    zones = {element.zone for element in bank.elements}
    assert zones == {"internet", "dmz", "staff", "ml-platform", "core-banking"}
    stages = {stage for element in bank.elements for stage in element.stages}
    assert stages == {"data collection", "training", "registry", "deployment", "inference", "monitoring"}


def test_every_element_takes_part_in_a_flow(bank):
    ends = {end for flow in bank.flows for end in (flow.source, flow.target)}
    assert ends == {element.id for element in bank.elements}


def test_a_flow_crosses_a_boundary_when_its_ends_lie_in_different_zones(bank):
    crossing = {(flow.source, flow.target) for flow in bank.flows if bank.crosses_boundary(flow)}
    assert ("sender", "mail-gateway") in crossing
    assert ("meri", "refund") not in crossing
    assert 0.3 < len(crossing) / len(bank.flows) < 0.8


def test_exactly_one_asset_is_the_crown_jewel_and_the_internet_holds_the_entries(bank):
    assert bank.crown_jewel.element == "core-ledger"
    assert [asset.crown_jewel for asset in bank.assets].count(True) == 1
    assert {bank.element(entry).zone for entry in bank.entry_points} == {"internet"}


def test_every_attack_step_names_a_technique_of_atlas(bank):
    for step in bank.attack_steps:
        assert standards.lookup(step.technique).id.startswith("AML.T")
        assert step.how.endswith(".")


def test_the_cheapest_paths_to_the_crown_jewel_are_unique_and_of_different_kinds(bank):
    graph = nx.DiGraph()
    for step in bank.attack_steps:
        assert not graph.has_edge(step.source, step.target), "one step a pair, so that a path has one cost"
        graph.add_edge(step.source, step.target, days=step.days)
    paths = sorted(
        (sum(graph.edges[pair]["days"] for pair in pairwise(path)), path)
        for entry in bank.entry_points
        for path in nx.all_simple_paths(graph, entry, bank.crown_jewel.element)
    )
    assert len(paths) >= 6
    costs = [cost for cost, _ in paths]
    assert len(set(costs[:6])) == 6, "the five cheapest must stand apart from each other and from the sixth"
    assert len({path[0] for _, path in paths[:5]}) >= 3
    assert {path[0] for _, path in paths} == set(bank.entry_points)
    used = {node for _, path in paths for node in path}
    assert {"meri", "model-registry", "feedback-queue", "web-portal"} <= used


def test_an_unknown_element_is_refused(bank):
    with pytest.raises(CourseError, match="no element 'vault'"):
        bank.element("vault")


def test_the_tool_log_is_one_month_in_order_and_the_same_for_a_seed():
    log = tool_log()
    assert list(log) == ["id", "time", "task", "tool", "scope", "access", "needed"]
    assert len(log) == 400
    assert log.id.is_unique
    assert log.time.is_monotonic_increasing
    assert {(day.year, day.month) for day in log.time} == {(2026, 6)}
    assert log.equals(tool_log())
    assert not log.time.equals(tool_log(1).time)


def test_what_meri_needs_is_less_than_what_it_uses_and_not_what_it_uses_most():
    log = tool_log()
    uses = log.groupby(["tool", "scope", "access"]).needed.agg(["sum", "size"])
    grants = set(uses.index[uses["sum"] > 0])
    assert ("refund", "own-account", "write") in grants
    assert ("refund", "any-account", "write") not in grants
    assert ("look_up_account", "any-account", "read") not in grants
    assert ("run_report", "any-account", "read") in grants
    rarest_needed = uses.loc[list(grants), "size"].min()
    commonest_needless = uses.loc[uses["sum"] == 0, "size"].max()
    assert commonest_needless > 10 * rarest_needed, "counting calls must not give the answer"
    own = {calls.tool for calls in load().calls}
    assert own == {element.id for element in load().elements if element.kind == "tool"}


def test_a_good_file_loads(tmp_path):
    path = tmp_path / "meridian.yaml"
    path.write_text(GOOD, encoding="utf-8")
    bank = load(path)
    assert bank.attack_steps[0].days == 1.5
    assert bank.flows[0].source == "web"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("kind: process", "kind: proces", 2, "kind"),
        ("owner: Ops, stages: [inference]", "stages: [inference]", 2, "owner"),
        ("stages: [inference]", "stages: [dreaming]", 2, "stages"),
        ("id: tool,", "id: web,", 3, "the id 'web' is taken"),
        ("from: web, to: tool, carries", "from: wob, to: tool, carries", 5, "no element has the id 'wob'"),
        ("from: web, to: tool, carries", "to: tool, carries", 5, "from"),
        ("carries: text", "carries: text, cost: 3", 5, "unknown field 'cost'"),
        ("authenticated: false", "authenticated: perhaps", 5, "authenticated"),
        ("value: 5", "value: 9", 7, "value"),
        ("entries: [web]", "entries: [wob]", 8, "no element has the id 'wob'"),
        ("AML.T0053", "AML.T9999", 10, "AML.T9999"),
        ("days: 1.5", "days: 0", 10, "days"),
        ("days: 1.5", "days: .nan", 10, "days"),
        ("count: 2", "count: 0", 12, "count"),
        ("task: ask, tool: tool", "task: ask, tool: hammer", 12, "no element has the id 'hammer'"),
        ("{id: gold,", "{? [], id: gold,", 7, "found unhashable key"),
        ("elements:\n", "elements: [\n", 2, "correct the YAML"),
    ],
)
def test_a_mistake_is_reported_with_its_line(tmp_path, old, new, line, said):
    assert old in GOOD
    message = broken(tmp_path, GOOD.replace(old, new, 1))
    assert f"line {line}:" in message
    assert said in message


def test_a_file_with_no_or_two_crown_jewels_is_refused(tmp_path):
    assert "0 crown jewels" in broken(tmp_path, GOOD.replace("crown_jewel: true", "crown_jewel: false"))


@pytest.mark.parametrize("section", ["elements", "flows", "assets", "entries", "steps", "calls"])
def test_a_missing_section_is_named(tmp_path, section):
    assert f"section {section}" in broken(tmp_path, GOOD.replace(f"{section}:", f"{section}x:"))


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path):
    path = tmp_path / "meridian.yaml"
    with pytest.raises(CourseError, match="restore the file"):
        load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CourseError, match="UTF-8"):
        load(path)
    path.write_text("a: \x07", encoding="utf-8")
    with pytest.raises(CourseError, match="not YAML"):
        load(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(0, len(GOOD)),
    length=st.integers(0, 30),
    put=st.text(alphabet="{}[]:,-#&*!|>'\"% \n\tab01.~?", max_size=8),
)
def test_any_damage_loads_or_is_one_clear_sentence(tmp_path, at, length, put):
    path = tmp_path / "meridian.yaml"
    path.write_text(GOOD[:at] + put + GOOD[at + length :], encoding="utf-8")
    try:
        assert isinstance(load(path), meridian.Meridian)
    except CourseError as error:
        assert "\n" not in str(error)
