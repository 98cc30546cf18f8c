"""Measures one row: puts load on a running server and reads the CPU time that it used."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

from . import Fault
from .contenders import PATH

SCRIPT = pathlib.Path(__file__).with_name("post.lua")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
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
    cpu_s: float = 0.0
    """CPU time of all the server's threads, in user and in kernel mode."""
    errors: int = 0
    """Responses other than 2xx, and connections that failed or timed out."""
    server_core_other: float = 0.0
    """Share of the server's core used by other processes or the hypervisor."""
    load_core_busy: float = 0.0
    """Share of the load's core in use, by any process."""
    fault: str = ""

    @property
    def cpu_us_per_request(self):
        """CPU microseconds a request, or None without requests."""
        return self.cpu_s * 1e6 / self.requests if self.requests else None

    @property
    def cpu_us_per_record(self):
        """CPU microseconds a record, or None without records."""
        return self.cpu_s * 1e6 / self.records if self.records else None


@dataclasses.dataclass(frozen=True)
class Cores:
    """The core of the server, and the core of everything else."""

    server: int
    load: int


def load(row, cores, process, host_port, scenario, files, seconds, path=PATH):
    """Puts load on the server for `seconds` and fills `row`.

    The CPU time is read just before wrk starts and just after it has ended. An idle server uses
    almost none, so the difference is the cost of the requests and their connections.
    """
    before = process_s(process.pid), busy_s(cores.server), busy_s(cores.load), time.monotonic()
    sums = wrk(cores.load, host_port, scenario, files, seconds, path)
    after = process_s(process.pid), busy_s(cores.server), busy_s(cores.load), time.monotonic()
    cpu, server, loading, elapsed = (b - a for a, b in zip(before, after))

    row.requests = sums["requests"] - sums["status"]
    row.records = row.requests * scenario.records
    row.seconds = sums["microseconds"] / 1e6
    row.p50_us, row.p99_us = sums["p50"], sums["p99"]
    row.cpu_s = cpu
    row.errors = sum(sums[kind] for kind in ("connect", "read", "write", "timeout", "status"))
    row.server_core_other = max(0.0, server - cpu) / elapsed
    row.load_core_busy = loading / elapsed
    if row.errors:
        row.fault = ", ".join(
            f"{sums[kind]} {kind}" for kind in sums if kind in WRK_ERRORS and sums[kind]
        )
    elif not row.requests:
        row.fault = "no request was answered"


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


def wrk(core, host_port, scenario, files, seconds, path=PATH):
    """Runs wrk, closed loop: each connection sends its next request after the previous response.

    `files` are the body and, if requests carry tokens, the list of tokens. Unless tokens alternate,
    all connections of a wrk thread send the same token.
    """
    threads = 1 if scenario.in_turns else max(1, scenario.tokens)
    command = [
        "taskset", "--cpu-list", str(core),
        "wrk", f"--threads={threads}", f"--connections={scenario.connections}",
        f"--duration={seconds}s", f"--timeout={WRK_TIMEOUT_S}s", f"--script={SCRIPT}",
        f"http://{host_port}{path}",
        "--", *map(str, files), *(["in turns"] if scenario.in_turns and len(files) > 1 else []),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    sums = re.search(r"^SUMS (.*)$", ran.stdout, re.MULTILINE)
    if ran.returncode != 0 or not sums:
        said = (ran.stderr or ran.stdout).strip().splitlines()[-1:] or [""]
        raise Fault(f"wrk failed: {said[0][:100]}")
    return json.loads(sums[1])


def process_s(pid):
    """CPU seconds of a process and its descendants so far: all threads, user and kernel mode, those of
    ended children included (proc(5), stat: utime, stime, cutime, cstime)."""
    total = 0
    for process in tree(pid):
        try:
            text = pathlib.Path(f"/proc/{process}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError) as error:
            if process != pid:
                continue
            raise Fault("the server ended during the measurement") from error
        # The name in parentheses may contain any character; field 3 follows the last parenthesis.
        fields = text.rpartition(")")[2].split()
        total += sum(map(int, fields[14 - 3:18 - 3]))
    return total / TICKS_PER_S


def tree(pid):
    """A process and its descendants, which a server may be started by or made of."""
    found = [pid]
    for process in found:
        for children in pathlib.Path(f"/proc/{process}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, children.read_text().split())
    return found


def busy_s(core):
    """Seconds that a core has not been idle (proc(5), stat)."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
            return (user + nice + system + irq + softirq + steal) / TICKS_PER_S
    raise Fault(f"no core {core}")
