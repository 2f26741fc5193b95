"""The report: what a person sees, and what is kept."""

import io
import json
from pathlib import Path

from rich.console import Console

from bench import report

SAMPLES = {
    "direct": {"latency_p50_us": [100.0, 200.0]},
    "nginx": {"request_us_32": [10.0, 12.0], "latency_p50_us": [300.0, 350.0]},
    "remuda": {"request_us_32": [30.0, 40.0], "latency_p50_us": [350.0, 400.0]},
}


def test_added_figures_are_above_direct_of_the_same_round() -> None:
    out = io.StringIO()
    report.show(Console(file=out, width=160), SAMPLES, ["a peer is not installed"])
    lines = {line.split("│")[1].strip(): line for line in out.getvalue().splitlines() if line.count("│") > 3}
    assert [cell.strip() for cell in lines["added latency at 1,000/s, p50 µs"].split("│")[2:5]] == ["", "175", "225"]
    assert "3.17 times (3.00-3.33): 35.0 µs" in out.getvalue()
    assert "not measured: a peer is not installed" in out.getvalue()


def test_the_record_holds_every_sample_and_verdict(tmp_path: Path) -> None:
    path = tmp_path / "out" / "run.json"
    report.write(path, SAMPLES, [], {"at": "now"})
    record = json.loads(path.read_text())
    assert record["samples"] == SAMPLES
    assert record["at"] == "now"
    assert record["bars"][0]["verdict"] == "kept"
