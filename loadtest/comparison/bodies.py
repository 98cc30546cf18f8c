"""The request bodies of the load tests: realistic events of an exact size, deterministic.

`python3 -m comparison.bodies NAME` (in `loadtest/`) prints one. `records/event-293.json` is the
first event as a file, for tools that can't run Python; a test keeps both equal.
"""

import dataclasses
import json
import sys

EVENT_BYTES = 293


@dataclasses.dataclass(frozen=True)
class Scenario:
    """The body of each request and how it is sent."""

    name: str
    records: int
    record_bytes: int
    connections: int
    tokens: int = 0
    """Distinct tokens among the requests; 0: no authentication."""
    in_turns: bool = False
    """Whether consecutive requests of a connection carry different tokens; else each connection
    always sends the same one."""
    rate: float = 0
    """Requests a second in open loop; up to 1: of the contender's peak in `event-293`; 0: closed loop."""
    idle: int = 0
    """Further connections, which have sent one request each and send no more."""
    shares: bool = False
    """Whether server, load and broker share the cores, instead of one for the server."""

    def body(self):
        """The body of each request: one record, or an array of several."""
        if self.records == 1:
            return event(0, self.record_bytes)
        return b"[" + b",".join(event(n, self.record_bytes) for n in range(self.records)) + b"]"


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("event-293", records=1, record_bytes=EVENT_BYTES, connections=256),
        Scenario("event-1k", records=1, record_bytes=1_024, connections=256),
        Scenario("event-10k", records=1, record_bytes=10_240, connections=256),
        Scenario("array-1000", records=1_000, record_bytes=EVENT_BYTES, connections=16),
        Scenario("auth-293", records=1, record_bytes=EVENT_BYTES, connections=256, tokens=16),
        Scenario("auth-293-turns", records=1, record_bytes=EVENT_BYTES, connections=256,
                 tokens=256, in_turns=True),
        Scenario("rate-1000", records=1, record_bytes=EVENT_BYTES, connections=256, rate=1_000),
        Scenario("rate-10000", records=1, record_bytes=EVENT_BYTES, connections=256, rate=10_000),
        Scenario("rate-40000", records=1, record_bytes=EVENT_BYTES, connections=256, rate=40_000),
        Scenario("rate-80%", records=1, record_bytes=EVENT_BYTES, connections=256, rate=0.8),
        Scenario("idle-9900", records=1, record_bytes=EVENT_BYTES, connections=100, idle=9_900),
        Scenario("workers", records=1, record_bytes=EVENT_BYTES, connections=256, shares=True),
    )
}


def event(number, record_bytes=EVENT_BYTES):
    """The web event with this number as compact JSON of exactly `record_bytes` bytes.

    Above 293 bytes, basket items are added and a note fills the remaining bytes.
    """
    fields = {
        "eventId": f"{number:08x}-5f0c-4c8e-9d0f-3f1c2a7d4e5f",
        "timestamp": f"2026-08-21T09:15:27.{number % 1000:03}Z",
        "userId": f"user-{number:08}",
        "kind": "click",
        "url": "https://shop.example.com/items/1042?ref=home",
        "durationMs": 1834,
        "mobile": True,
        "tags": ["web"],
        "geo": {"lat": 52.52, "lon": 13.405, "city": "Berlin", "country": "DE"},
    }
    if record_bytes > EVENT_BYTES:
        fields |= {"basket": [], "note": ""}
        while len(compact(fields)) < record_bytes - 120:
            item = len(fields["basket"])
            fields["basket"].append(
                {"sku": f"SKU-{item:06}", "name": "Linen shirt, short sleeves", "count": 1 + item % 3,
                 "price": 39.95}
            )
        fields["note"] = ("gift wrap, please " * 10)[: record_bytes - len(compact(fields))]
    text = compact(fields)
    if len(text) != record_bytes:
        raise ValueError(f"an event of {record_bytes} bytes came out as {len(text)}")
    return text


def compact(value):
    """`value` as JSON without whitespace."""
    return json.dumps(value, separators=(",", ":")).encode()


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SCENARIOS:
        sys.exit(f"usage: python3 -m comparison.bodies {{{','.join(SCENARIOS)}}}")
    sys.stdout.buffer.write(SCENARIOS[sys.argv[1]].body())
