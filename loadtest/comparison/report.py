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
from .measure import DISTURBED_ABOVE
from .plan import AFTERNOON, FLOORS, RINGEST

COLUMNS = (
    "broker", "scenario", "round", "server", "req/s", "records/s", "p50 ms", "p99 ms", "p99.9 ms",
    "CPU µs/req", "CPU µs/record", "errors", "core: server", "core: others", "core: load", "RSS MiB",
    "start ms", "remark",
)
INTERRUPTED = "**Interrupted: these are only the rows until then.**"
CHECKED = (("jwt", "open-jwt"), ("pbkdf2", "open-key"), ("sha256", "open-key"))
"""Rows that differ only in whether the (cached) token is checked."""
RATIOS = (
    ("ringest", "bare"), ("typed", "ringest"), ("axum", "ringest"), ("axum", "bare"),
    ("bare", "bare-default"), ("ringest", "ringest-2"), ("typed", "typed-2"), ("axum", "axum-2"),
    *CHECKED, ("open-jwt", "ringest"), ("axum-jwt", "axum"), ("axum-key", "axum"),
    ("axum-jwt", "jwt"), ("axum-key", "pbkdf2"),
)


def cells(row):
    """A row as text; a dash stands for a figure that was not measured."""
    head = [row.broker, row.scenario, str(row.round), row.contender]
    remark = "; ".join(filter(None, [row.note, row.fault]))
    if not row.requests:
        return [*head, *["–"] * 7, str(row.errors), *["–"] * 5, remark]
    return [
        *head,
        f"{row.per_second:,.0f}",
        f"{row.records / row.seconds:,.0f}",
        *milliseconds(row),
        f"{row.cpu_us_per_request:.2f}",
        f"{row.cpu_us_per_record:.3f}",
        str(row.errors),
        f"{row.cpu_s / row.seconds:.0%}",
        f"{row.server_core_other:.0%}",
        f"{row.load_core_busy:.0%}",
        f"{row.rss_mib:.0f}",
        f"{row.start_ms:,.0f}",
        remark,
    ]


def milliseconds(row):
    """p50, p99 and p99.9 of a row as text."""
    return [f"{value / 1e3:.2f}" for value in (row.p50_us, row.p99_us, row.p999_us)]


def table(header, rows):
    """A Markdown table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
        for line in lines
    )


def ratios(rows, over, under):
    """Ratios of CPU a request between two contenders, one a round: of the rows that count, else of valid ones."""
    for some in (valid, without_fault):
        cost = {(row.round, row.contender): row.cpu_us_per_request
                for name in (over, under) for row in some(rows, name)}
        rounds = sorted({number for number, _ in cost})
        found = [cost[number, over] / cost[number, under]
                 for number in rounds if (number, over) in cost and (number, under) in cost]
        if found:
            return found
    return []


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


def without_fault(rows, contender):
    """A contender's valid rows."""
    return [row for row in rows if row.contender == contender and row.requests and not row.fault]


def valid(rows, contender):
    """A contender's rows that count: the valid ones, of them those that were not disturbed, if there are any."""
    found = without_fault(rows, contender)
    return [row for row in found if not row.is_disturbed] or found


def median_cpu_us(rows, contender):
    """The median CPU microseconds a request of a contender's valid rows; None without any."""
    found = [row.cpu_us_per_request for row in valid(rows, contender)]
    return statistics.median(found) if found else None


def floor(rows):
    """The floor of a group: of the servers that only read and answer, the one whose requests cost the
    least CPU; None where none has a valid row."""
    costs = {name: median_cpu_us(rows, name) for name in FLOORS}
    return min((name for name in FLOORS if costs[name]), key=costs.get, default=None)


def contenders_of(rows):
    """The names of the contenders, in the order of their first rows."""
    return list(dict.fromkeys(row.contender for row in rows))


def summary(rows):
    """Medians, minima and maxima over the rounds, and ratios of CPU a request; closed loop."""
    lines = []
    for (broker, scenario), group in groups(rows).items():
        if scenario.startswith("rate-"):
            continue
        lowest = floor(group)
        for contender in contenders_of(group):
            some = valid(group, contender)
            over = ratios(group, contender, lowest) if some else []
            lines.append([
                broker, scenario, contender + (" (floor)" if contender == lowest else ""),
                spread([row.per_second for row in some], 0),
                spread([row.cpu_us_per_request for row in some], 2),
                spread(over, 2) if over else "",
                spread([row.cpu_us_per_record for row in some]),
                *(f"{statistics.median(values):,.0f}" if values else ""
                  for values in ([row.rss_mib for row in some], [row.start_ms for row in some])),
            ])
        for over, under in RATIOS:
            if values := ratios(group, over, under):
                lines.append([broker, scenario, f"{over} ÷ {under}", "", "", spread(values), "", "", ""])
    header = ("broker", "scenario", "server", "req/s", "CPU µs/req", "÷ floor, or ratio", "CPU µs/record",
              "RSS MiB", "start ms")
    return table(header, lines)


def curve(rows):
    """The open-loop rows by broker, contender and rate; empty without any."""
    lines = []
    for broker in dict.fromkeys(row.broker for row in rows):
        open_loop = [row for row in rows if row.broker == broker and row.scenario.startswith("rate-")]
        for contender in contenders_of(open_loop):
            for row in sorted((row for row in open_loop if row.contender == contender),
                              key=lambda row: row.rate):
                measured = bool(row.requests)
                lines.append([
                    broker, contender, row.scenario.removeprefix("rate-"), f"{row.rate:,}",
                    *(milliseconds(row) if measured else ["–"] * 3),
                    f"{row.cpu_us_per_request:.2f}" if measured else "–",
                    f"{row.load_core_busy:.0%}" if measured else "–",
                    "; ".join(filter(None, [row.note, row.fault])),
                ])
    if not lines:
        return ""
    header = ("broker", "server", "rate", "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU µs/req",
              "core: load", "remark")
    return table(header, lines)


def targets(rows):
    """Whether each target is met, one a line: those of the scenarios in the run; empty without any."""
    found = groups(rows)

    def mock(scenario):
        return found.get(("mock", scenario), [])

    single, kafka = mock("event-293"), found.get(("kafka", "event-293"), [])
    lowest = floor(single)
    per_record = [row.cpu_us_per_record for row in valid(mock("array-1000"), "typed")]
    low_rate = [row.cpu_us_per_request for row in valid(mock("rate-1000"), "ringest")]
    cheapest = cheapest_product(kafka)
    checks = (
        (single, f"293 B records: ringest ÷ floor ({lowest or 'none'}), CPU a request, at most 1.25",
         ratios(single, "ringest", lowest), lambda value: value <= 1.25),
        (single, "293 B records: typed ÷ ringest, CPU a request, at most 1.10",
         ratios(single, "typed", "ringest"), lambda value: value <= 1.1),
        (single, "293 B records: axum ÷ ringest, CPU a request, at least 1.60",
         ratios(single, "axum", "ringest"), lambda value: value >= 1.6),
        (mock("array-1000"), "arrays of 1,000: typed, CPU µs a record, at most 0.75",
         per_record, lambda value: value <= 0.75),
        (mock("event-10k"), "10 KiB records: ringest ÷ bare, CPU a request, at most 1.80",
         ratios(mock("event-10k"), "ringest", "bare"), lambda value: value <= 1.8),
        (mock("rate-1000"), "1,000 requests/s: ringest, CPU µs a request, at most 50",
         low_rate, lambda value: value <= 50),
        (kafka, "Apache Kafka, 293 B records: the cheapest product "
         f"({cheapest or 'none'}) ÷ typed, CPU a request, at least 3.00",
         ratios(kafka, cheapest, "typed"), lambda value: value >= 3),
        *((mock(scenario), f"{words}: {over} ÷ {under}, CPU a request, at most 1.03",
           ratios(mock(scenario), over, under), lambda value: value <= 1.03)
          for scenario, words in (("auth-293", "a token a connection"),
                                  ("auth-293-turns", "tokens in turns"))
          for over, under in CHECKED),
    )
    return "\n".join(
        f"- {name}: {spread(values)}: {result(values, holds)}" for group, name, values, holds in checks if group
    )


def cheapest_product(rows):
    """The gateway that people use instead of ringest whose requests cost the least CPU; None without any."""
    others = {*FLOORS, "bare-default", *RINGEST, *AFTERNOON}
    names = [name for name in contenders_of(rows) if name not in others and valid(rows, name)]
    return min(names, key=lambda name: median_cpu_us(rows, name), default=None)


def disturbed(rows):
    """The number of rows in which other processes used the server's core."""
    measured = [row for row in rows if row.requests]
    shared = [row for row in measured if row.is_disturbed]
    return (
        f"In {len(shared)} of {len(measured)} rows other processes used more than "
        f"{DISTURBED_ABOVE:.0%} of the server's core. Where a server has other rows in a scenario, they do not count."
    )


def result(values, holds):
    """Whether the median meets the target; without values it is not met."""
    if not values:
        return "not measured"
    return "met" if holds(statistics.median(values)) else "MISSED"


def markdown(rows, command, cores, plots=(), interrupted=False):
    """The report for `loadtest/runs/`, without host name and local paths."""
    return "\n".join([
        f"# {time.strftime('%Y-%m-%d', time.gmtime())}: {describe_cpu()}",
        "",
        f"`{command}`",
        "",
        *([INTERRUPTED, ""] if interrupted else []),
        *[f"- {fact}" for fact in facts(cores)],
        f"- {first_line(['wrk', '--version']).partition(' Copyright')[0]}",
        "- `workers` and Kafka rows: load and broker share the server's cores, or a core that they fill",
        "",
        *(f"![{plot}]({plot})\n" for plot in plots),
        *(["## Targets (mock broker, unless they say otherwise)", "", targets(rows), ""] if targets(rows) else []),
        "## Medians (minimum–maximum), closed loop",
        "",
        summary(rows),
        "",
        *(["## At a rate, open loop", "", curve(rows), ""] if curve(rows) else []),
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
