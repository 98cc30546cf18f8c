"""The compared servers: how to build, start, probe and stop each of them."""

import contextlib
import dataclasses
import functools
import http.client
import json
import operator
import os
import pathlib
import re
import signal
import socket
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
workers = {workers}
[listen]
address = "127.0.0.1:0"
[management]
address = ""
[limits]
connections_max = 12_000
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


def accepts_each(answer, records):
    """Whether the answer's body is ringest's for so many accepted records."""
    return json.loads(answer) == {"accepted": records}


@dataclasses.dataclass(frozen=True)
class Contender:
    """A server, and what is sent to it. Only the first two fields have no default."""

    package: str
    """The cargo package; of a server that is not built by cargo, its name and version."""
    arguments: typing.Callable
    """Returns its arguments, given the broker's address, a directory and the run's credentials.

    A server that does not print `listening on HOST:PORT` to stderr writes `HOST:PORT` to the file
    `address` in that directory, its working directory: it has started once it accepts connections
    there. The topic is `TOPIC`.
    """
    sends: str = ""
    """Kind of the clients' tokens: `jwt`, `key` or none."""
    checks: bool = False
    """Whether it verifies tokens; if not, clients send them nevertheless."""
    prepare: typing.Callable | None = None
    """Downloads and builds it, called once in a run; returns the words of the command that the
    arguments follow, or raises `Fault` with the reason why there are none. None: cargo builds
    `package`."""
    workers: int = 1
    """Its threads that serve requests; above 1 it gets both cores, which the load shares."""
    produces: bool = True
    """Whether an answer 2xx means that the record is in the topic."""
    splits: bool = True
    """Whether each record of an array becomes a message; else the request is one."""
    path: str = PATH
    """The path of the requests."""
    body: typing.Callable = operator.methodcaller("body")
    """Returns the body of each request, given the scenario."""
    accepts: typing.Callable = accepts_each
    """Whether the body of a 2xx answer is as expected, given it and the number of records."""
    scenarios: tuple = ()
    """Names of the scenarios that it can run; empty: all."""
    start_timeout_s: int = 15
    """Time limit until it accepts connections."""
    warmup_s: int = 0
    """Seconds of warm-up, if above those of the command line: a just-in-time compiler needs more."""


def floor(_bootstrap, _directory, _credentials, workers=1):
    """Reads requests and answers them."""
    return [f"--workers={workers}"]


def bare_default(_bootstrap, _directory, _credentials):
    """Monoio's own ring, without the flags that ringest sets."""
    return ["--default-ring"]


def ringest(bootstrap, directory, _credentials, workers=1):
    """Accepts any JSON object; no authentication."""
    return configured(bootstrap, directory, RINGEST_MODEL, workers=workers)


def typed(bootstrap, directory, _credentials, workers=1):
    """Validates the type of each field; no authentication."""
    return configured(bootstrap, directory, RINGEST_MODEL + RINGEST_FIELDS, workers=workers)


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


def configured(bootstrap, directory, model, who="", workers=1):
    """Writes ringest's configuration to `directory`: defaults except for what the row needs."""
    (directory / "models").mkdir()
    (directory / "models" / "event.toml").write_text(model)
    config = directory / "ringest.toml"
    mode = "required" if who else "none"
    config.write_text(RINGEST_CONFIG.format(bootstrap=bootstrap, mode=mode, who=who,
                                            workers=workers))
    return ["--config", str(config)]


def axum(bootstrap, _directory, _credentials, workers=1):
    """As many tokio workers as ringest has workers."""
    return [f"--worker-threads={workers}", f"--brokers={bootstrap}", f"--route=Event/1.0={TOPIC}"]


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


def two(package, arguments, **others):
    """The same with two workers."""
    return Contender(package, functools.partial(arguments, workers=2), workers=2, **others)


CONTENDERS = {
    "raw-uring": Contender("loadtest-raw-uring", floor, produces=False),
    "raw-epoll": Contender("loadtest-raw-epoll", floor, produces=False),
    "bare": Contender("loadtest-bare", floor, produces=False),
    "bare-default": Contender("loadtest-bare", bare_default, produces=False),
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
    "bare-2": two("loadtest-bare", floor, produces=False),
    "ringest-2": two("ringest", ringest),
    "typed-2": two("ringest", typed),
    "axum-2": two("loadtest-axum-gateway", axum),
}
ANONYMOUS = ("raw-uring", "raw-epoll", "bare", "bare-default", "ringest", "typed", "axum")
"""Contenders of a scenario without tokens, in the order of their runs."""
WORKERS = ("bare", "bare-2", "ringest", "ringest-2", "typed", "typed-2", "axum", "axum-2")
"""Contenders of a scenario in which server and load share the cores."""
AUTHENTICATED = ("ringest", "open-jwt", "jwt", "open-key", "pbkdf2", "sha256",
                 "axum", "axum-jwt", "axum-key")
"""Contenders of a scenario with tokens. Pairs that differ only in verification are adjacent."""


def command(contender):
    """The command that starts it, without its arguments; raises `Fault` with the reason why there is none."""
    return contender.prepare() if contender.prepare else build(contender.package)


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
def running(command, arguments, cores, directory, timeout_s=START_TIMEOUT_S):
    """Starts the server on `cores`; yields its process and its `host:port` once it listens.

    `command` is an executable, or the words of a command. Whatever it has started ends with it.
    """
    words = [command] if isinstance(command, (str, pathlib.Path)) else command
    log = directory / "stderr"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(cores), *words, *arguments], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, cwd=directory,
        )
    try:
        yield process, address(process, log, timeout_s)
    finally:
        try:
            stop(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def kept_running(process):
    """Raises `Fault` if the server ends by itself meanwhile, in place of what its clients saw of that."""
    try:
        yield
    except Fault:
        if process.poll() is None:
            raise
    code = process.poll()
    if code is not None:
        raise Fault(f"the server ended, {f'exit code {code}' if code >= 0 else f'signal {-code}'}")


def address(process, log, timeout_s=START_TIMEOUT_S):
    """Waits until the server listens, and returns where: what it has printed, or its file `address`."""
    deadline = time.monotonic() + timeout_s
    where = log.with_name("address")
    while time.monotonic() < deadline:
        ended = process.poll()
        text = log.read_text(errors="replace")
        if found := re.search(r"^listening on (?:http://)?(\S+)$", text, re.MULTILINE):
            return found[1]
        if ended is not None:
            last = text.strip().splitlines()[-1:] or ["without output"]
            raise Fault(f"did not start: exit code {ended}, {last[0][:100]}")
        if where.exists() and is_open(where.read_text()):
            return where.read_text()
        time.sleep(0.005)
    raise Fault(f"did not listen within {timeout_s} s")


def is_open(host_port):
    """Whether connections are accepted there."""
    host, port = host_port.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def stop(process):
    """Sends SIGTERM, then SIGKILL after a timeout."""
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def probe(host_port, body, records, token="", path=PATH, accepts=accepts_each):
    """Sends a request until it is answered 2xx and checks the answer, by default the number of
    accepted records; `records`: None if the answer does not matter.

    A server may start before it has reached its broker, so a 5xx is retried for a while.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        status, answer = post(host_port, body, token, path)
        if 200 <= status < 300:
            break
        if status < 500 or time.monotonic() > deadline:
            raise Fault(f"answers {status}: {answer[:100]!r}")
        time.sleep(0.02)
    if records is not None and not accepts(answer, records):
        raise Fault(f"sent {records} records, the response was {answer[:100]!r}")


def probe_refusal(host_port, body, token):
    """Checks that requests without a token, or with a modified one, are rejected."""
    wrong = token[:-20] + ("a" if token[-20] != "a" else "b") + token[-19:]
    for sent in ("", wrong):
        status, _ = post(host_port, body, sent)
        if status != 401:
            raise Fault(f"{'a wrong token' if sent else 'no token'} is answered {status}")


def post(host_port, body, token="", path=PATH, timeout_s=READY_TIMEOUT_S):
    """Sends a POST on a new connection; returns the status and the body of the response."""
    connection = http.client.HTTPConnection(host_port, timeout=timeout_s)
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
