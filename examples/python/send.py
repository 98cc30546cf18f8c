#!/usr/bin/env python3
"""Sends records to ringest: NDJSON from stdin, in batches, over a kept connection.

    INGEST_URL=http://127.0.0.1:4000/ingest/RawEvent/1.0 INGEST_TOKEN=… ./send.py <records.ndjson >left.ndjson

Records that were not accepted go to stdout, the reasons to stderr. Exit code: 0 if every record was accepted, 1 if not,
2 for an invalid setting. INGEST_BATCH (500) is the number of records in a request, INGEST_ATTEMPTS (10) how often in a
row a request may fail. After SIGTERM or SIGINT nothing more is sent, and the rest of stdin goes to stdout, too.

Needs Python 3.9 or later and httpx (`pip install httpx`; Debian: `apt-get install python3-httpx`).
"""

import itertools
import logging
import os
import random
import re
import signal
import sys
import time

import httpx

# Not `print`: where stderr is closed, that writes among the records.
logging.basicConfig(format="%(message)s")
log = logging.getLogger("send")
log.setLevel(logging.INFO)


def setting(name, default, pattern, meaning):
    """A variable of the environment, without the spaces around it; an invalid one ends the program."""
    value = os.environ.get(name, "").strip() or default
    if not re.fullmatch(pattern, value):
        log.error("%s must be %s", name, meaning)
        raise SystemExit(2)
    return value


COUNT = "[1-9][0-9]{0,5}", "a number from 1 to 999999"
HOST = r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
URL = setting("INGEST_URL", "http://127.0.0.1:4000/ingest/RawEvent/1.0", f"https?://{HOST}/[!-~]+", "an http(s) URL")
TOKEN = setting("INGEST_TOKEN", "", "[!-~]*", "one word of ASCII")
BATCH = int(setting("INGEST_BATCH", "500", *COUNT))
ATTEMPTS = int(setting("INGEST_ATTEMPTS", "10", *COUNT))

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
        self.stopping = False

    def send(self, records):
        """Sends records until each is accepted or refused. Raises Stop, with those that remain printed."""
        pending, failures = [records], 0
        try:
            while pending:
                if self.stopping:
                    raise Stop
                again, wait = self.attempt(pending.pop())
                failures = 0 if wait is None else failures + 1
                pending += [part for part in again if part]
                if failures == ATTEMPTS:
                    raise Stop
                if wait is not None:
                    # Retry-After is the same for all clients that were refused; the random part spreads them.
                    self.pause(wait + random.uniform(0, min(30, 0.1 * 2**failures)))
        except Stop:
            for part in reversed(pending):
                self.leave(part)
            raise

    def pause(self, seconds):
        """Waits; not longer than until a signal."""
        end = time.monotonic() + seconds
        while not self.stopping and (rest := end - time.monotonic()) > 0:
            time.sleep(min(rest, 0.1))

    def stop(self, number, _frame):
        """Handles a signal: the request that is out is finished. The next signal ends the program at once."""
        self.stopping = True
        signal.signal(number, signal.SIG_DFL)

    def attempt(self, batch):
        """One request. The batches to send again, and how many seconds later; None after progress."""
        try:
            # The lines as they are: these bytes are what consumers will read.
            answer = self.client.post(URL, content=b"\n".join(batch))
        except httpx.TransportError as error:
            # No connection, or no answer. Without an answer the records may be in the topic: another attempt may make
            # duplicates, none may lose records. Give records an ID, and drop duplicates behind Kafka.
            log.info("%s: %s", type(error).__name__, error)
            return [batch], 0

        status, problem = answer.status_code, content(answer)
        if status == 200 and problem.get("accepted") == len(batch):  # Every in-sync replica has all records.
            self.accepted += len(batch)
            return [], None
        if status == 207 and "accepted" in problem:  # on_invalid = "accept_valid": the valid records are in the topic.
            self.accepted += problem["accepted"]
            self.refuse(batch, problem)
            unlisted = len(batch) - problem["accepted"] - len({it["index"] for it in problem["errors"]})
            self.left += unlisted  # Only the first 100 errors are listed: smaller batches show all.
            return [], None

        log.info("%s %s: %s (request %s)", status, *map(problem.get, ("code", "detail", "request_id")))
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
        # 401, 403: the token. 404, 405, 415: this program. 500: the topic, or ringest's rights. 200 without a count, 3xx:
        # this is not ringest. No retry mends that.
        self.leave(batch)
        raise Stop

    def refuse(self, batch, problem):
        """Prints the records that an answer lists as invalid; their indices."""
        for error in problem["errors"]:
            log.info("record %s of %s: %s: %s", error["index"], len(batch), error["path"], error["message"])
        invalid = {error["index"] for error in problem["errors"]}
        self.leave([batch[index] for index in sorted(invalid)])
        return invalid

    def leave(self, records):
        """Prints records that are not accepted. Raises OSError where they can't be written."""
        for record in records:
            self.left += 1
            sys.stdout.buffer.write(record + b"\n")
        sys.stdout.buffer.flush()


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


def run(sender):
    """Sends stdin."""
    # Lines are bytes, and stay as they are. A blank one is no record.
    records = (line.removesuffix(b"\n") for line in sys.stdin.buffer if line.strip(b" \t\r\n"))
    try:
        while batch := list(itertools.islice(records, BATCH)):
            sender.send(batch)
    except Stop:
        sender.leave(records)


def main():
    """Sends stdin; the exit code."""
    sender = Sender()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, sender.stop)
    failed = False
    try:
        run(sender)
    except OSError as error:
        log.error("%s: stopped after %s records", error, sender.accepted + sender.left)
        failed = True
    log.info("accepted %s, left %s", sender.accepted, sender.left)
    return int(failed or sender.left > 0)


if __name__ == "__main__":
    raise SystemExit(main())
