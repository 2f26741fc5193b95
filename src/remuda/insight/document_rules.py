"""The five rules of document S3: functions of the facts. Titles, priorities and texts are the document's."""

from typing import Final

from remuda.core.suggestion import GENERAL, Draft, Gain
from remuda.core.traffic import LONG_TOKENS
from remuda.insight.facts import Facts

SLOW_FACTOR: Final = 1.5
SLOW_SHARE: Final = 0.3
HIGH_TEMPERATURE: Final = 0.8
LOW_SCORE: Final = 0.7
SLOW_TTFT_S: Final = 1.0
LONG_SHARE: Final = 0.4


def high_latency(facts: Facts) -> list[Draft]:
    """More than 30 % of requests take longer than half as long again as the mean."""
    total, (slow, slow_s) = facts.total, facts.slow
    mean = total.mean_latency_s
    if mean is None or slow <= SLOW_SHARE * total.answered:
        return []
    others = total.answered - slow
    gain = None
    if others:
        then = (total.latency_s - slow_s) / others
        gain = Gain("mean latency", mean * 1000, then * 1000, "ms", "the slow requests take as long as the others")
    return [
        Draft(
            rule="high_latency",
            suggestion_type="performance",
            model_name=GENERAL,
            title="High Latency Detected",
            description=f"Average latency is {mean * 1000:.0f}ms with {slow} requests exceeding 150% of average. "
            "Consider optimizing model parameters or upgrading hardware.",
            priority="high",
            potential_improvement="25-40% latency reduction",
            expected_gain=gain,
            evidence=facts.evidence(
                "answered requests; latency above 1.5 times their mean",
                requests=total.answered,
                mean_latency_ms=mean * 1000,
                slow_requests=slow,
                slow_share=slow / total.answered,
                threshold_share=SLOW_SHARE,
            ),
        )
    ]


def high_temperature(facts: Facts) -> list[Draft]:
    """A model is asked with a mean temperature above 0.8."""
    return [
        Draft(
            rule="high_temperature",
            suggestion_type="parameter",
            model_name=model,
            title="High Temperature Setting",
            description=f"{model} is asked with an average temperature of {mean:.2f}. "
            "Consider lowering it for more consistent answers.",
            priority="medium",
            potential_improvement="10-20% consistency improvement",
            expected_gain=None,  # how alike answers are is not measured
            evidence=facts.evidence(
                "requests to this model that say a temperature",
                model=model,
                requests=traffic.temperatures,
                mean_temperature=mean,
                threshold=HIGH_TEMPERATURE,
            ),
        )
        for model, traffic in facts.models.items()
        if (mean := traffic.mean_temperature) is not None and mean > HIGH_TEMPERATURE
    ]


def low_score(facts: Facts) -> list[Draft]:
    """A model's mean performance score is below 0.7. A name that no replica was asked for may be none of a model."""
    tried = {each.model for each in facts.replicas if each.replica}
    scores = {
        model: score
        for model, each in facts.models.items()
        if model in tried and (score := each.mean_score) is not None
    }
    best = max(scores, key=lambda model: scores[model], default="")
    found = []
    for model, score in scores.items():
        if score >= LOW_SCORE:
            continue
        gain = None
        if scores[best] > score:
            gain = Gain("mean performance score", score, scores[best], "0 to 1", f"its requests go as well as {best}'s")
        found.append(
            Draft(
                rule="low_score",
                suggestion_type="performance",
                model_name=model,
                title="Low Performance Score",
                description=f"{model} has an average performance score of {score:.2f}. "
                "Consider another model, another quantization or other hardware.",
                priority="high",
                potential_improvement="30-50% performance boost",
                expected_gain=gain,
                evidence=facts.evidence(
                    "requests to this model, failed ones with a score of 0",
                    model=model,
                    requests=facts.models[model].requests,
                    failed=facts.models[model].failed,
                    mean_score=score,
                    threshold=LOW_SCORE,
                ),
            )
        )
    return found


def slow_first_token(facts: Facts) -> list[Draft]:
    """Streams take more than a second to their first token, on the average."""
    total = facts.total
    mean = total.mean_ttft_s
    if mean is None or mean <= SLOW_TTFT_S:
        return []
    by_replica = {each.replica: ttft_s for each in facts.replicas if (ttft_s := each.traffic.mean_ttft_s) is not None}
    best = min(by_replica, key=lambda replica: by_replica[replica])
    gain = None
    if by_replica[best] < mean:
        gain = Gain(
            "mean time to first token", mean * 1000, by_replica[best] * 1000, "ms", f"all are as quick as {best}"
        )
    return [
        Draft(
            rule="slow_first_token",
            suggestion_type="hardware",
            model_name=GENERAL,
            title="Slow Time to First Token",
            description=f"Average time to first token is {mean * 1000:.0f}ms. "
            "Consider faster hardware, shorter prompts or more slots.",
            priority="medium",
            potential_improvement="50-70% TTFT improvement",
            expected_gain=gain,
            evidence=facts.evidence(
                "answered streams",
                streams=total.streams,
                mean_ttft_ms=mean * 1000,
                threshold_ms=SLOW_TTFT_S * 1000,
            ),
        )
    ]


def many_tokens(facts: Facts) -> list[Draft]:
    """More than 40 % of requests have more than 500 tokens."""
    total = facts.total
    if not total.answered or total.long <= LONG_SHARE * total.answered:
        return []
    gain = Gain(
        "tokens", total.tokens, total.tokens - total.excess_tokens, "tokens", f"none has more than {LONG_TOKENS}"
    )
    if total.cost_nano:
        cost, share = total.cost_nano / 1e9, 1 - total.excess_tokens / total.tokens
        gain = Gain("cost", cost, cost * share, "currency", f"none has more than {LONG_TOKENS} tokens")
    return [
        Draft(
            rule="many_tokens",
            suggestion_type="parameter",
            model_name=GENERAL,
            title="High Token Usage",
            description=f"{total.long} of {total.answered} requests use more than {LONG_TOKENS} tokens. "
            "Consider shorter prompts or a lower max_tokens.",
            priority="medium",
            potential_improvement="20-30% cost reduction",
            expected_gain=gain,
            evidence=facts.evidence(
                f"answered requests; more than {LONG_TOKENS} tokens of prompt and answer",
                requests=total.answered,
                long_requests=total.long,
                long_share=total.long / total.answered,
                threshold_share=LONG_SHARE,
                tokens=total.tokens,
                tokens_beyond=total.excess_tokens,
                cost=total.cost_nano / 1e9,
            ),
        )
    ]


DOCUMENT_RULES: Final = (high_latency, high_temperature, low_score, slow_first_token, many_tokens)
