"""What a month must have, whatever it teaches."""

import re
from collections import Counter
from pathlib import Path

from aisecops.build import START, names
from aisecops.build.read import Lab, read
from aisecops.quality.finding import Finding
from aisecops.roadmap import Month, load

LEAST_EXERCISES_AN_OBJECTIVE = 2
HOURS = (6, 10)
EXERCISES = (8, 13)  # 8 to 12, and the milestone


def check(course: Path) -> list[Finding]:
    """Check objectives, milestone, size and study texts of every written month."""
    roadmap = load(course / "roadmap.yaml")
    written = [(name, roadmap.month(name)) for name in names(course) if name != START]
    return [
        finding
        for name, month in written
        for finding in _check(course, read(course / "notebooks" / f"{name}.py", month), month)
    ]


def _check(course: Path, lab: Lab, month: Month) -> list[Finding]:
    findings: list[Finding] = []

    def add(check: str, sentence: str) -> None:
        findings.append(Finding(f"notebooks/{lab.name}.py:1", check, sentence))

    taught = Counter(exercise.objective for exercise in lab.exercises)
    for objective in month.objectives:
        if taught[objective.id] < LEAST_EXERCISES_AN_OBJECTIVE:
            add(
                "objectives",
                f"{objective.id} “{objective.text}” has {taught[objective.id]} exercise; give it two",
            )
    milestones = [exercise for exercise in lab.exercises if exercise.milestone]
    if not milestones:
        add(
            "milestone",
            f"no exercise proves the milestone “{month.milestone.text}”; mark it with milestone=true",
        )
    for exercise in milestones:
        if {check.by_hand for check in exercise.checks} != {True, False}:
            add("milestone", f"{exercise.id} needs both an automatic part and a written one with a rubric")
    hours = sum(exercise.minutes for exercise in lab.exercises) / 60
    if not HOURS[0] <= hours <= HOURS[1]:
        add("minutes", f"the exercises take {hours:.1f} hours; a month takes {HOURS[0]} to {HOURS[1]}")
    if not EXERCISES[0] <= len(lab.exercises) <= EXERCISES[1]:
        add("exercises", f"{len(lab.exercises)} exercises; a month has 8 to 12 and its milestone")
    for resource in month.resources:
        for path in re.findall(r"`([^`]+)`", resource.text):
            if not (course / "resources" / path).is_file():
                add("resources", f"the study text resources/{path} is missing; {resource.id} names it")
    return findings
