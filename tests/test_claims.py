"""The claims assistant as data: what the labs rely on, and what a broken file says."""

from itertools import product
from math import log

import networkx as nx
import pytest

from aisecops import standards
from aisecops.course import CourseError
from aisecops.targets import claims
from aisecops.targets.claims import Claims, load

GOOD = """\
elements:
  - {id: web, name: Web, kind: process, zone: dmz, effect: none, holds: [], controls: [review], at: [0, 1]}
  - {id: pay, name: Pay, kind: tool, zone: dmz, effect: write, holds: [money], controls: [], at: [1, 1]}
flows:
  - {from: web, to: pay, role: call, carries: amount, authenticated: false, encrypted: true}
steps:
  - {id: ask, technique: AML.T0053, days: 1.5, chance: 0.5, how: Ask.}
goals:
  - {id: top, name: Top, how: any, of: [ask, low]}
  - {id: low, name: Low, how: all, of: [ask]}
scenarios:
  - {id: loss, name: Loss, per_year: [1, 3], loss: [10, 90]}
measures:
  - {id: guard, name: Guard, cost: 5, prevents: {loss: 0.5}, needs: []}
  - {id: list, name: List, cost: 1, prevents: {}, needs: [guard]}
topics:
  - {id: glass, texts: [Broken glass.], asks: [repair glass]}
"""


@pytest.fixture(scope="module")
def clara() -> Claims:
    return load()


def test_the_assistant_has_five_tools_an_index_a_fraud_model_and_a_training_pipeline(clara):
    kinds = {element.id: element.kind for element in clara.elements}
    tools = {id for id, kind in kinds.items() if kind == "tool"}
    assert tools == {"send_email", "lookup", "refund", "run_report", "book_inspection"}
    assert kinds["clara"] == "language model"
    assert kinds["fraud-model"] == "predictive model"
    called = {flow.target for flow in clara.flows if flow.source == "clara" and flow.role == "call"}
    assert called == tools
    graph = nx.DiGraph([(f.source, f.target) for f in clara.flows if f.role in ("training", "weights")])
    assert nx.has_path(graph, "claim-history", "fraud-model")
    assert ("document-index", "clara", "context") in {(f.source, f.target, f.role) for f in clara.flows}


def test_every_element_takes_part_in_a_flow_and_has_a_place_of_its_own(clara):
    ends = {end for flow in clara.flows for end in (flow.source, flow.target)}
    assert ends == {element.id for element in clara.elements}
    assert len({element.at for element in clara.elements}) == len(clara.elements)


def test_every_control_in_use_is_explained():
    assert {word for element in load().elements for word in element.controls} <= set(claims.CONTROLS)


def test_the_system_is_plain_data_and_each_call_gives_a_copy(clara):
    system = clara.system()
    assert set(system) == {"elements", "flows"}
    assert {"from", "to", "role", "carries", "authenticated", "encrypted"} == set(system["flows"][0])
    assert {"id", "kind", "zone", "effect", "holds", "controls"} == set(system["elements"][0])
    system["elements"][0]["controls"].append("review")
    assert clara.system() == load().system()


def recipes(clara: Claims, top: str) -> set[frozenset[str]]:
    goals = {goal.id: goal for goal in clara.goals}
    if top not in goals:
        return {frozenset([top])}
    below = [recipes(clara, part) for part in goals[top].of]
    if goals[top].how == "any":
        return set().union(*below)
    return {frozenset().union(*choice) for choice in product(*below)}


def test_the_attack_tree_uses_every_step_and_its_cheapest_plan_is_not_the_likeliest(clara):
    plans = recipes(clara, clara.goals[0].id)
    assert {step for plan in plans for step in plan} == {step.id for step in clara.steps}
    days = {step.id: step.days for step in clara.steps}
    chance = {step.id: log(step.chance) for step in clara.steps}
    cheapest = sorted(plans, key=lambda plan: sum(days[step] for step in plan))
    likeliest = max(plans, key=lambda plan: sum(chance[step] for step in plan))
    assert cheapest[0] != likeliest
    assert sum(days[s] for s in cheapest[0]) < sum(days[s] for s in cheapest[1])
    assert all(standards.lookup(step.technique) for step in clara.steps)


def test_the_history_is_the_same_for_a_seed_and_fraud_is_rare():
    past = claims.history(800)
    assert len(past) == 800
    assert past.equals(claims.history(800))
    assert not past.equals(claims.history(800, seed=1))
    assert 0.1 < past.fraud.mean() < 0.2
    assert past.shape[1] == 25
    assert (past[["amount", "days_insured", "photos", "words"]] >= 0).all().all()
    with pytest.raises(CourseError, match="1 or more"):
        claims.history(0)


def test_questions_are_about_their_topic():
    asked = claims.questions("pets", 30)
    assert asked == claims.questions("pets", 30)
    assert asked != claims.questions("pets", 30, seed=1)
    assert len(set(asked)) > 20
    assert sum(word in question for question in asked for word in ("dog", "cat", "veterinary")) >= 25
    assert len(claims.documents()) == 30
    with pytest.raises(CourseError, match="windscreen, storm"):
        claims.questions("aliens", 1)


def test_a_good_file_loads(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text(GOOD, encoding="utf-8")
    assert load(path).goals[0].of == ("ask", "low")


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("kind: process", "kind: proces", 2, "kind"),
        ("controls: [review]", "controls: [hope]", 2, "controls"),
        (
            "kind: process, zone: dmz, effect: none",
            "kind: process, zone: dmz, effect: read",
            2,
            "tools have one",
        ),
        ("effect: write", "effect: none", 3, "tools have one"),
        ("to: pay", "to: pray", 5, "no element has the id 'pray'"),
        ("role: call", "role: shout", 5, "role"),
        ("AML.T0053", "AML.T9999", 7, "AML.T9999"),
        ("AML.T0053", "AML.TA0004", 7, "no technique"),
        ("days: 1.5", "days: -1", 7, "days"),
        ("chance: 0.5", "chance: 1.5", 7, "chance"),
        ("of: [ask, low]", "of: []", 9, "of is empty"),
        ("of: [ask, low]", "of: [ask, lower]", 9, "lower"),
        ("all, of: [ask]", "all, of: [top]", 10, "top"),
        ("id: top", "id: ask", 9, "that of a step"),
        ("per_year: [1, 3]", "per_year: [3, 1]", 12, "lower end first"),
        ("prevents: {loss: 0.5}", "prevents: {gain: 0.5}", 14, "no scenario has the id 'gain'"),
        ("prevents: {loss: 0.5}", "prevents: {loss: 2}", 14, "prevents"),
        ("needs: [guard]", "needs: [god]", 15, "no measure has the id 'god'"),
        ("id: glass, ", "", 17, "id"),
        ("elements:\n", "elements: [\n", 2, "correct the YAML"),
    ],
)
def test_a_mistake_is_reported_with_its_line(tmp_path, old, new, line, said):
    assert old in GOOD
    path = tmp_path / "claims.yaml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CourseError) as error:
        load(path)
    message = str(error.value)
    assert f"line {line}:" in message
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "section", ["elements", "flows", "steps", "goals", "scenarios", "measures", "topics"]
)
def test_a_missing_section_is_named(tmp_path, section):
    path = tmp_path / "claims.yaml"
    path.write_text(GOOD.replace(f"{section}:\n", f"{section}x:\n"), encoding="utf-8")
    with pytest.raises(CourseError, match=f"section {section}"):
        load(path)
