"""Writes the pages of `docs/reference` that are made from the code: `python -m tools.reference_pages`."""

from pathlib import Path

from remuda.telemetry.catalogue import reference_page

PAGES = {"metrics.md": reference_page}
"""File name to what makes its text."""


def main() -> None:
    folder = Path(__file__).parents[1] / "docs" / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in PAGES.items():
        (folder / name).write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
