"""What a run says: the rows as they are, bad ones included, the ratios, and the targets."""

import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import time

from .brokers import KAFKA
from .contenders import REPOSITORY

COLUMNS = (
    "broker", "scenario", "round", "server", "req/s", "records/s", "p50 ms", "p99 ms",
    "CPU µs/req", "CPU µs/record", "errors", "core: server", "core: others", "core: load", "fault",
)
DISTURBED_ABOVE = 0.10
CHECKED = (("jwt", "open-jwt"), ("pbkdf2", "open-key"), ("sha256", "open-key"))
"""Rows that differ in nothing but whether the token, which was seen before, is looked up."""
RATIOS = (
    ("ringest", "bare"), ("typed", "ringest"), ("axum", "ringest"), ("axum", "bare"),
    *CHECKED, ("open-jwt", "ringest"), ("axum-jwt", "axum"), ("axum-key", "axum"),
    ("axum-jwt", "jwt"), ("axum-key", "pbkdf2"),
)


def cells(row):
    """A row as text; what was not measured is a dash."""
    head = [row.broker, row.scenario, str(row.round), row.contender]
    if not row.requests:
        return [*head, *["–"] * 6, str(row.errors), *["–"] * 3, row.fault]
    return [
        *head,
        f"{row.requests / row.seconds:,.0f}",
        f"{row.records / row.seconds:,.0f}",
        f"{row.p50_us / 1e3:.2f}",
        f"{row.p99_us / 1e3:.2f}",
        f"{row.cpu_us_per_request:.2f}",
        f"{row.cpu_us_per_record:.3f}",
        str(row.errors),
        f"{row.cpu_s / row.seconds:.0%}",
        f"{row.server_core_other:.0%}",
        f"{row.load_core_busy:.0%}",
        row.fault,
    ]


def table(header, rows):
    """A Markdown table, aligned so that it reads well as plain text too."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
        for line in lines
    )


def ratios(rows, over, under):
    """CPU a request of one contender over another's, round by round, sound rows only."""
    cost = {(row.round, row.contender): row.cpu_us_per_request for row in rows if not row.fault}
    rounds = sorted({number for number, _ in cost})
    return [
        cost[number, over] / cost[number, under]
        for number in rounds
        if (number, over) in cost and (number, under) in cost
    ]


def spread(values, digits=3):
    """The median, with the least and the greatest."""
    if not values:
        return "no sound rows"
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def groups(rows):
    """The rows of each broker and scenario, in the order in which they ran."""
    found = {}
    for row in rows:
        found.setdefault((row.broker, row.scenario), []).append(row)
    return found


def summary(rows):
    """Medians over the rounds, with least and greatest, and the ratios of CPU a request."""
    lines = []
    for (broker, scenario), group in groups(rows).items():
        for contender in dict.fromkeys(row.contender for row in group):
            sound = [row for row in group if row.contender == contender and not row.fault]
            lines.append([
                broker, scenario, contender,
                spread([row.requests / row.seconds for row in sound], 0),
                spread([row.cpu_us_per_request for row in sound], 2),
                spread([row.cpu_us_per_record for row in sound]),
            ])
        for over, under in RATIOS:
            if values := ratios(group, over, under):
                lines.append([broker, scenario, f"{over} ÷ {under}", "", spread(values), ""])
    header = ("broker", "scenario", "server", "req/s", "CPU µs/req, or ratio", "CPU µs/record")
    return table(header, lines)


def targets(rows):
    """Whether the targets are met: one line each, the missed ones said as plainly."""
    mock = {scenario: group for (broker, scenario), group in groups(rows).items()
            if broker == "mock"}
    single, arrays = mock.get("event-293", []), mock.get("array-1000", [])
    per_record = [row.cpu_us_per_record for row in arrays
                  if row.contender == "ringest" and not row.fault]
    checks = (
        ("293 B records: ringest ÷ bare, CPU a request, at most 1.25",
         ratios(single, "ringest", "bare"), lambda value: value <= 1.25),
        ("293 B records: axum ÷ ringest, CPU a request, at least 1.60",
         ratios(single, "axum", "ringest"), lambda value: value >= 1.6),
        ("arrays of 1,000: ringest, CPU µs a record, at most 1.00",
         per_record, lambda value: value <= 1.0),
        *((f"{words}: {over} ÷ {under}, CPU a request, at most 1.03",
           ratios(mock.get(scenario, []), over, under), lambda value: value <= 1.03)
          for scenario, words in (("auth-293", "a token a connection"),
                                  ("auth-293-turns", "tokens in turns"))
          for over, under in CHECKED),
    )
    return "\n".join(
        f"- {name}: {spread(values)}: {verdict(values, holds)}" for name, values, holds in checks
    )


def disturbed(rows):
    """How many rows were not alone on the server's core, so that a reader can judge the rest."""
    measured = [row for row in rows if row.requests]
    shared = [row for row in measured if row.server_core_other > DISTURBED_ABOVE]
    return (
        f"In {len(shared)} of {len(measured)} rows others used more than {DISTURBED_ABOVE:.0%} of "
        "the server's core."
    )


def verdict(values, holds):
    """The median decides; nothing measured is not a success."""
    if not values:
        return "not measured"
    return "met" if holds(statistics.median(values)) else "MISSED"


def markdown(rows, command, cores):
    """The whole run for `loadtest/runs/`: no host name and no path of the machine in it."""
    return "\n".join([
        f"# {time.strftime('%Y-%m-%d', time.gmtime())}: {describe_cpu()}",
        "",
        f"`{command}`",
        "",
        *[f"- {fact}" for fact in facts(cores)],
        f"- {first_line(['wrk', '--version']).partition(' Copyright')[0]}",
        "",
        "## Targets (mock broker)",
        "",
        targets(rows),
        "",
        "## Medians (least–greatest)",
        "",
        summary(rows),
        "",
        "## Every row",
        "",
        disturbed(rows),
        "",
        table(COLUMNS, [cells(row) for row in rows]),
        "",
    ])


def facts(cores):
    """What the figures depend on besides the code."""
    return [
        f"finished {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, commit {commit()}",
        f"{os.cpu_count()} cores, server on core {cores.server}, load and broker on {cores.load}",
        f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}, {platform.machine()}",
        first_line(["rustc", "--version"]),
        f"librdkafka {librdkafka()}, Apache Kafka {KAFKA}",
        f"load average at the end {os.getloadavg()[0]:.1f}",
    ]


def describe_cpu():
    """How many cores of which make."""
    found = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return f"{os.cpu_count()} × {found[1] if found else platform.machine()}"


def commit():
    """The commit that was measured, and whether it was all of it."""
    revision = first_line(["git", "rev-parse", "--short", "HEAD"])
    return revision + (" with changes" if first_line(["git", "status", "--porcelain"]) else "")


def librdkafka():
    """The librdkafka that ringest and the axum gateway share (the build part of the version)."""
    lock = (REPOSITORY / "Cargo.lock").read_text()
    found = re.search(r'name = "rdkafka-sys"\nversion = "[^"+]*\+([^"]*)"', lock)
    return found[1] if found else "of unknown version"


def first_line(command):
    """What a tool says first; nothing where there is no such tool."""
    if not shutil.which(command[0]):
        return ""
    ran = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    return (ran.stdout or ran.stderr).partition("\n")[0]
