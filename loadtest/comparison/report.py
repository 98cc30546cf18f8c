"""Reports a run: all rows (invalid ones included), the ratios and the targets."""

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
"""Rows that differ only in whether the (cached) token is checked."""
RATIOS = (
    ("ringest", "bare"), ("typed", "ringest"), ("axum", "ringest"), ("axum", "bare"),
    *CHECKED, ("open-jwt", "ringest"), ("axum-jwt", "axum"), ("axum-key", "axum"),
    ("axum-jwt", "jwt"), ("axum-key", "pbkdf2"),
)


def cells(row):
    """A row as text; a dash stands for a figure that was not measured."""
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
    """A Markdown table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
        for line in lines
    )


def ratios(rows, over, under):
    """Ratios of CPU a request between two contenders, one a round; valid rows only."""
    cost = {(row.round, row.contender): row.cpu_us_per_request for row in rows if not row.fault}
    rounds = sorted({number for number, _ in cost})
    return [
        cost[number, over] / cost[number, under]
        for number in rounds
        if (number, over) in cost and (number, under) in cost
    ]


def spread(values, digits=3):
    """The median, with minimum and maximum."""
    if not values:
        return "no valid rows"
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def groups(rows):
    """The rows of each broker and scenario, in the order of their runs."""
    found = {}
    for row in rows:
        found.setdefault((row.broker, row.scenario), []).append(row)
    return found


def summary(rows):
    """Medians, minima and maxima over the rounds, and the ratios of CPU a request."""
    lines = []
    for (broker, scenario), group in groups(rows).items():
        for contender in dict.fromkeys(row.contender for row in group):
            valid = [row for row in group if row.contender == contender and not row.fault]
            lines.append([
                broker, scenario, contender,
                spread([row.requests / row.seconds for row in valid], 0),
                spread([row.cpu_us_per_request for row in valid], 2),
                spread([row.cpu_us_per_record for row in valid]),
            ])
        for over, under in RATIOS:
            if values := ratios(group, over, under):
                lines.append([broker, scenario, f"{over} ÷ {under}", "", spread(values), ""])
    header = ("broker", "scenario", "server", "req/s", "CPU µs/req, or ratio", "CPU µs/record")
    return table(header, lines)


def targets(rows):
    """Whether each target is met, one a line."""
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
        f"- {name}: {spread(values)}: {result(values, holds)}" for name, values, holds in checks
    )


def disturbed(rows):
    """The number of rows in which other processes used the server's core."""
    measured = [row for row in rows if row.requests]
    shared = [row for row in measured if row.server_core_other > DISTURBED_ABOVE]
    return (
        f"In {len(shared)} of {len(measured)} rows other processes used more than "
        f"{DISTURBED_ABOVE:.0%} of the server's core."
    )


def result(values, holds):
    """Whether the median meets the target; without values it is not met."""
    if not values:
        return "not measured"
    return "met" if holds(statistics.median(values)) else "MISSED"


def markdown(rows, command, cores):
    """The report for `loadtest/runs/`, without host name and local paths."""
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
        "## Medians (minimum–maximum)",
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
    """The environment that the figures depend on."""
    return [
        f"finished {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, commit {commit()}",
        f"{os.cpu_count()} cores, server on core {cores.server}, load and broker on {cores.load}",
        f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}, {platform.machine()}",
        first_line(["rustc", "--version"]),
        f"librdkafka {librdkafka()}, Apache Kafka {KAFKA}",
        f"load average at the end {os.getloadavg()[0]:.1f}",
    ]


def describe_cpu():
    """The number and the model of the CPUs."""
    found = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return f"{os.cpu_count()} × {found[1] if found else platform.machine()}"


def commit():
    """The measured commit, and whether there are uncommitted changes."""
    revision = first_line(["git", "rev-parse", "--short", "HEAD"])
    return revision + (" with changes" if first_line(["git", "status", "--porcelain"]) else "")


def librdkafka():
    """The version of librdkafka in ringest and the axum gateway (build part of rdkafka-sys)."""
    lock = (REPOSITORY / "Cargo.lock").read_text()
    found = re.search(r'name = "rdkafka-sys"\nversion = "[^"+]*\+([^"]*)"', lock)
    return found[1] if found else "of unknown version"


def first_line(command):
    """The first line of a tool's output; empty if the tool is not installed."""
    if not shutil.which(command[0]):
        return ""
    ran = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    return (ran.stdout or ran.stderr).partition("\n")[0]
