"""Runs contenders: each row starts one anew, checks that it works, warms it up and measures it."""

import contextlib
import dataclasses
import pathlib
import statistics
import tempfile
import time

from . import Fault, brokers, contenders, measure
from .bodies import SCENARIOS
from .measure import Row

PEAK = "event-293"
"""The scenario whose requests a second are a contender's peak."""
HOPELESS = 1.5
"""A rate so many times the peak is not tried."""


@dataclasses.dataclass
class Run:
    """What all rows of a run have in common."""

    known: dict
    """All contenders by name."""
    built: dict
    """The command of each package, or the `Fault` in place of it."""
    tools: dict
    """The executables of the mock broker and of the clients."""
    made: object
    """The credentials."""
    cores: measure.Cores
    seconds: int
    warmup: int
    partitions: int
    spent_s: float = 0.0
    """Seconds that the rows of earlier brokers took."""

    def rows(self, broker_name, parts, until_s):
        """The rows of one broker; a failed one is a row with an error. What was disturbed in its only round is
        measured once more at the end. After `until_s` of the run, in which starts of brokers do not count, no further
        row begins."""
        peaks = {}
        try:
            make = brokers.BROKERS[broker_name]
            with make(self.tools["broker"], self.cores.load, self.partitions) as broker:
                began = time.monotonic() - self.spent_s
                disturbed = []
                for part in parts:
                    for number, name in part.turns():
                        row = Row(broker_name, part.scenario, number, name)
                        if time.monotonic() - began > until_s:
                            row.fault = "not run: the time was over"
                        else:
                            self.attempt(row, broker, peaks)
                        yield row
                        if part.rounds == 1 and row.is_disturbed:
                            disturbed.append(row)
                for row in disturbed:
                    if time.monotonic() - began <= until_s:
                        again = Row(broker_name, row.scenario, row.round + 1, row.contender)
                        self.attempt(again, broker, peaks)
                        yield again
                self.spent_s = time.monotonic() - began
        except Fault as fault:
            yield Row(broker_name, "–", 0, "–", fault=str(fault))

    def attempt(self, row, broker, peaks):
        """Fills a row, or says why not."""
        try:
            scenario = SCENARIOS[row.scenario]
            if scenario.rate and not self.is_worthwhile(row, scenario, peaks.get(row.contender)):
                return
            self.fill(row, broker, scenario)
            if row.scenario == PEAK and not row.fault:
                peaks.setdefault(row.contender, []).append(row.per_second)
        except Fault as fault:
            row.fault = str(fault)

    @staticmethod
    def is_worthwhile(row, scenario, peaks):
        """Sets the rate; whether the contender might carry it, by its peaks."""
        peak = statistics.median(peaks) if peaks else None
        if scenario.rate <= 1:
            if peak is None:
                raise Fault(f"its peak, {PEAK}, was not measured")
            row.rate = int(scenario.rate * peak)
        else:
            row.rate = int(scenario.rate)
            if peak is not None and row.rate > HOPELESS * peak:
                row.note = f"not tried: the peak is {peak:,.0f}/s"
                return False
        return True

    def fill(self, row, broker, scenario):
        """Runs one contender in one scenario."""
        contender = self.known[row.contender]
        command = self.built[contender.package]
        if isinstance(command, Fault):
            raise command
        if contender.scenarios and row.scenario not in contender.scenarios:
            raise Fault("does not take such requests")
        both = f"{self.cores.server},{self.cores.load}"
        where_served, where_sent = (both, both) if scenario.shares else (self.cores.server, self.cores.load)
        with contextlib.ExitStack() as stack:
            stack.enter_context(sharing(broker, self.cores, scenario))
            directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loadtest-")))
            body = contender.body(scenario)
            files, token = self.files(directory, body, contender, scenario)
            options = contender.arguments(broker.bootstrap, directory, self.made)
            began = time.monotonic()
            process, where = stack.enter_context(contenders.running(
                command, options, where_served, directory, contender.start_timeout_s))
            stack.enter_context(contenders.kept_running(process))
            records = scenario.records if contender.produces else None
            contenders.probe(where, body, records, token, contender.path, contender.accepts)
            row.start_ms = (time.monotonic() - began) * 1e3
            if contender.checks:
                contenders.probe_refusal(where, body, token)
            if scenario.idle:
                stack.enter_context(measure.idle(where, contender.path, body, scenario.idle))
            sending = measure.Load(str(where_sent), where, scenario, files, contender.path,
                                   self.tools["clients"], row.rate)
            # The warm-up puts every token into the server's cache.
            sending.run(max(self.warmup, contender.warmup_s))
            there = broker.records()
            measure.load(row, self.cores, process, sending, self.seconds)
            # The broker must have every record that was answered 2xx. It may have more, from
            # requests that were cut off at the end.
            arrived = broker.records() - there
            expected = row.records if contender.splits else row.requests
            if contender.produces and arrived < expected:
                raise Fault(f"answered 2xx for {expected} records, {arrived} arrived")

    def files(self, directory, body, contender, scenario):
        """Writes what the load sends; returns its files and the first token."""
        files = [directory / "body.json"]
        files[0].write_bytes(body)
        if not contender.sends:
            return files, ""
        tokens = self.made.tokens(contender.sends)[:scenario.tokens]
        files.append(directory / "tokens.txt")
        files[1].write_text("\n".join(tokens))
        return files, tokens[0]


@contextlib.contextmanager
def sharing(broker, cores, scenario):
    """Lets a mock broker use both cores, as server and load do, where the scenario says so."""
    if scenario.shares:
        broker.pin({cores.server, cores.load})
    try:
        yield
    finally:
        if scenario.shares:
            broker.pin({cores.load})
