"""The compared servers: how to build, start, probe and stop each of them."""

import contextlib
import dataclasses
import http.client
import json
import pathlib
import re
import signal
import subprocess
import time
import typing

from . import Fault, credentials

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PATH = "/ingest/Event/1.0"
TOPIC = "Event_1_0"

START_TIMEOUT_S = 15
READY_TIMEOUT_S = 20
STOP_TIMEOUT_S = 35
"""ringest may take its `drain_timeout_ms` of 30 s."""

RINGEST_CONFIG = """\
models = "models"
workers = 1
[listen]
address = "127.0.0.1:0"
[management]
address = ""
[auth]
mode = "{mode}"
[kafka]
"bootstrap.servers" = "{bootstrap}"
{who}"""
RINGEST_MODEL = f"""\
name = "Event"
version = "1.0"
topic = "{TOPIC}"
"""
RINGEST_FIELDS = """\
[fields]
eventId = "UUID"
timestamp = "DateTime64(3)"
userId = "String"
kind = "Enum8('view' = 1, 'click' = 2)"
url = "String"
durationMs = "Nullable(UInt32)"
mobile = "Bool"
tags = "Array(LowCardinality(String))"
geo = "Tuple(lat Float64, lon Float64, city String, country FixedString(2))"
"""
"""The fields of the events; the basket and note of larger events are undeclared."""


@dataclasses.dataclass(frozen=True)
class Contender:
    """A server and the kind of token that its clients send."""

    package: str
    """The cargo package."""
    arguments: typing.Callable
    """Returns its arguments, given the broker's address, a directory and the run's credentials."""
    sends: str = ""
    """Kind of the clients' tokens: `jwt`, `key` or none."""
    checks: bool = False
    """Whether it verifies tokens; if not, clients send them nevertheless."""


def bare(_bootstrap, _directory, _credentials):
    """The bare server has no arguments."""
    return []


def ringest(bootstrap, directory, _credentials):
    """Accepts any JSON object; no authentication."""
    return configured(bootstrap, directory, RINGEST_MODEL)


def typed(bootstrap, directory, _credentials):
    """Validates the type of each field; no authentication."""
    return configured(bootstrap, directory, RINGEST_MODEL + RINGEST_FIELDS)


def jwt(bootstrap, directory, made):
    """Requires a JWT of the issuer."""
    (directory / "jwt.pem").write_text(made.public_key)
    return configured(bootstrap, directory, RINGEST_MODEL, credentials.jwt_lines())


def keyed(hashed):
    """Requires an API key with a configured hash."""
    def arguments(bootstrap, directory, made):
        lines = credentials.key_lines(made.keys, hashed)
        return configured(bootstrap, directory, RINGEST_MODEL, lines)
    return arguments


def configured(bootstrap, directory, model, who=""):
    """Writes ringest's configuration to `directory`: defaults except for what the row needs."""
    (directory / "models").mkdir()
    (directory / "models" / "event.toml").write_text(model)
    config = directory / "ringest.toml"
    mode = "required" if who else "none"
    config.write_text(RINGEST_CONFIG.format(bootstrap=bootstrap, mode=mode, who=who))
    return ["--config", str(config)]


def axum(bootstrap, _directory, _credentials):
    """One tokio worker, like ringest's single worker."""
    return ["--worker-threads=1", f"--brokers={bootstrap}", f"--route=Event/1.0={TOPIC}"]


def axum_jwt(bootstrap, directory, made):
    """The same, and requires a JWT."""
    public_key = directory / "jwt.pem"
    public_key.write_text(made.public_key)
    return [*axum(bootstrap, directory, made), f"--jwt-public-key={public_key}",
            f"--issuer={credentials.ISSUER}", f"--audience={credentials.AUDIENCE}"]


def axum_key(bootstrap, directory, made):
    """The same, and requires an API key."""
    hashes = directory / "hashes.txt"
    hashes.write_text("".join(f"{credentials.pbkdf2(key)}\n" for key in made.keys))
    return [*axum(bootstrap, directory, made), f"--api-key-hashes={hashes}"]


CONTENDERS = {
    "bare": Contender("loadtest-bare", bare),
    "ringest": Contender("ringest", ringest),
    "typed": Contender("ringest", typed),
    "open-jwt": Contender("ringest", ringest, "jwt"),
    "jwt": Contender("ringest", jwt, "jwt", checks=True),
    "open-key": Contender("ringest", ringest, "key"),
    "pbkdf2": Contender("ringest", keyed(credentials.pbkdf2), "key", checks=True),
    "sha256": Contender("ringest", keyed(credentials.sha256), "key", checks=True),
    "axum": Contender("loadtest-axum-gateway", axum),
    "axum-jwt": Contender("loadtest-axum-gateway", axum_jwt, "jwt", checks=True),
    "axum-key": Contender("loadtest-axum-gateway", axum_key, "key", checks=True),
}
ANONYMOUS = ("bare", "ringest", "typed", "axum")
"""Contenders of a scenario without tokens, in the order of their runs."""
AUTHENTICATED = ("ringest", "open-jwt", "jwt", "open-key", "pbkdf2", "sha256",
                 "axum", "axum-jwt", "axum-key")
"""Contenders of a scenario with tokens. Pairs that differ only in verification are adjacent."""


def build(package):
    """Builds `package` alone, so that features are not unified with others; returns its executable."""
    command = ["cargo", "build", "--release", "--locked", "--package", package]
    built = subprocess.run(
        [*command, "--message-format=json-render-diagnostics"],
        cwd=REPOSITORY, stdout=subprocess.PIPE, check=False,
    )
    if built.returncode != 0:
        raise Fault("does not build")
    messages = map(json.loads, built.stdout.splitlines())
    paths = [m["executable"] for m in messages if m.get("executable")]
    if len(paths) != 1:
        raise Fault(f"{len(paths)} executables built")
    return paths[0]


@contextlib.contextmanager
def running(executable, arguments, core, directory):
    """Starts the server on `core`; yields its process and its `host:port` once it listens."""
    log = directory / "stderr"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), executable, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, cwd=directory,
        )
    try:
        yield process, address(process, log)
    finally:
        stop(process)


def address(process, log):
    """Waits for the line with the address that the server listens on."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        ended = process.poll()
        text = log.read_text(errors="replace")
        if found := re.search(r"^listening on (?:http://)?(\S+)$", text, re.MULTILINE):
            return found[1]
        if ended is not None:
            last = text.strip().splitlines()[-1:] or ["without output"]
            raise Fault(f"did not start: exit code {ended}, {last[0][:100]}")
        time.sleep(0.02)
    raise Fault(f"did not report its address within {START_TIMEOUT_S} s")


def stop(process):
    """Sends SIGTERM, then SIGKILL after a timeout."""
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def probe(host_port, body, records, token="", path=PATH):
    """Sends a request until it is answered 200 and checks the number of accepted records.

    A server may start before it has reached its broker, so a 503 is retried for a while.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        status, answer = post(host_port, body, token, path)
        if status == 200:
            break
        if status != 503 or time.monotonic() > deadline:
            raise Fault(f"answers {status}: {answer[:100]!r}")
        time.sleep(0.2)
    if records is not None and json.loads(answer) != {"accepted": records}:
        raise Fault(f"sent {records} records, the response was {answer[:100]!r}")


def probe_refusal(host_port, body, token):
    """Checks that requests without a token, or with a modified one, are rejected."""
    wrong = token[:-20] + ("a" if token[-20] != "a" else "b") + token[-19:]
    for sent in ("", wrong):
        status, _ = post(host_port, body, sent)
        if status != 401:
            raise Fault(f"{'a wrong token' if sent else 'no token'} is answered {status}")


def post(host_port, body, token="", path=PATH):
    """Sends a POST on a new connection; returns the status and the body of the response."""
    connection = http.client.HTTPConnection(host_port, timeout=READY_TIMEOUT_S)
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Fault(f"does not respond: {error}") from error
    finally:
        connection.close()
