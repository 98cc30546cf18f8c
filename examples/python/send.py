#!/usr/bin/env python3
"""Sends records to ringest: NDJSON from stdin, in batches, over a kept connection.

    INGEST_URL=http://127.0.0.1:4000/ingest/RawEvent/1.0 INGEST_TOKEN=… ./send.py <records.ndjson >left.ndjson

Records that were not accepted go to stdout, the reasons to stderr. Exit code: 0 if every record was accepted, else 1.
INGEST_BATCH (500) is the number of records in a request, INGEST_ATTEMPTS (10) how often in a row a request may fail.

Needs Python 3.9 or later and httpx (`pip install httpx`; Debian: `apt-get install python3-httpx`).
"""

import itertools
import os
import random
import sys
import time

import httpx

URL = os.environ.get("INGEST_URL", "http://127.0.0.1:4000/ingest/RawEvent/1.0")
TOKEN = os.environ.get("INGEST_TOKEN", "")
BATCH = int(os.environ.get("INGEST_BATCH", "500"))
ATTEMPTS = int(os.environ.get("INGEST_ATTEMPTS", "10"))

# The same request may succeed later. 502 and 504 are a proxy's, never ringest's own.
RETRYABLE = {408, 429, 502, 503, 504}


class Stop(Exception):
    """What is sent from now on would be refused, too."""


class Sender:
    """Sends batches, and counts what became of their records."""

    def __init__(self):
        headers = {"Content-Type": "application/x-ndjson"}
        if TOKEN:
            headers["Authorization"] = f"Bearer {TOKEN}"
        # One client for all requests: it keeps the connection. ringest answers after the brokers, at the latest after
        # timeouts.ack_timeout_ms (10 s). Wait longer than that, or slow brokers make duplicates.
        self.client = httpx.Client(headers=headers, timeout=httpx.Timeout(30, connect=5))
        self.accepted = self.left = 0

    def send(self, records):
        """Sends records until each is accepted or refused. Raises Stop, with those that remain printed."""
        pending, failures = [records], 0
        while pending:
            batch = pending.pop()
            try:
                again, wait = self.attempt(batch)
                failures = 0 if wait is None else failures + 1
                pending += [part for part in again if part]
                if failures == ATTEMPTS:
                    raise Stop
            except Stop:
                for part in reversed(pending):
                    self.leave(part)
                raise
            if wait is not None:
                # Retry-After is the same for all clients that were refused; the random part spreads them.
                time.sleep(wait + random.uniform(0, min(30, 0.1 * 2**failures)))

    def attempt(self, batch):
        """One request. The batches to send again, and how many seconds later; None after progress."""
        try:
            # The lines as they are: these bytes are what consumers will read.
            answer = self.client.post(URL, content=b"\n".join(batch))
        except httpx.TransportError as error:
            # No connection, or no answer. Without an answer the records may be in the topic: another attempt may make
            # duplicates, none may lose records. Give records an ID, and drop duplicates behind Kafka.
            self.log(f"{type(error).__name__}: {error}")
            return [batch], 0

        status, problem = answer.status_code, content(answer)
        if status == 200:  # Every in-sync replica has all records.
            self.accepted += len(batch)
            return [], None
        if status == 207:  # on_invalid = "accept_valid": the valid records are in the topic.
            self.accepted += problem["accepted"]
            self.refuse(batch, problem)
            unlisted = len(batch) - problem["accepted"] - len({it["index"] for it in problem["errors"]})
            self.left += unlisted  # Only the first 100 errors are listed: smaller batches show all.
            return [], None

        self.log(f"{status} {problem.get('code')}: {problem.get('detail')} (request {problem.get('request_id')})")
        if status == 400 and problem.get("errors"):
            # Nothing is in the topic, for the sake of some records: the others are sent again without them.
            invalid = self.refuse(batch, problem)
            return [[record for index, record in enumerate(batch) if index not in invalid]], None
        if status == 413 and len(batch) > 1:  # Too much at once, or one record too large: halves will show.
            half = len(batch) // 2
            return [batch[half:], batch[:half]], None
        if status == 413:
            self.leave(batch)
            return [], None
        if problem.get("persisted") == "partial":
            # Some are in the topic: only the others are sent again. `unknown` is as without an answer, see above.
            self.accepted += len(problem["delivered"])
            missing = sorted(problem["not_delivered"] + problem["unknown"])
            invalid = {*range(len(batch))} - {*problem["delivered"]} - {*missing}
            self.leave([batch[index] for index in sorted(invalid)])
            batch = [batch[index] for index in missing]
            if status == 500:  # Refused by a broker, for good.
                self.leave(batch)
                return [], None
        if status in RETRYABLE:
            # After "persisted": "no" another attempt is safe; after "unknown" it may make duplicates.
            return [batch], retry_after(answer)
        # 401, 403: the token. 404, 405, 415: this program. 500: the topic, or ringest's rights. No retry mends that.
        self.leave(batch)
        raise Stop

    def refuse(self, batch, problem):
        """Prints the records that an answer lists as invalid; their indices."""
        for error in problem["errors"]:
            self.log(f"record {error['index']} of {len(batch)}: {error['path']}: {error['message']}")
        invalid = {error["index"] for error in problem["errors"]}
        self.leave([batch[index] for index in sorted(invalid)])
        return invalid

    def leave(self, records):
        """Prints records that are not accepted."""
        self.left += len(records)
        sys.stdout.buffer.writelines(record + b"\n" for record in records)

    @staticmethod
    def log(message):
        """A line for people."""
        print(message, file=sys.stderr)


def content(answer):
    """The JSON object of an answer; a proxy's answer may have none."""
    try:
        parsed = answer.json()
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def retry_after(answer):
    """The seconds that the server asks for. A proxy may send a date: then a second."""
    value = answer.headers.get("Retry-After", "")
    return min(int(value), 60) if value.isdecimal() else 1


def main():
    """Sends stdin; the exit code."""
    sender = Sender()
    lines = (line.strip() for line in sys.stdin.buffer)
    records = (line for line in lines if line)
    try:
        while batch := list(itertools.islice(records, BATCH)):
            sender.send(batch)
    except Stop:
        sender.leave(list(records))
    print(f"accepted {sender.accepted}, left {sender.left}", file=sys.stderr)
    return 1 if sender.left else 0


if __name__ == "__main__":
    raise SystemExit(main())
