"""The request's way stands in one place, and the explanation tells it in the same order."""

import ast
import re

from tests.house.tree import ROOT, SOURCE, functions, tree_of

STEPS = {
    "self._gatekeeper.admit": "authenticate",
    "read_ask": "read",
    "self._limiter.grant": "limit",
    "self._router.lease": "route",
    "self._forwarder.send": "forward",
    "self._relay.pass_on": "relay",
    "self._recorder.close": "record",
}
"""What pipeline.py calls to enter each step, and the file the step stands in."""


def _steps_in_the_code() -> list[str]:
    tree = tree_of(SOURCE / "gateway" / "pipeline.py")
    ways = [function for function in functions(tree) if function.name == "serve"]
    calls = [
        (function.lineno, node.lineno, node.col_offset, STEPS[ast.unparse(node.func)])
        for function in ways
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in STEPS
    ]
    return list(dict.fromkeys(step for *_, step in sorted(calls)))


def _steps_in_the_explanation() -> list[str]:
    page = (ROOT / "docs" / "explanation" / "request.md").read_text(encoding="utf-8")
    return re.findall(r"^### \d+\. `(\w+)`", page, re.MULTILINE)


def test_the_explanation_has_the_order_of_the_code():
    steps = _steps_in_the_code()
    assert set(steps) == set(STEPS.values()), "a step is entered in another way than STEPS says"
    assert _steps_in_the_explanation() == steps, "docs/explanation/request.md tells the steps in another order"


def test_the_pipeline_fits_on_two_screens():
    lines = (SOURCE / "gateway" / "pipeline.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 160, "what a step does belongs into the step's file"
