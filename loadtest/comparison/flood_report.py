"""Reports floods: the figures of each (invalid ones included) and the targets."""

import statistics
import time

from . import flooding
from .report import describe_cpu, facts, spread, table, result

P99_RATIO_MAX = 2.0
CPU_US_MAX = 10.0
RATE_SHARE_MIN = 0.95

FLOOD_COLUMNS = (
    "server", "junk", "round", "answered", "a second", "answers", "unanswered", "CPU µs/junk",
    "resident MiB", "core: server", "core: others", "core: load", "fault",
)
CLIENT_COLUMNS = (
    "server", "junk", "round", "client", "phase", "requests", "200", "other answers", "failed",
    "p50 ms", "p99 ms", "max ms",
)


def flood_cells(flood):
    """The figures of a flood; a dash stands for one that was not measured."""
    head = [flood.server, flood.kind, str(flood.round)]
    if flood.fault or not flood.flooded:
        return [*head, *["–"] * 9, flood.fault]
    junk, phase = flood.flooded.junk, flood.flooded
    unanswered = (f"{junk['sent'] - junk['answered']:,}"
                  f" ({junk['connects_failed']:,} connections failed)")
    return [
        *head,
        f"{junk['answered']:,}",
        f"{flood.junk_per_s:,.0f}",
        answers(junk),
        unanswered,
        f"{flood.cpu_us_per_junk:.2f}",
        f"{flood.rss_before / 2**20:.0f} → {flood.rss_after / 2**20:.0f}",
        f"{phase.cpu_s / phase.seconds:.0%}",
        f"{phase.server_core_other:.0%}",
        f"{phase.load_core_busy:.0%}",
        "",
    ]


def client_cells(flood):
    """The figures of each client and phase, one a line."""
    if not flood.flooded:
        return []
    lines = []
    for client in ("known", "fresh"):
        for name, phase in (("quiet", flood.quiet), ("flooded", flood.flooded)):
            sums = getattr(phase, client)
            lines.append([
                flood.server, flood.kind, str(flood.round), client, name,
                f"{sums['requests']:,}", f"{flooding.success(sums):.2%}", answers(sums, "200"),
                str(sums["failed"]),
                *("–" if sums[key] is None else f"{sums[key] / 1e3:.2f}"
                  for key in ("p50_us", "p99_us", "max_us")),
            ])
    return lines


def answers(sums, without=""):
    """The number of responses by status."""
    counts = [f"{status}: {count:,}" for status, count in sorted(sums["answers"].items())
              if status != without]
    return ", ".join(counts) or "none"


def groups(floods):
    """The valid floods of each server and kind of junk, in the order of their runs."""
    found = {}
    for flood in floods:
        same = found.setdefault((flood.server, flood.kind), [])
        if not flood.fault:
            same.append(flood)
    return found


def targets(floods, rate):
    """Whether the medians meet the targets, for each server and kind of junk."""
    rate_min = RATE_SHARE_MIN * rate
    lines = []
    for (server, kind), valid in groups(floods).items():
        checks = (
            (f"known clients' p99 flooded ÷ quiet, at most {P99_RATIO_MAX}",
             [flood.p99_ratio for flood in valid], lambda value: value <= P99_RATIO_MAX, 2),
            ("known clients' requests answered 200, all",
             [flooding.success(flood.flooded.known) for flood in valid],
             lambda value: value == 1, 5),
            (f"CPU µs a junk token, below {CPU_US_MAX}",
             [flood.cpu_us_per_junk for flood in valid], lambda value: value < CPU_US_MAX, 2),
            (f"junk tokens answered a second, at least {rate_min:,.0f}",
             [flood.junk_per_s for flood in valid], lambda value: value >= rate_min, 0),
        )
        lines += [f"- {server}, {kind}: {name}: {spread(values, digits)}: {result(values, holds)}"
                  for name, values, holds, digits in checks]
    return "\n".join(lines)


def medians(floods):
    """The medians, one line for each server and kind of junk."""
    figures = (
        ("junk a second", "{:,.0f}", lambda flood: flood.junk_per_s),
        ("CPU µs/junk", "{:.2f}", lambda flood: flood.cpu_us_per_junk),
        ("known: p99 ms in quiet", "{:.2f}", lambda flood: flood.quiet.known["p99_us"] / 1e3),
        ("flooded", "{:.2f}", lambda flood: flood.flooded.known["p99_us"] / 1e3),
        ("ratio", "{:.2f}", lambda flood: flood.p99_ratio),
        ("known: 200", "{:.2%}", lambda flood: flooding.success(flood.flooded.known)),
        ("fresh: 200", "{:.2%}", lambda flood: flooding.success(flood.flooded.fresh)),
    )
    lines = [[server, kind, *(form.format(statistics.median(map(figure, valid)))
                              for _, form, figure in figures)]
             for (server, kind), valid in groups(floods).items() if valid]
    return table(("server", "junk", *(name for name, _, _ in figures)), lines)


def every(floods):
    """The tables of all floods and of all clients."""
    clients = [line for flood in floods for line in client_cells(flood)]
    return (f"{table(FLOOD_COLUMNS, [flood_cells(flood) for flood in floods])}\n\n"
            f"{table(CLIENT_COLUMNS, clients)}")


def markdown(floods, command, cores, rate):
    """The report for `loadtest/runs/`, without host name and local paths."""
    return "\n".join([
        f"# {time.strftime('%Y-%m-%d', time.gmtime())}: {describe_cpu()}: junk tokens",
        "",
        f"`{command}`",
        "",
        *[f"- {fact}" for fact in facts(cores)],
        "",
        "## Targets",
        "",
        targets(floods, rate),
        "",
        "## Medians",
        "",
        medians(floods),
        "",
        "## Every flood",
        "",
        every(floods),
        "",
    ])
