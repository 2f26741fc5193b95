"""The generated pages of the reference say what the code says."""

from pathlib import Path

from remuda.telemetry.catalogue import CATALOGUE, reference_page

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_the_page_of_metrics_is_current() -> None:
    page = (REFERENCE / "metrics.md").read_text(encoding="utf-8")
    assert page == reference_page(), "run `python -m tools.reference_pages`"
    assert all(f"| `{metric.name}` |" in page for metric in CATALOGUE)
