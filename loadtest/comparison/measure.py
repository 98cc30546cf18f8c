"""Measures one row: puts load on a running server and reads the CPU time that it used."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import resource
import socket
import subprocess
import tempfile
import time

from . import Fault, bodies
from .contenders import PATH

SCRIPT = pathlib.Path(__file__).with_name("post.lua")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
DISTURBED_ABOVE = 0.10
"""Share of the server's core above which other processes disturb a row."""
CPUCLOCK_SCHED = 2
"""Linux: a process's clock that counts what it was scheduled, not ticks."""
WRK_TIMEOUT_S = 10


@dataclasses.dataclass
class Row:
    """The figures of one contender in one round; with a `fault` they are invalid."""

    broker: str
    scenario: str
    round: int
    contender: str
    requests: int = 0
    records: int = 0
    seconds: float = 0.0
    p50_us: float = 0.0
    p99_us: float = 0.0
    p999_us: float = 0.0
    cpu_s: float = 0.0
    """CPU time of all the server's threads, in user and in kernel mode."""
    errors: int = 0
    """Responses other than 2xx, and connections that failed or timed out."""
    server_core_other: float = 0.0
    """Share of the server's core used by other processes or the hypervisor."""
    load_core_busy: float = 0.0
    """Share of the load's core in use, by any process."""
    start_ms: float = 0.0
    """From the start of its process to its first answer 2xx."""
    rss_mib: float = 0.0
    """Resident memory after the load."""
    rate: int = 0
    """Requests a second that were sent, whatever the answers took; 0: closed loop."""
    note: str = ""
    """What a valid row did not reach."""
    fault: str = ""

    @property
    def is_disturbed(self):
        """Whether other processes used much of the server's core."""
        return self.server_core_other > DISTURBED_ABOVE

    @property
    def cpu_us_per_request(self):
        """CPU microseconds a request, or None without requests."""
        return self.cpu_s * 1e6 / self.requests if self.requests else None

    @property
    def cpu_us_per_record(self):
        """CPU microseconds a record, or None without records."""
        return self.cpu_s * 1e6 / self.records if self.records else None

    @property
    def per_second(self):
        """Requests a second, or None without requests."""
        return self.requests / self.seconds if self.requests else None


@dataclasses.dataclass(frozen=True)
class Cores:
    """The core of the server, and the core of everything else."""

    server: int
    load: int


@dataclasses.dataclass(frozen=True)
class Load:
    """What is sent, to whom, and from which cores."""

    cores: str
    """As taskset takes them."""
    host_port: str
    scenario: bodies.Scenario
    files: list
    """The body and, if requests carry tokens, the list of tokens."""
    path: str = PATH
    clients: str = ""
    """The executable that sends at a rate."""
    rate: int = 0
    """Requests a second in open loop; 0: closed loop."""

    @property
    def connections(self):
        """Connections of an open loop: those of the scenario, and more where answers could not be so late."""
        return max(self.scenario.connections, self.rate * LATE_MS // 1_000)

    def run(self, seconds):
        """Sends for so long; returns counts, and percentiles in microseconds."""
        return self.steady(seconds) if self.rate else self.wrk(seconds)

    def wrk(self, seconds):
        """Runs wrk, closed loop: each connection sends its next request after the previous response.

        Unless tokens alternate, all connections of a wrk thread send the same token.
        """
        scenario = self.scenario
        threads = 1 if scenario.in_turns else max(1, scenario.tokens, 2 * scenario.shares)
        command = [
            "taskset", "--cpu-list", self.cores,
            "wrk", f"--threads={threads}", f"--connections={scenario.connections}",
            f"--duration={seconds}s", f"--timeout={WRK_TIMEOUT_S}s", f"--script={SCRIPT}",
            f"http://{self.host_port}{self.path}", "--", *map(str, self.files),
            *(["in turns"] if scenario.in_turns and len(self.files) > 1 else []),
        ]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        sums = re.search(r"^SUMS (.*)$", ran.stdout, re.MULTILINE)
        if ran.returncode != 0 or not sums:
            said = (ran.stderr or ran.stdout).strip().splitlines()[-1:] or [""]
            raise Fault(f"wrk failed: {said[0][:100]}")
        return json.loads(sums[1])

    def steady(self, seconds):
        """Sends each request when it is due, open loop; response times count from then on."""
        command = [
            "taskset", "--cpu-list", self.cores, self.clients, "steady", f"--server={self.host_port}",
            f"--path={self.path}", f"--body={self.files[0]}", f"--rate={self.rate}",
            f"--connections={self.connections}", f"--seconds={seconds}", f"--grace={GRACE_S}",
        ]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            said = ran.stderr.strip().splitlines()[-1:] or [""]
            raise Fault(f"clients failed: {said[0][:100]}")
        return steady_sums(json.loads(ran.stdout))


GRACE_S = 1
"""Seconds that answers are awaited after the last request of an open loop."""
LATE_MS = 16
"""In open loop, answers may take so many milliseconds before a request that is due waits for a connection: with
fewer connections the load is a closed loop, whose rate the answers limit."""


def steady_sums(result):
    """The sums of `clients steady` as wrk's are."""
    good = {status: times for status, times in result["answers"].items() if status.startswith("2")}
    answered = sum(times["count"] for times in result["answers"].values())
    count = sum(times["count"] for times in good.values())
    # A server answers all of its 2xx with the same status.
    times = max(good.values(), key=lambda it: it["count"], default={})
    return {
        "requests": answered, "microseconds": result["seconds"] * 1e6,
        **{kind: times.get(f"{kind}_us") or 0 for kind in ("p50", "p99", "p999")},
        "connect": 0, "read": result["failed"], "write": 0, "timeout": result["unanswered"],
        "status": answered - count,
    }


def load(row, cores, process, sending, seconds):
    """Puts load on the server for `seconds` and fills `row`.

    The CPU time is read just before the load starts and just after it has ended. An idle server uses
    almost none, so the difference is the cost of the requests and their connections.
    """
    before = process_s(process.pid), busy_s(cores.server), busy_s(cores.load), time.monotonic()
    sums = sending.run(seconds)
    after = process_s(process.pid), busy_s(cores.server), busy_s(cores.load), time.monotonic()
    cpu, server, loading, elapsed = (b - a for a, b in zip(before, after))

    row.requests = sums["requests"] - sums["status"]
    row.records = row.requests * sending.scenario.records
    row.seconds = sums["microseconds"] / 1e6
    row.p50_us, row.p99_us, row.p999_us = sums["p50"], sums["p99"], sums["p999"]
    row.cpu_s = cpu
    row.rss_mib = resident_mib(process.pid)
    row.errors = sum(sums[kind] for kind in WRK_ERRORS)
    if not sending.scenario.shares:
        row.server_core_other = max(0.0, server - cpu) / elapsed
    row.load_core_busy = loading / elapsed
    errors = ", ".join(f"{sums[kind]} {kind}" for kind in WRK_ERRORS if sums[kind])
    if not row.requests:
        row.fault = errors or "no request was answered"
    elif sending.rate:
        is_carried = not errors and row.per_second > CARRIED * sending.rate
        row.note = "" if is_carried else ", ".join(
            filter(None, [f"not carried: {row.per_second:,.0f}/s", errors]))
    else:
        row.fault = errors


CARRIED = 0.95
"""Share of an open loop's rate that must be answered 2xx; the time until the last answer counts."""
WRK_ERRORS = ("connect", "read", "write", "timeout", "status")


def kept(core, process, url, body, seconds, headers=(), connections=64):
    """Requests a second, and CPU microseconds a request, on connections that are kept; the first two
    seconds are not counted."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        command = ["taskset", "--cpu-list", str(core), "wrk", "--threads=1", f"--connections={connections}",
                   f"--script={SCRIPT}", *(f"--header={header}" for header in headers)]
        for counted in (2, seconds):
            before = process_s(process.pid)
            ran = subprocess.run([*command, f"--duration={counted}s", url, "--", file.name],
                                 capture_output=True, text=True, check=True)
            cpu_s = process_s(process.pid) - before
            sums = json.loads(ran.stdout.split("SUMS ")[1].splitlines()[0])
            if sums["status"] or sums["read"] or sums["timeout"]:
                raise Fault(f"bad answers: {sums}")
        return sums["requests"] / seconds, cpu_s * 1e6 / sums["requests"]


@contextlib.contextmanager
def idle(host_port, path, body, count):
    """Holds so many connections, each with one request that was answered 2xx."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most < count + 1_000:
        raise Fault(f"needs a limit of {count + 1_000:,} open files, it is {most:,}")
    host, port = host_port.rsplit(":", 1)
    request = (f"POST {path} HTTP/1.1\r\nHost: {host_port}\r\nContent-Type: application/json\r\n"
               f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    with contextlib.ExitStack() as held:
        left = count
        while left:
            some = [held.enter_context(socket.create_connection((host, int(port)), timeout=10))
                    for _ in range(min(left, 200))]
            for connection in some:
                connection.sendall(request)
            for connection in some:
                if not connection.recv(4_096).startswith(b"HTTP/1.1 2"):
                    raise Fault(f"connection {count - left:,} and the next were refused or closed")
            left -= len(some)
        yield


def process_s(pid):
    """CPU seconds of a process and its descendants so far: all threads, user and kernel mode, those of
    ended children included.

    The clock of a process (clock_getcpuclockid(3)) counts nanoseconds; its ended children's time, which
    few servers have, is in proc(5), stat: cutime and cstime.
    """
    total = 0.0
    for process in tree(pid):
        try:
            total += time.clock_gettime(~process << 3 | CPUCLOCK_SCHED)
            text = pathlib.Path(f"/proc/{process}/stat").read_text()
        except OSError as error:
            if process != pid:
                continue
            raise Fault("the server ended during the measurement") from error
        # The name in parentheses may contain any character; field 3 follows the last parenthesis.
        fields = text.rpartition(")")[2].split()
        total += sum(map(int, fields[16 - 3:18 - 3])) / TICKS_PER_S
    return total


def tree(pid):
    """A process and its descendants, which a server may be started by or made of."""
    found = [pid]
    for process in found:
        for children in pathlib.Path(f"/proc/{process}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, children.read_text().split())
    return found


def resident_mib(pid):
    """Resident memory of a process and its descendants; pages that they share count for each."""
    total = 0
    for process in tree(pid):
        with contextlib.suppress(OSError):
            text = pathlib.Path(f"/proc/{process}/status").read_text()
            found = re.search(r"^VmRSS:\s+(\d+) kB", text, re.MULTILINE)
            total += int(found[1]) if found else 0
    return total / 1024


def busy_s(core):
    """Seconds that a core has not been idle (proc(5), stat)."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
            return (user + nice + system + irq + softirq + steal) / TICKS_PER_S
    raise Fault(f"no core {core}")
