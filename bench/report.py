"""A run as tables for people and as JSON for the record."""

import dataclasses
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import bars
from bench.bars import Samples, Verdict

COLOURS = {
    Verdict.KEPT: "green",
    Verdict.MISSED: "yellow",
    Verdict.FAILED: "red",
    Verdict.UNKNOWN: "dim",
    Verdict.UNFIT: "magenta",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of figures."""

    label: str
    figure: str
    added: bool = False
    """Told as what the target adds to `direct` in the same round."""
    digits: int = 1


ROWS = (
    Row("CPU µs per request, 32 connections", "request_us_32"),
    Row("CPU µs per request, 256 connections", "request_us_256"),
    Row("requests/s, 32 connections", "requests_per_s_32", digits=0),
    Row("CPU µs per chunk, 200 streams", "chunk_us_200"),
    Row("CPU µs per chunk, 1,000 streams", "chunk_us_1000"),
    Row("added latency at 1,000/s, p50 µs", "latency_p50_us", added=True, digits=0),
    Row("added latency at 1,000/s, p99 µs", "latency_p99_us", added=True, digits=0),
    Row("added TTFT, 200 streams, p50 µs", "ttft_p50_us_200", added=True, digits=0),
    Row("added TTFT, 200 streams, p99 µs", "ttft_p99_us_200", added=True, digits=0),
    Row("one-way chunk, 200 streams, p50 µs", "oneway_p50_us_200", digits=0),
    Row("one-way chunk, 200 streams, p99 µs", "oneway_p99_us_200", digits=0),
    Row("one-way chunk, 1,000 streams, p99 µs", "oneway_p99_us_1000", digits=0),
    Row("streams held: open at once", "held_streams", digits=0),
    Row("streams held: length ms (3,000 at the pace asked for)", "held_ms", digits=0),
    Row("streams held: first token p99 ms", "held_ttft_p99_ms", digits=0),
    Row("streams held: CPU µs per chunk", "held_chunk_us"),
    Row("streams held: one-way p99 ms", "held_oneway_p99_ms"),
    Row("streams held: core busy %", "held_core_percent", digits=0),
    Row("memory at rest, MiB", "base_mib"),
    Row("memory of an open stream, KiB", "stream_kib"),
    Row("8 slow readers: memory, MiB", "slow_growth_mib"),
    Row("8 slow readers: MB pulled meanwhile", "slow_pulled_mb"),
    Row("streams left 2 s after 1,000 disconnects", "abort_left_after_2s", digits=0),
    Row("start to first answer, s", "ready_s", digits=2),
    Row("CPU at rest, %", "idle_percent"),
)


def show(console: Console, samples: Samples, notes: list[str]) -> None:
    """Prints figures, bars and what could not be measured."""
    table = Table(title="Figures (medians of the rounds)", title_justify="left")
    table.add_column("")
    for target in samples:
        table.add_column(target, justify="right")
    for row in ROWS:
        cells = [_cell(samples, target, row) for target in samples]
        if any(cells):
            table.add_row(row.label, *cells)
    console.print(table)
    verdicts = Table(title="Bars", title_justify="left")
    for column in ("bar", "limit", "remuda", "the other", ""):
        verdicts.add_column(column)
    for judged in bars.judge(samples):
        verdict = f"[{COLOURS[judged.verdict]}]{judged.verdict}[/]"
        verdicts.add_row(judged.bar, judged.limit, judged.figure, judged.beside, verdict)
    console.print(verdicts)
    for note in notes:
        console.print(f"not measured: {note}", markup=False)


def write(path: Path, samples: Samples, notes: list[str], about: dict[str, Any]) -> None:
    """Writes all samples, the bars and what the reader must know of the run."""
    judged = [dataclasses.asdict(each) for each in bars.judge(samples)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(about | {"bars": judged, "notes": notes, "samples": samples}, indent=1, ensure_ascii=False)
    )


def _cell(samples: Samples, target: str, row: Row) -> str:
    values = samples[target].get(row.figure, [])
    if row.added:
        if target == "direct":
            return ""
        values = [
            value - base for value, base in zip(values, samples.get("direct", {}).get(row.figure, []), strict=False)
        ]
    return f"{statistics.median(values):,.{row.digits}f}" if values else ""
