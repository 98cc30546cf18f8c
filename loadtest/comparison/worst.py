"""The request bodies that cost a server most, each with the model that it is sent to.

Each model has a topic of its own, except the first two, which share one.
"""

import dataclasses
import gzip
import hashlib
import re
import subprocess
import typing

BODY_BYTES = 10 << 20
RECORD_BYTES = 990_000
"""Just below the default limit of a record."""
RECORDS = 100_000

FIELDS = "".join(f'field{n:03} = "String"\n' for n in range(200))
MODELS = {
    "Small": "",
    "Same": 'topic = "small"\n',
    "Any": "",
    "Valid": 'on_invalid = "accept_valid"\n',
    "Wide": f"[fields]\n{FIELDS}",
    "WideValid": f'on_invalid = "accept_valid"\n[fields]\n{FIELDS}',
    "Array": 'on_invalid = "accept_valid"\n[fields]\nv = "Array(Tuple(a UInt8, b String))"\n',
    "Keyed": 'partition_key = "k"\n',
    "Header": '[kafka_headers]\nsource = "loadtest"\n',
    "Schema": "schema_id = 7\n",
    "Dead": f'dead_letter_topic = "dead-letters"\non_invalid = "accept_valid"\n[fields]\n{FIELDS}',
}


@dataclasses.dataclass(frozen=True)
class Body:
    """How to make it, and where it is sent."""

    model: str
    make: typing.Callable
    content_type: str = "application/json"
    chunk_bytes: int = 0
    """The size of its chunks, with the chunked coding; 0: without."""
    coding: str = ""
    """Its content coding, gzip or zstd; none: as it is."""


def model_files():
    """The text of each model's file, by its name."""
    def topic(name, rest):
        return "" if "\ntopic" in f"\n{rest}" else f'topic = "{name.lower()}"\n'
    return {name: f'name = "{name}"\nversion = "1"\n{topic(name, rest)}{rest}'
            for name, rest in MODELS.items()}


def topics():
    """Every topic, that of dead letters included."""
    named = re.findall(r'topic = "(.+)"', "".join(model_files().values()))
    return list(dict.fromkeys(named))


def filled(start, unit, end, size=BODY_BYTES):
    """`start`, `unit` as often as fits, `end`."""
    return start + unit * ((size - len(start) - len(end)) // len(unit)) + end


def array(record, size=BODY_BYTES, count=RECORDS):
    """An array of one record, as often as fits and is allowed."""
    count = min(count, (size - 1) // (len(record) + 1))
    return b"[" + b",".join([record] * count) + b"]"


def long_records(start, unit, end):
    """An array of records as long as they may be."""
    return array(filled(start, unit, end, RECORD_BYTES))


def padded(record):
    """With whitespace in it, so that as many as are allowed fill a body."""
    return record[:1] + b" " * (BODY_BYTES // RECORDS - len(record) - 1) + record[1:]


def hard_to_compress():
    """Records whose digits keep the body's ratio at about half of what is allowed."""
    digits = hashlib.shake_256(b"digits").hexdigest(BODY_BYTES // 240)
    records = [b'{"a":"%s%s"}' % (digits[at:at + 100].encode(), b" " * 11_800) for at in range(0, len(digits), 100)]
    return b"[" + b",".join(records) + b"]"


BODIES = {
    "none": None,
    # Not JSON, or not records.
    "ones": Body("Any", lambda: filled(b"[", b"1,", b"1]")),
    "ones, all counted": Body("Valid", lambda: array(padded(b"[]"))),
    "brackets": Body("Any", lambda: b"[" * BODY_BYTES),
    "an array that is cut": Body("Any", lambda: filled(b"[[", b"1,", b"")),
    "escapes": Body("Any", lambda: filled(b'"', b"\\u00e9", b'"')),
    "escapes, cut": Body("Any", lambda: filled(b'["', b"\\ud83e\\udd80", b"")),
    "whitespace": Body("Any", lambda: b" " * BODY_BYTES),
    "empty lines": Body("Any", lambda: b"\n" * BODY_BYTES, "application/x-ndjson"),
    "lines that are cut": Body("Valid", lambda: padded(b"{\n") * RECORDS, "application/x-ndjson"),
    # Invalid for their model.
    "missing fields": Body("Wide", lambda: array(padded(b"{}"))),
    "missing fields, all counted": Body("WideValid", lambda: array(padded(b"{}"))),
    "wrong members": Body("Array", lambda: long_records(b'{"v":[', b"{},", b"{}]}")),
    # Valid, and long.
    "records of arrays": Body("Any", lambda: long_records(b'{"a":[', b"[],", b"[]]}")),
    "records of depth": Body("Any", lambda: long_records(b'{"a":[', b"[" * 100 + b"]" * 100 + b",", b"[]]}")),
    "records of escapes": Body("Any", lambda: long_records(b'{"a":"', b"\\u00e9", b'"}')),
    "members of one name": Body("Wide", lambda: long_records(b"{", b'"field000":"",', b'"field000":""}')),
    # Valid, and many.
    "tiny records": Body("Any", lambda: array(b"{}")),
    "tiny lines": Body("Any", lambda: b"{}\n" * RECORDS, "application/x-ndjson"),
    "tiny records, the same topic": Body("Same", lambda: array(b"{}")),
    "tiny keyed records": Body("Keyed", lambda: b"[%s]" % b",".join(b'{"k":%d}' % n for n in range(RECORDS))),
    "keyed records": Body("Keyed", lambda: array(b'{"k":"%s"}' % (b"k" * 90))),
    "records of a long key": Body("Keyed", lambda: array(b'{"k":"%s"}' % (b"k" * 480_000))),
    "tiny records with a header": Body("Header", lambda: array(b"{}")),
    "records with a schema": Body("Schema", lambda: array(padded(b"{}"))),
    # Dead letters.
    "dead letters": Body("Dead", lambda: array(b"{}")),
    "dead letters of a long body": Body("Dead", lambda: array(padded(b"{}"))),
    "dead letters of long records": Body("Dead", lambda: long_records(b'{"a":[', b"[],", b"[]]}")),
    "a dead letter that is no JSON": Body("Dead", lambda: filled(b"[[", b"1,", b"", 700_000)),
    # The same bytes in chunks.
    "small chunks": Body("Any", lambda: b" " * (BODY_BYTES // 8), chunk_bytes=1),
    # Compressed: beyond the limit of a body or of the ratio, and just within both.
    "gzip bomb": Body("Any", lambda: b" " * (100 << 20), coding="gzip"),
    "zstd bomb": Body("Any", lambda: b" " * (100 << 20), coding="zstd"),
    "gzip, tiny records": Body("Any", lambda: array(b"{}"), coding="gzip"),
    "gzip, brackets": Body("Any", lambda: b"[" * BODY_BYTES, coding="gzip"),
    "gzip, hard to compress": Body("Any", hard_to_compress, coding="gzip"),
}


def compressed(content, coding):
    """The bytes of the body with this coding."""
    if coding == "zstd":
        return subprocess.run(["zstd", "--quiet"], input=content, capture_output=True, check=True).stdout
    return gzip.compress(content)


def request(host_port, body):
    """The bytes of a request with this body."""
    content = body.make()
    head = (f"POST /ingest/{body.model}/1 HTTP/1.1\r\nHost: {host_port}\r\n"
            f"Content-Type: {body.content_type}\r\n")
    if body.coding:
        content = compressed(content, body.coding)
        head += f"Content-Encoding: {body.coding}\r\n"
    if not body.chunk_bytes:
        return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content, len(content)
    size = body.chunk_bytes
    chunks = (b"%x\r\n%s\r\n" % (len(content[at:at + size]), content[at:at + size])
              for at in range(0, len(content), size))
    return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + b"".join(chunks) + b"0\r\n\r\n", len(content)
