"""What gateways promise, measured: what a 2xx means, whether the bytes in the topic are those that were sent,
whether records are checked, and what clients see while the broker does not answer.

Every gateway sends to the same Kafka; each record carries a name, by which it is found in the topic.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import decimal
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

from . import Fault, brokers, contenders, report
from .contenders import TOPIC

COLUMNS = ("server", "a 2xx means", "bytes in the topic", "invalid JSON", "wrong type", "missing field",
           "broker frozen for {frozen_s} s", "and their records", "200 again after")
FROZEN_REQUESTS = 8
RECOVERY_S = 60
SETTLE_S = 3
"""Time for records that were answered to be readable."""

VALID = (
    '{{ "userId" : "{name}",\t"eventId":"00000000-5f0c-4c8e-9d0f-3f1c2a7d4e5f" , '
    '"timestamp":"2026-08-21T09:15:27.000Z","kind":"click",'
    '"url":"https:\\/\\/shop.example.com/caf\\u00e9?ref=home","durationMs":1834,"mobile":true, "tags":["web"],'
    '"geo":{{"lat":5.252E1,"lon":13.4050,"city":"Berlin","country":"DE"}},'
    '"exponent":1e2,"big":123456789012345678901234567890,"twice":1,"twice":2 }}'
)
"""Valid for the model of `typed`, and easily changed on the way: white space, escapes, numbers, a duplicate."""
NAME = re.compile(rb'"userId"\s*:\s*"([^"]*)"')
DEVIATIONS = {
    "invalid JSON": lambda text: text.rstrip(" }") + ",",
    "wrong type": lambda text: text.replace('"durationMs":1834', '"durationMs":"soon"'),
    "missing field": lambda text: text.replace('"kind":"click",', ""),
}


@dataclasses.dataclass(frozen=True)
class Request:
    """Has what a `Contender.body` needs of a scenario."""

    text: str
    records: int = 1

    def body(self):
        """The record."""
        return self.text.encode()


class Subject:
    """One gateway under test, and its cells."""

    def __init__(self, name, contender, where):
        self.name, self.contender, self.where = name, contender, where
        self.checks, self.frozen, self.recovered_s = {}, {}, None

    def send(self, text, timeout_s=contenders.READY_TIMEOUT_S):
        """The status of the answer to a record; None without an answer in time."""
        try:
            status, _ = contenders.post(self.where, self.contender.body(Request(text)), path=self.contender.path,
                                        timeout_s=timeout_s)
            return status
        except Fault:
            return None

    def start(self):
        """Sends the valid record until it is accepted, and then what deviates from it, once each."""
        text = VALID.format(name=f"{self.name} valid")
        contenders.probe(self.where, self.contender.body(Request(text)), None, path=self.contender.path)
        for deviation, change in DEVIATIONS.items():
            status = self.send(change(VALID.format(name=f"{self.name} {deviation}")))
            self.checks[deviation] = "no answer" if status is None else str(status)

    def freeze(self, number, timeout_s):
        """Sends a record while the broker is frozen."""
        began = time.monotonic()
        status = self.send(VALID.format(name=f"{self.name} frozen {number}"), timeout_s)
        self.frozen[number] = status, time.monotonic() - began

    def recover(self):
        """Sends until a record is accepted again."""
        began = time.monotonic()
        while time.monotonic() - began < RECOVERY_S:
            status = self.send(VALID.format(name=f"{self.name} after"))
            if is_accepted(status):
                self.recovered_s = time.monotonic() - began
                return
            time.sleep(0.2)

    def cells(self, found):
        """The row of the table, given the records of the topic by name."""
        valid = found.get(f"{self.name} valid", [b""])
        counts = {number: len(found.get(f"{self.name} frozen {number}", [])) for number in self.frozen}
        return [
            self.name,
            meaning([counts[number] for number, (status, _) in self.frozen.items() if is_accepted(status)]),
            difference(VALID.format(name=f"{self.name} valid").encode(), valid[-1]),
            *(self.checks[deviation] for deviation in DEVIATIONS),
            answers(self.frozen.values()),
            copies(counts.values()),
            f"{self.recovered_s:.1f} s" if self.recovered_s is not None else f"not in {RECOVERY_S} s",
        ]


def measure(servers, broker, frozen_s, skipped):
    """The rows of the table. `servers` has contenders and their commands by name; those that do not start are
    added to `skipped`, with the reason."""
    with contextlib.ExitStack() as stack:
        subjects = []
        for name, (contender, command) in servers.items():
            try:
                subjects.append(started(stack, name, contender, command, broker))
            except Fault as fault:
                skipped.append(without(name, fault))
        pool = stack.enter_context(
            concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(subjects)) * FROZEN_REQUESTS))
        broker.hang()
        frozen = [pool.submit(subject.freeze, number, frozen_s)
                  for subject in subjects for number in range(FROZEN_REQUESTS)]
        try:
            concurrent.futures.wait(frozen)
        finally:
            broker.resume()
        list(pool.map(Subject.recover, subjects))
        time.sleep(SETTLE_S)
        found = topic(broker.bootstrap)
        return [subject.cells(found) for subject in subjects]


def without(name, fault):
    """The row of a server that does not start."""
    return [name, str(fault), *["–"] * (len(COLUMNS) - 2)]


def started(stack, name, contender, command, broker):
    """Starts a server and sends it the records that need no frozen broker."""
    directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loadtest-")))
    options = contender.arguments(broker.bootstrap, directory, None)
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    _, where = stack.enter_context(
        contenders.running(command, options, cores, directory, contender.start_timeout_s))
    subject = Subject(name, contender, where)
    subject.start()
    return subject


def topic(bootstrap):
    """The records of the topic by the name in them; those that can't be read have none."""
    read = subprocess.run(["kcat", "-C", "-b", bootstrap, "-t", TOPIC, "-o", "beginning", "-e", "-q", "-f", "%S %s"],
                          capture_output=True, check=True, timeout=60)
    found = collections.defaultdict(list)
    for record in framed(read.stdout):
        found[named(record)].append(record)
    return found


def framed(output):
    """The records of kcat's output, each behind its length."""
    while output:
        length, _, rest = output.partition(b" ")
        yield rest[:int(length)]
        output = rest[int(length):]


def named(record):
    """The name in a record, however it was rewritten."""
    found = NAME.search(record.replace(b"\\", b""))
    return found[1].decode() if found else ""


def markdown(header, rows, known):
    """The report for `loadtest/runs/`."""
    versions = [f"- {row[0]}: {known[row[0]].package}" for row in rows if known[row[0]].prepare]
    return "\n".join([
        f"# {time.strftime('%Y-%m-%d', time.gmtime())}: what gateways promise",
        "",
        "`loadtest/promises`, against one node of Apache Kafka; what the columns mean is in loadtest/README.md.",
        "",
        f"- finished {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, commit {report.commit()}",
        f"- librdkafka {report.librdkafka()}, Apache Kafka {brokers.KAFKA}, {os.cpu_count()} cores for all of them",
        *versions,
        "",
        report.table(header, rows),
        "",
    ])


def is_accepted(status):
    """Whether a status means that the record was accepted."""
    return status is not None and 200 <= status < 300


def meaning(copies_of_accepted):
    """What a 2xx means, given how often each record is in the topic that was accepted while the broker was
    frozen."""
    lost = sum(1 for count in copies_of_accepted if not count)
    if not copies_of_accepted:
        return "acknowledged by the broker"
    return f"received; {lost} of {len(copies_of_accepted)} lost" if lost else "received, not acknowledged"


def difference(sent, received):
    """Whether the record in the topic is the one that was sent, and if not, what became of it."""
    if received == sent:
        return "the same"
    try:
        before, after = members(sent), members(received)
    except (ValueError, TypeError):
        return "not the record alone"
    lost = [name for name in before if name not in after]
    changed = [name for name in before if name in after and before[name] != after[name]]
    parts = [f"{word} {', '.join(names)}" for word, names in (("lost", lost), ("changed", changed)) if names]
    return "; ".join(["rewritten", *parts])


def members(record):
    """The values of an object by name, all of them where it has a duplicate, with numbers as they are."""
    found = collections.defaultdict(list)
    for name, value in json.loads(record, object_pairs_hook=tuple, parse_float=decimal.Decimal):
        found[name].append(dict(value) if name == "geo" else value)
    return found


def answers(frozen):
    """What was answered, and after how many seconds; None: nothing."""
    grouped = collections.defaultdict(list)
    for status, seconds in frozen:
        grouped[status].append(seconds)
    return ", ".join(
        f"{len(took)} × " + ("no answer" if status is None else f"{status} after {span(took)} s")
        for status, took in sorted(grouped.items(), key=lambda item: item[0] or 0)
    )


def span(seconds):
    """The least and the greatest of them."""
    least, greatest = f"{min(seconds):.1f}", f"{max(seconds):.1f}"
    return least if least == greatest else f"{least}–{greatest}"


def copies(counts):
    """How many records are in the topic, and how many of them more than once."""
    arrived = sum(1 for count in counts if count)
    twice = sum(1 for count in counts if count > 1)
    return f"{arrived} of {len(counts)} in the topic" + (f", {twice} twice or more" if twice else "")
