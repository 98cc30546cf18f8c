"""Writes the figures of a run into the manual, between the comments that mark their places."""

import re
import statistics
import textwrap
import time

from .bodies import SCENARIOS
from .command_line import counted
from .contenders import REPOSITORY
from .plan import RATES
from .report import (
    contenders_of, describe_cpu, disturbed, floor, groups, median_cpu_us, milliseconds, targets, valid)

NAMES = {
    "raw-uring": "floor: io_uring without a runtime",
    "raw-epoll": "floor: epoll without a runtime",
    "bare": "floor: monoio, the body kept in memory",
    "bare-default": "the same with monoio's default ring",
    "ringest": "**ringest**, any JSON object is valid",
    "typed": "**ringest**, eight fields and a nested tuple validated",
    "axum": "axum, serde_json and `FutureProducer`, no validation",
}
"""What the tables call a contender; others by their names."""


def publish(rows, report, known=None):
    """Fills the places in README.md and docs/performance.md; `report` is the run's file."""
    run = report.resolve().relative_to(REPOSITORY).as_posix()
    for page, up, made in (("README.md", "", readme), ("docs/performance.md", "../", performance)):
        file = REPOSITORY / page
        file.write_text(filled(file.read_text(), made(rows, up + run, known or {})))


def publish_promises(header, lines, report, known):
    """Fills the place of loadtest/promises in docs/performance.md; `report` is the run's file."""
    run = report.resolve().relative_to(REPOSITORY).as_posix()
    block = "\n".join([
        wrapped(f"`loadtest/promises`, [run of {date()}](../{run}), against one node of Apache Kafka."),
        "",
        table(header, [[named(name, known), *cells] for name, *cells in lines]),
    ])
    file = REPOSITORY / "docs" / "performance.md"
    file.write_text(filled(file.read_text(), block, "promises"))


def filled(text, block, mark="compare"):
    """A page with `block` in the place that is marked so."""
    marked = re.compile(rf"(<!-- {mark}: begin.*?-->\n).*?(<!-- {mark}: end -->)", re.DOTALL)
    if len(marked.findall(text)) != 1:
        raise ValueError(f"a page needs one place between `{mark}: begin` and `{mark}: end`")
    return marked.sub(lambda found: f"{found[1]}\n{block}\n\n{found[2]}", text)


def table(header, rows):
    """A Markdown table as the manual has them."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]])


def named(contender, known):
    """What a table calls a contender."""
    if contender in NAMES:
        return NAMES[contender]
    package = known[contender].package if contender in known else contender
    return package if known.get(contender) and known[contender].prepare else contender


def headline(rows):
    """The group that the README shows: Apache Kafka's, else the mock broker's; and which it is."""
    found = groups(rows)
    for broker in ("kafka", "mock"):
        if group := found.get((broker, "event-293")):
            return broker, group
    return "", []


def readme(rows, run, known):
    """One table and one plot."""
    broker, group = headline(rows)
    where = {"kafka": "one node of Apache Kafka", "mock": "librdkafka's mock broker", "": "no broker"}[broker]
    lowest = floor(group)
    costs = {name: median_cpu_us(group, name) for name in contenders_of(group)}
    order = sorted((name for name in costs if costs[name]), key=costs.get)
    lines = [line(group, name, costs, lowest, known) for name in order]
    lines += [[named(name, known), "–", "–", "–", "–", reason(group, name)] for name in costs if not costs[name]]
    rounds = max((row.round for row in group), default=0)
    return "\n".join([
        wrapped(
            f"[Run of {date()}]({run}) ({describe_cpu()}, virtual machine): single records of 293 bytes, the "
            f"server with all of its threads on one core, load and {where} on the other; medians of "
            f"{counted(rounds, 'round')}. {disturbed(group)} CPU a request is user and system time of the whole "
            "server. Requests a second are what load and broker on one core allow, not a capacity. Gateways answer "
            "after the broker's acknowledgement (Moose before it: see what an answer means); a floor reads the POST and answers 200, nothing else, and the cheapest of them counts."),
        "",
        table(("server", "requests/s", "CPU a request", "÷ floor", "memory", "start"), lines),
        *(["", f"![CPU a request, by server]({run.removesuffix('.md')}-cpu-{broker}.svg)"] if order else []),
    ])


def line(group, name, costs, lowest, known):
    """A contender's cells."""
    some = valid(group, name)
    return [
        named(name, known),
        f"{statistics.median(row.per_second for row in some):,.0f}",
        f"{costs[name]:.1f} µs",
        f"{costs[name] / costs[lowest]:.2f}" if lowest else "–",
        f"{statistics.median(row.rss_mib for row in some):,.0f} MiB",
        f"{statistics.median(row.start_ms for row in some) / 1e3:.2f} s",
    ]


def reason(group, name):
    """Why a contender has no valid row."""
    return next((row.fault or row.note for row in group if row.contender == name), "").replace("|", "/")


def performance(rows, run, known):
    """The tables of docs/performance.md."""
    found = groups(rows)
    parts = [wrapped(f"`loadtest/compare`, [run of {date()}]({run}) ({describe_cpu()}, virtual machine), medians. "
                     f"{disturbed(rows)}"),
             ""]
    sizes = ("event-293", "event-10k", "array-1000")
    mock = {scenario: found.get(("mock", scenario), []) for scenario in sizes}
    names = dict.fromkeys(name for group in mock.values() for name in contenders_of(group))
    if names:
        lines = [[named(name, known), *(size(mock[scenario], scenario, name) for scenario in sizes)]
                 for name in names]
        header = ("mock broker: CPU (÷ floor)", "293 B, a request", "10 KiB, a request",
                  "arrays of 1,000, a record")
        parts += [table(header, lines), ""]
    for scenario, words in (("idle-9900", "100 active connections of 10,000"),
                            ("workers", "one and two workers (`-2`), load and broker on the same two cores")):
        if group := found.get(("mock", scenario)):
            lines = [[name, *line(group, name, {name: median_cpu_us(group, name)}, None, known)[1:3],
                      *line(group, name, {name: median_cpu_us(group, name)}, None, known)[4:5]]
                     for name in contenders_of(group) if median_cpu_us(group, name)]
            parts += [table((words, "requests/s", "CPU a request", "memory"), lines), ""]
    for broker, words in (("kafka", "Apache Kafka"), ("mock", "the mock broker")):
        some = [row for row in rows if row.broker == broker and row.rate]
        if some:
            parts += [f"At a rate, open loop, {words}: CPU a request; p50, p99, p99.9 in ms.", "",
                      rates(some, known), ""]
        if any(row.requests and not row.fault for row in some):
            parts += [f"![CPU a request by rate, {words}]({run.removesuffix('.md')}-curve-{broker}.svg)", ""]
    measured = [target for target in targets(rows).splitlines() if not target.endswith("not measured")]
    if measured:
        parts += ["Targets:", "", *(wrapped(target, indent="  ") for target in measured)]
    return "\n".join(parts).rstrip()


def rates(rows, known):
    """The open-loop rows of one broker, a line for each contender: of several in a scenario the least disturbed."""
    scenarios = [name for name in RATES if any(row.scenario == name for row in rows)]
    cells = {}
    for row in sorted(rows, key=lambda row: (bool(row.fault), row.server_core_other), reverse=True):
        cells[row.contender, row.scenario] = rate_cell(row)
    header = ["server", *(f"{SCENARIOS[name].rate:,.0f}/s" if SCENARIOS[name].rate > 1
                          else f"{SCENARIOS[name].rate:.0%} of the peak".replace("%", " %") for name in scenarios)]
    return table(header, [[named(name, known), *(cells.get((name, scenario), "–") for scenario in scenarios)]
                          for name in contenders_of(rows)])


def rate_cell(row):
    """The figures of one row, or why there are none."""
    if not row.requests or row.fault:
        return (row.fault or row.note).replace("|", "/")
    rate = f" at {row.rate:,}/s" if SCENARIOS[row.scenario].rate <= 1 else ""
    notes = [row.note, f"others used {row.server_core_other:.0%} of its core" if row.is_disturbed else ""]
    note = f" ({', '.join(filter(None, notes))})" if any(notes) else ""
    return f"{row.cpu_us_per_request:.1f} µs{rate}; {', '.join(milliseconds(row))}{note}"


def wrapped(text, indent=""):
    """A paragraph as wide as the manual's."""
    return textwrap.fill(text, 118, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def size(group, scenario, name):
    """CPU a record of a contender at one size, and its ratio to the floor."""
    cost, lowest = median_cpu_us(group, name), floor(group)
    if cost is None:
        return reason(group, name) or "–"
    each = cost / SCENARIOS[scenario].records
    figure = f"{each:.1f} µs" if each >= 2 else f"{each:.2f} µs"
    return f"{figure} ({cost / median_cpu_us(group, lowest):.2f})" if lowest else figure


def date():
    """Today, as the manual writes it."""
    return time.strftime("%Y-%m-%d", time.gmtime())
