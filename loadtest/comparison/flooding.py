"""One flood: clients with valid tokens send records, first without, then with a flood of junk."""

import contextlib
import dataclasses
import json
import pathlib
import re
import subprocess
import tempfile
import time

from . import Fault, bodies, contenders, measure

SERVERS = {
    "ringest": {"jwt-signature": "jwt", "pbkdf2": "pbkdf2", "sha256": "sha256", "garbage": "jwt"},
    "axum": {"jwt-signature": "axum-jwt", "pbkdf2": "axum-key", "garbage": "axum-jwt"},
}
"""The kinds of junk tokens, and the contender of `compare` that each is sent to."""

KNOWN_TOKENS = 16
KNOWN_ADDRESS = "127.0.0.1"
"""Also the address of the flood, as behind a proxy, unless it has several."""
FRESH_ADDRESS = "127.0.0.2"
WARM_UP_S = 2
FLOOD_HEAD_START_S = 0.5


@dataclasses.dataclass
class Phase:
    """The results of the clients and the CPU time of the server; `junk` is empty without a flood."""

    seconds: float
    cpu_s: float
    server_core_other: float
    load_core_busy: float
    known: dict
    fresh: dict
    junk: dict


@dataclasses.dataclass
class Flood:
    """One kind of junk against one server; with a `fault` the figures are invalid."""

    server: str
    kind: str
    round: int
    quiet: Phase = None
    flooded: Phase = None
    rss_before: int = 0
    rss_after: int = 0
    """Resident bytes of the server after the quiet phase and after the flood."""
    fault: str = ""

    @property
    def p99_ratio(self):
        """p99 of the clients with cached tokens: with the flood over without."""
        return self.flooded.known["p99_us"] / self.quiet.known["p99_us"]

    @property
    def cpu_us_per_junk(self):
        """CPU time a junk token: total minus the cost of the valid clients without a flood."""
        idle = self.quiet.cpu_s / self.quiet.seconds * self.flooded.seconds
        return (self.flooded.cpu_s - idle) * 1e6 / self.flooded.junk["answered"]

    @property
    def junk_per_s(self):
        """Answered junk tokens a second."""
        return self.flooded.junk["answered"] / self.flooded.junk["seconds"]


def success(sums):
    """Share of a client's requests answered 200."""
    return sums["answers"].get("200", 0) / sums["requests"] if sums["requests"] else 0.0


def fresh_tokens(chosen, seconds):
    """The number of tokens for the client that sends each token once, for one phase."""
    return int(chosen.fresh_rate * seconds) + 1


def fresh_address(chosen):
    """The source address of the client that sends each token once."""
    return KNOWN_ADDRESS if chosen.shared_address else FRESH_ADDRESS


def tokens_needed(chosen):
    """The number of valid tokens of one kind for one flood; each server starts with an empty cache."""
    return KNOWN_TOKENS + sum(
        fresh_tokens(chosen, seconds) for seconds in (chosen.quiet, flood_s(chosen))
    )


def flood_s(chosen):
    """The expected duration of a flood in seconds, with a margin."""
    return chosen.count / chosen.rate * 1.2 + 5


@dataclasses.dataclass(frozen=True)
class Field:
    """What all floods share."""

    chosen: object
    broker: object
    clients: str
    cores: measure.Cores
    credentials: object


def run(flood, field, executable):
    """Starts the server, measures it without and with the flood, and fills `flood`."""
    contender = contenders.CONTENDERS[SERVERS[flood.server][flood.kind]]
    tokens = field.credentials.tokens(contender.sends)
    calm = KNOWN_TOKENS + fresh_tokens(field.chosen, field.chosen.quiet)
    sent = {"known": tokens[:KNOWN_TOKENS], "calm": tokens[KNOWN_TOKENS:calm],
            "flooded": tokens[calm:]}
    with tempfile.TemporaryDirectory(prefix="loadtest-") as name:
        directory = pathlib.Path(name)
        (directory / "body.json").write_bytes(bodies.event(0))
        for file, some in sent.items():
            (directory / f"{file}.txt").write_text("\n".join(some))
        options = contender.arguments(field.broker.bootstrap, directory, field.credentials)
        with contenders.running(executable, options, field.cores.server, directory) as started:
            process, where = started
            for token in sent["known"]:
                contenders.probe(where, bodies.event(0), 1, token)
            contenders.probe_refusal(where, bodies.event(0), sent["known"][0])
            clients = Clients(field, process, where, directory)
            clients.known_alone(WARM_UP_S)
            there = field.broker.records()
            flood.quiet = clients.phase("calm")
            flood.rss_before = resident_bytes(process.pid)
            flood.flooded = clients.phase("flooded", flood.kind)
            flood.rss_after = resident_bytes(process.pid)
            contenders.probe(where, bodies.event(0), 1, sent["known"][0])
            check(flood, field.broker.records() - there)


def check(flood, arrived):
    """Raises `Fault` if the figures are invalid."""
    phases = (flood.quiet, flood.flooded)
    taken = sum(one["answers"].get("200", 0) for phase in phases
                for one in (phase.known, phase.fresh))
    junk = flood.flooded.junk
    if arrived < taken:
        raise Fault(f"answered 200 for {taken} records, {arrived} arrived")
    if strange := {status for status in junk["answers"] if status not in ("401", "503")}:
        raise Fault(f"junk is answered {', '.join(sorted(strange))}")
    if success(flood.quiet.known) < 1:
        raise Fault("a request failed without a flood")
    if not junk["answered"] or not flood.flooded.known["p99_us"]:
        raise Fault("nothing was answered")


@dataclasses.dataclass(frozen=True)
class Clients:
    """The clients of one server."""

    field: Field
    process: object
    where: str
    directory: pathlib.Path

    def known_alone(self, seconds):
        """Runs the clients with cached tokens without recording their figures."""
        with self.valid("known", seconds):
            time.sleep(seconds)

    def phase(self, fresh, junk_kind=""):
        """Runs the clients with valid tokens during the flood, or for the quiet time."""
        chosen, cores = self.field.chosen, self.field.cores
        limit = 2 * flood_s(chosen) if junk_kind else chosen.quiet + 5
        before = self.spent()
        with contextlib.ExitStack() as stack:
            if junk_kind:
                junk = stack.enter_context(self.junk(junk_kind, limit))
                time.sleep(FLOOD_HEAD_START_S)
            known = stack.enter_context(self.valid("known", limit))
            new = stack.enter_context(
                self.valid(fresh, limit, "--once", f"--from={fresh_address(chosen)}",
                          f"--rate={chosen.fresh_rate}", "--connections=4")
            )
            if junk_kind:
                junk_sums = sums(junk, limit + 30)
            else:
                junk_sums = {}
                time.sleep(chosen.quiet)
            after = self.spent()
            # Closing their stdin ends the clients.
            known, new = sums(known, 30), sums(new, 30)
        cpu, server, loading, seconds = (b - a for a, b in zip(before, after))
        return Phase(seconds, cpu, max(0.0, server - cpu) / seconds, loading / seconds,
                     known, new, junk_sums)

    def spent(self):
        """CPU seconds of the server and of both cores so far, and the current time."""
        cores = self.field.cores
        return (measure.process_s(self.process.pid), measure.busy_s(cores.server),
                measure.busy_s(cores.load), time.monotonic())

    def valid(self, tokens, seconds, *more):
        """Starts clients with the valid tokens of a file."""
        return self.client(
            "valid", f"--tokens={self.directory}/{tokens}.txt", f"--body={self.directory}/body.json",
            f"--seconds={seconds:.0f}",
            *(more or (f"--rate={self.field.chosen.good_rate}", f"--from={KNOWN_ADDRESS}")),
        )

    def junk(self, kind, seconds):
        """Starts the flood, at a low priority: clients with valid tokens must wait for the server,
        not for the CPU."""
        chosen = self.field.chosen
        return self.client(
            "junk", f"--kind={kind}", f"--jwt={self.directory}/known.txt",
            f"--count={chosen.count}", f"--rate={chosen.rate}", f"--seconds={seconds:.0f}",
            f"--connections={chosen.connections}", f"--addresses={chosen.addresses}",
            niceness=15,
        )

    @contextlib.contextmanager
    def client(self, role, *arguments, niceness=0):
        """Runs a process on the load's core, killed if it does not end."""
        command = [
            "nice", f"--adjustment={niceness}",
            "taskset", "--cpu-list", str(self.field.cores.load), self.field.clients,
            role, f"--server={self.where}", f"--path={contenders.PATH}", *arguments,
        ]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()


def sums(process, timeout_s):
    """Closes a client's stdin, which ends it, and returns its report."""
    try:
        said, complaint = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise Fault("a client did not end") from error
    if process.returncode != 0:
        last = complaint.strip().splitlines()[-1:] or ["without output"]
        raise Fault(f"a client failed: {last[0][:100]}")
    return json.loads(said)


def resident_bytes(pid):
    """Resident memory of a process (proc(5), status)."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError as error:
        raise Fault("the server ended during the measurement") from error
    return int(re.search(r"^VmRSS:\s*(\d+) kB$", text, re.MULTILINE)[1]) * 1024
