"""What requests came to, in the document's words."""

from collections.abc import Mapping
from typing import Final

from remuda.core.moments import iso_time
from remuda.core.spans import DAY, HOUR, MINUTE
from remuda.core.tally import SKETCHED, Counts
from remuda.dialects.observe.analytics_schemas import (
    ModelFigures,
    ModelPerformance,
    ModelsCompared,
    Performance,
    PointSpread,
    Series,
    SeriesGroup,
    SeriesPoint,
    Spread,
    Summary,
    ThroughputStats,
)
from remuda.store.rollup_reading import Answer, Sum
from remuda.store.rollups import OTHERS

OTHER: Final = "other"
UNITS: Final = {"m": MINUTE, "h": HOUR, "d": DAY}


def performance_shown(answer: Answer, start: float, end: float) -> Performance:
    """The answer as the document has it, whole also where there is nothing."""
    total = answer.total.get(0, Sum())
    counts = total.tally.told
    rates = _spread(total, "rate_milli", counts.rated, 1e3)
    return Performance(
        summary=Summary(
            total_requests=counts.requests,
            success_rate=round(100 - _percent(counts.errors, counts.requests), 2) if counts.requests else 0.0,
            streaming_requests=counts.streamed,
            avg_performance_score=_mean(counts.score_e4, counts.requests, 1e4, 4),
            failed_requests=counts.errors,
            truncated_requests=counts.truncated,
            prompt_tokens=counts.prompt_tokens,
            completion_tokens=counts.completion_tokens,
            cached_tokens=counts.cached_tokens,
            total_tokens=counts.prompt_tokens + counts.completion_tokens,
            avg_queue_wait_ms=_mean(counts.queue_wait_us, counts.requests, 1e3),
            total_cost=_cost(counts),
            energy_joules=counts.energy_mj / 1e3 if counts.metered else None,
        ),
        latency_stats=_spread(total, "latency_us", counts.requests, 1e3),
        ttft_stats=_spread(total, "ttft_us", counts.first_tokens, 1e3),
        throughput_stats=ThroughputStats(rates.mean, rates.max, rates.min, rates.median, rates.p95, rates.p99),
        model_performance={
            name: ModelFigures(
                request_count=told.requests,
                avg_latency=_mean(told.latency_us, told.requests, 1e3, 2),
                avg_performance_score=_mean(told.score_e4, told.requests, 1e4, 4),
                error_rate=_percent(told.errors, told.requests),
                total_tokens=told.prompt_tokens + told.completion_tokens,
                total_cost=_cost(told),
            )
            for name, told in _models_of(answer).items()
        },
        percentiles=_kind(answer),
        from_=iso_time(start),
        to=iso_time(end),
    )


def models_shown(answer: Answer, hours: float) -> ModelsCompared:
    """The models as the document has them."""
    models = [
        ModelPerformance(
            model_name=name,
            avg_latency=_mean(told.latency_us, told.requests, 1e3, 2),
            avg_throughput=_mean(told.rate_milli, told.rated, 1e3, 2),
            avg_performance=_mean(told.score_e4, told.requests, 1e4, 3),
            request_count=told.requests,
            total_tokens=told.prompt_tokens + told.completion_tokens,
        )
        for name, told in _models_of(answer).items()
    ]
    models.sort(key=lambda model: (-model.avg_performance, model.model_name))
    whole = round(hours, 2)
    return ModelsCompared(
        models, int(whole) if whole == int(whole) else whole, models[0].model_name if models else None
    )


def series_shown(answer: Answer, dimension: str, start: float, end: float) -> Series:
    """The answer to a question with a width."""
    width_s = answer.width_s or DAY
    first = int(start // width_s) * width_s
    nothing = Sum()
    groups = [
        SeriesGroup(
            value=OTHER if value is None else value,
            is_other=value is None,
            points=[_point(moment, sum_) for moment, sum_ in points.items()],
        )
        for value, points in answer.groups.items()
    ]
    moments = range(first, int(end) if end == int(end) else int(end) + 1, width_s)
    return Series(
        from_=iso_time(start),
        to=iso_time(end),
        bucket=width_shown(width_s),
        group_by=None if dimension == "all" else dimension,
        percentiles=_kind(answer),
        total=[_point(moment, answer.total.get(moment, nothing)) for moment in moments],
        groups=groups,
    )


def width_shown(width_s: int) -> str:
    """Such as `15m`, in the longest unit of which it is whole."""
    unit = next(unit for unit in "dhm" if width_s % UNITS[unit] == 0)
    return f"{width_s // UNITS[unit]}{unit}"


def _models_of(answer: Answer) -> Mapping[str, Counts]:
    """By model; those that named none are of no model."""
    return {
        OTHERS if name is None else name: points[0].tally.told
        for name, points in answer.groups.items()
        if name != "" and points
    }


def _kind(answer: Answer) -> str:
    return "exact" if answer.is_exact else "approximate"


def _mean(sum_: int, count: int, unit: float, places: int = 3) -> float:
    return round(sum_ / count / unit, places) if count else 0.0


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def _cost(counts: Counts) -> float:
    return counts.cost_nano / 1e9


def _spread(sum_: Sum, name: str, count: int, unit: float) -> Spread:
    at = SKETCHED.index(name)
    low, high = sum_.tally.lows[at], sum_.tally.highs[at]
    if not count:
        return Spread(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    median, p95, p99 = (round(each / unit, 3) for each in sum_.quantiles[name])
    mean = _mean(getattr(sum_.tally.told, name), count, unit)
    return Spread(mean, median, p95, p99, round(low / unit, 3), round(high / unit, 3))


def _point(moment: int, sum_: Sum) -> SeriesPoint:
    counts = sum_.tally.told
    return SeriesPoint(
        time=iso_time(moment),
        requests=counts.requests,
        errors=counts.errors,
        latency_ms=_point_spread(sum_, "latency_us", counts.latency_us, counts.requests),
        ttft_ms=_point_spread(sum_, "ttft_us", counts.ttft_us, counts.first_tokens),
        tokens_per_second=_point_spread(sum_, "rate_milli", counts.rate_milli, counts.rated),
        queue_wait_ms=_mean(counts.queue_wait_us, counts.requests, 1e3),
        prompt_tokens=counts.prompt_tokens,
        completion_tokens=counts.completion_tokens,
        cost=_cost(counts),
    )


def _point_spread(sum_: Sum, name: str, added: int, count: int) -> PointSpread:
    if not count:
        return PointSpread(0.0, 0.0, 0.0, 0.0)
    median, p95, p99 = (round(each / 1e3, 3) for each in sum_.quantiles[name])
    return PointSpread(_mean(added, count, 1e3), median, p95, p99)
