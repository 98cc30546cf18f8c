"""What a run measures, part by part, and how long that takes."""

import dataclasses
import itertools

from . import contenders
from .bodies import SCENARIOS

START_S = 2
"""Seconds that a row takes beside its warm-up and its measurement, if its server starts at once."""
BROKER_S = 12
"""Seconds until a broker is started and stopped."""
FLOORS = ("raw-uring", "raw-epoll", "bare")
RINGEST = ("ringest", "typed")
AFTERNOON = ("axum", "fasthttp", "vertx")
"""Gateways that a good engineer writes in an afternoon; the others beside ringest are products."""
RATES = ("rate-1000", "rate-10000", "rate-40000", "rate-80%")


@dataclasses.dataclass(frozen=True)
class Part:
    """Rounds of some contenders in one scenario, with one broker."""

    broker: str
    scenario: str
    contenders: tuple
    rounds: int

    def turns(self):
        """The rounds and contenders in the order of their rows. It alternates between rounds, so that
        none of them always runs after the same one."""
        for number in range(1, self.rounds + 1):
            for name in self.contenders if number % 2 else reversed(self.contenders):
                yield number, name

    def estimate_s(self, known, seconds, warmup):
        """About how many seconds it takes."""
        idle_s = SCENARIOS[self.scenario].idle / 2_000
        return sum(START_S + seconds + idle_s + max(warmup, known[name].warmup_s)
                   for _, name in self.turns())


def headline(gateways):
    """The run that the README shows: all floors, ringest, what one would write in an afternoon, and the
    gateways that people use instead, on Apache Kafka; then what a mock broker shows more clearly."""
    everything = (*FLOORS, *RINGEST, "axum", *gateways)
    raw = ("raw-uring", "raw-epoll")
    return [
        Part("kafka", "event-293", everything, 2),
        Part("kafka", "rate-1000", (*RINGEST, "axum", *gateways), 1),
        Part("kafka", "rate-80%", (*RINGEST, "axum", *gateways), 1),
        Part("mock", "event-293", (*FLOORS, "bare-default", *RINGEST, "axum"), 3),
        Part("mock", "array-1000", (*raw, *RINGEST, "axum"), 2),
        Part("mock", "event-10k", ("raw-epoll", "bare", *RINGEST), 2),
        *(Part("mock", rate, (*raw, *RINGEST, "axum"), 1) for rate in RATES),
        Part("mock", "idle-9900", ("raw-uring", "bare", *RINGEST, "axum"), 1),
        Part("mock", "workers", contenders.WORKERS, 1),
    ]


def selected(brokers, scenarios, names, rounds):
    """Every scenario with every broker; `names`: of the contenders, in place of each scenario's usual
    ones. Where a scenario asks for a share of the peak, that is measured before."""
    return [Part(broker, scenario, tuple(contending(scenario, names)), rounds)
            for broker, scenario in itertools.product(brokers, scenarios)]


def contending(scenario_name, names):
    """The contenders of a scenario."""
    scenario = SCENARIOS[scenario_name]
    if scenario.tokens:
        return [name for name in contenders.AUTHENTICATED if name in (names or contenders.AUTHENTICATED)]
    return names or (contenders.WORKERS if scenario.shares else contenders.ANONYMOUS)


def by_broker(parts, known, seconds, warmup, minutes):
    """The parts of each broker, and after how many seconds of the run, in which starts of brokers do not count, no
    more of their rows begin."""
    def estimate(some):
        return sum(part.estimate_s(known, seconds, warmup) for part in some)
    groups = [(broker, list(some)) for broker, some in itertools.groupby(parts, lambda it: it.broker)]
    total, until = sum(estimate(some) for _, some in groups), 0.0
    for broker, some in groups:
        until += estimate(some)
        yield broker, some, 60 * minutes * until / total if minutes else float("inf")


def estimate_minutes(parts, known, seconds, warmup, minutes=None):
    """About how many minutes the parts take, with a limit of `minutes` for their rows."""
    count = len({part.broker for part in parts})
    rows = sum(part.estimate_s(known, seconds, warmup) for part in parts) / 60
    return BROKER_S * count / 60 + min(rows, minutes or rows)
