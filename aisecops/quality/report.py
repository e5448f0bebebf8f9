"""The quality report for people (a table), for programs (JSON), and for CI (JUnit)."""

import dataclasses
import json
from collections import defaultdict
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from aisecops.quality import MonthReport, Report
from aisecops.quality.finding import Finding
from aisecops.quality.verdicts import Verdict, mutation_score

if TYPE_CHECKING:
    from rich.table import Table


def table(month: MonthReport) -> "Table":
    """Return one month as a table: a row an exercise, readable without colour."""
    from rich.table import Table

    took = f"{month.runs} fresh runs, at most {month.seconds:.0f} s of CPU time and {month.mebibytes:.0f} MiB"
    view = Table(
        title=f"{month.notebook}: mutation score {month.mutation_score:.1%}; {took}", title_justify="left"
    )
    view.add_column("exercise", no_wrap=True)
    for name in (
        "stub 0",
        "solution full",
        "right",
        "wrong",
        "mutants killed",
        "by heart 0",
        "cheats (stock)",
    ):
        view.add_column(name, justify="right")
    for verdict in month.verdicts:
        view.add_row(verdict.exercise, *_row(verdict))
    return view


def lines(report: Report) -> list[str]:
    """Return the findings as a compiler would print them, and a last line that sums up."""
    faults, notes = report.faults, len(report.all_findings) - len(report.faults)
    score = mutation_score(verdict for month in report.months for verdict in month.verdicts)
    return [
        *(f"note: {finding}" if finding.note else str(finding) for finding in report.all_findings),
        f"{len(faults)} fault{'s' * (len(faults) != 1)}, {notes} note{'s' * (notes != 1)}; "
        f"mutation score of the course {score:.1%}",
    ]


def to_json(report: Report) -> str:
    """Return everything as JSON."""
    plain = {
        "months": [
            {**dataclasses.asdict(month), "mutation_score": month.mutation_score} for month in report.months
        ],
        "findings": [dataclasses.asdict(finding) for finding in report.findings],
        "faults": len(report.faults),
    }
    return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"


def to_junit(report: Report) -> str:
    """Return a JUnit file: a suite a month and one for the course, a case an exercise or kind of check."""
    root = ElementTree.Element("testsuites", name="quality")
    for month in report.months:
        by_exercise = defaultdict(list)
        names = {verdict.exercise for verdict in month.verdicts}
        for finding in month.findings:
            exercise = finding.sentence.partition(":")[0]
            by_exercise[exercise if exercise in names else finding.check].append(finding)
        _suite(root, month.notebook, {**{name: [] for name in sorted(names)}, **by_exercise})
    by_check = defaultdict(list)
    for finding in report.findings:
        by_check[finding.check].append(finding)
    _suite(root, "course", by_check)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _suite(root: ElementTree.Element, name: str, cases: dict[str, list[Finding]]) -> None:
    failing = sum(any(not finding.note for finding in found) for found in cases.values())
    suite = ElementTree.SubElement(root, "testsuite", name=name, tests=str(len(cases)), failures=str(failing))
    for case, found in cases.items():
        element = ElementTree.SubElement(suite, "testcase", classname=f"quality.{name}", name=case)
        faults = [finding for finding in found if not finding.note]
        if faults:
            failure = ElementTree.SubElement(element, "failure", message=faults[0].sentence)
            failure.text = "\n".join(map(str, faults))
        if notes := [str(finding) for finding in found if finding.note]:
            ElementTree.SubElement(element, "system-out").text = "\n".join(notes)


def _row(verdict: Verdict) -> list[str]:
    counted = verdict.mutants - verdict.equivalent
    by_heart = {None: "–", True: "yes", False: "NO"}[verdict.hard_coding]
    return [
        "yes" if verdict.stub else "NO",
        "yes" if verdict.solution else "NO",
        str(verdict.right),
        str(verdict.wrong),
        f"{verdict.killed}/{counted}",
        by_heart,
        f"{len(verdict.cheats)}/{verdict.cheats_tried}",
    ]
