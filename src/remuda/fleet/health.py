"""Whether a server answers, as questions asked of it (probes) tell: a pure state machine with hysteresis.

One bad answer takes no server out and one good answer brings none back: a server on the edge would otherwise come and
go with every probe, and take requests with it each time.
"""

from dataclasses import dataclass

from remuda.core.chance import Chance


@dataclass(frozen=True, slots=True)
class HealthRules:
    """How many answers count, and how often is asked."""

    failures: int = 2
    """Probes in a row without an answer after which a server is on standby."""
    successes: int = 2
    """Good answers in a row after which one on standby is active again."""
    every_s: float = 10.0
    """Between two probes of a server that is well."""
    again_s: float = 1.0
    """Between two probes of one that is not, or not surely so."""
    jitter: float = 0.1
    """By which share each interval is shorter or longer at random, so that many gateways do not ask in step."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the probes so far have told. A server counts as up until they say otherwise."""

    is_up: bool = True
    against: int = 0
    """Answers in a row that speak against `is_up`: bad ones while it is up, good ones while it is not."""

    def after(self, is_good: bool, rules: HealthRules) -> "Health":
        """The health after one more probe."""
        if is_good is self.is_up:
            return Health(self.is_up)
        against = self.against + 1
        needed = rules.failures if self.is_up else rules.successes
        return Health(not self.is_up) if against >= needed else Health(self.is_up, against)

    def next_probe_s(self, rules: HealthRules, chance: Chance) -> float:
        """How long to wait before the next probe."""
        usual = rules.every_s if self.is_up and not self.against else rules.again_s
        return usual * (1 + rules.jitter * (2 * chance() - 1))
