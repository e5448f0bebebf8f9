"""Submission → score: runs cells, keeps what they show, and decides what a learner may see of it."""

import sys

# jsonschema, which nbformat imports, would build a grammar of IRIs in each process. That takes more than a
# second, and no notebook has an IRI to check.
if sys.modules.setdefault("rfc3987_syntax", None) is None:  # type: ignore[arg-type]
    import nbformat  # noqa: F401

    del sys.modules["rfc3987_syntax"]
