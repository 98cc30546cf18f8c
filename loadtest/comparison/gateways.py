"""Real gateways from HTTP to Kafka: how to get each by its package, start it, and what to send to it.

None is a dependency of ringest: `prepare` fetches and builds one into the cache directory of the tests, the
first time that a run selects it. The projects are in `loadtest/gateways/`. What all of them have in common:
one core, no compression, and, but for Moose and Dapr, which keep their own producer settings, `acks=all`, an answer
only after the brokers' acknowledgement, 1 ms of linger.
"""

import base64
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from . import Fault, bodies, brokers
from .contenders import REPOSITORY, TOPIC, Contender

PROJECTS = REPOSITORY / "loadtest" / "gateways"
ONE_RECORD = tuple(name for name, it in bodies.SCENARIOS.items() if it.records == 1 and not it.tokens)
"""Scenarios of one record a request, which every gateway takes."""
ANY = (*ONE_RECORD, "array-1000")
"""The scenarios of those that make a message of each of several records."""
JVM = ("-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:ActiveProcessorCount=1")
PYTHON = (3, 12)
"""The least version that Moose's library runs on."""


def built(name, build):
    """The directory with what `build` makes of the project `name`, built once for each of its versions.

    `build` gets a copy of the project and the directory to fill. It is renamed when complete, so that an
    interrupted build is never used.
    """
    project = PROJECTS / name
    directory = brokers.cache() / "gateways" / f"{name}-{digest(project)}"
    if directory.exists():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f"{name}-") as scratch:
        source, made = pathlib.Path(scratch, "source"), pathlib.Path(scratch, "made")
        shutil.copytree(project, source)
        made.mkdir()
        build(source, made)
        made.rename(directory)
    return directory


def digest(project):
    """A short hash of the files that a build depends on: not of those in `config`, which are read at the start."""
    digested = hashlib.sha256()
    for file in sorted(path for path in project.rglob("*") if path.is_file()):
        if file.relative_to(project).parts[0] == "config":
            continue
        digested.update(f"{file.relative_to(project)}\0{file.stat().st_size}\0".encode())
        digested.update(file.read_bytes())
    return digested.hexdigest()[:12]


def tool(name):
    """The path of an installed tool."""
    if found := shutil.which(name):
        return found
    raise Fault(f"{name} is not installed")


def run(words, directory):
    """Runs a build tool with low priority; raises `Fault` with the line that says why it failed."""
    ran = subprocess.run(["nice", *map(str, words)], cwd=directory, check=False, capture_output=True, text=True)
    if ran.returncode != 0:
        raise Fault(f"{pathlib.Path(words[0]).name} failed: "
                    + (reason(ran.stdout + ran.stderr) if ran.returncode > 0 else f"signal {-ran.returncode}"))


def reason(output):
    """The line of a tool's output that says why it failed: the first with an error, else the last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return ((errors or lines[-1:]) or ["without output"])[0][:200]


def go(name):
    """A Go program."""
    def build(source, made):
        run([tool("go"), "build", "-buildvcs=false", "-o", made / name, "."], source)
    return lambda: ["env", "GOMAXPROCS=1", str(built(name, build) / name)]


def java(name, main):
    """A Java program of jars from Maven and, if there is a Main.java, of that."""
    def build(source, made):
        run([tool("mvn"), "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime",
             f"-DoutputDirectory={made}/jars"], source)
        if (source / "Main.java").exists():
            run([tool("javac"), "-d", made / "classes", "-cp", f"{made}/jars/*", "Main.java"], source)
    def prepare():
        made = built(name, build)
        return [tool("java"), *JVM, "-cp", f"{made}/classes:{made}/jars/*", main]
    return prepare


def pip(python, requirements, target):
    """Installs wheels into a directory; nothing is compiled."""
    run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-warn-script-location",
         "--only-binary=:all:", f"--target={target}", "-r", requirements], target)


def mq_bridge():
    """A Python wheel whose core is in Rust."""
    def build(source, made):
        pip(sys.executable, source / "requirements.txt", made)
        shutil.copy(source / "main.py", made)
    made = built("mq-bridge", build)
    return ["env", "TOKIO_WORKER_THREADS=1", f"PYTHONPATH={made}", sys.executable, str(made / "main.py")]


def moose():
    """The command line from npm, whose server is in Rust, and the library of the project from PyPI. It needs Redis,
    which serves no requests."""
    def build(source, made):
        python = recent_python()
        run([tool("npm"), "install", "--ignore-scripts", "--no-audit", "--no-fund"], source)
        packages = source / "node_modules" / "@514labs"
        shutil.copy(next(packages.glob("moose-cli-*/bin/moose-cli")), made)
        (made / "library").mkdir()
        pip(python, source / "requirements.txt", made / "library")
        # What the library was made for: other versions can't load it.
        (made / "bin").mkdir()
        (made / "bin" / "python3").symlink_to(python)
    made = built("moose", build)
    path = f"{made}/bin:{os.environ['PATH']}"
    redis = f"{tool('redis-server')} --port $1 --save ''"
    return ["env", f"PATH={path}", f"PYTHONPATH={made}/library", "HOME=.", "MOOSE_TELEMETRY__ENABLED=false",
            "MOOSE_LOGGER__LEVEL=ERROR", "sh", "-c", f"{redis} & exec {made}/moose-cli prod", "moose"]


def recent_python():
    """A Python of at least version `PYTHON`."""
    versions = pathlib.Path.home() / ".pyenv" / "versions"
    names = [sys.executable, *map(shutil.which, ("python3.14", "python3.13", "python3.12", "python3")),
             *sorted(versions.glob("3.*/bin/python3"))]
    for name in filter(None, names):
        asked = subprocess.run([name, "-c", f"import sys; sys.exit(sys.version_info < {PYTHON})"],
                               capture_output=True, check=False)
        if asked.returncode == 0:
            return str(name)
    raise Fault(f"no Python {'.'.join(map(str, PYTHON))} or newer is installed")


def listening(directory, ports=1):
    """Free ports; the first is what the gateway listens on, and is written where `running` looks for it."""
    free = brokers.free_ports(ports)
    (directory / "address").write_text(f"127.0.0.1:{free[0]}")
    return free


def address_first(bootstrap, directory, _credentials):
    """Arguments of the gateways of our own: where to listen, the brokers, the topic."""
    port, = listening(directory)
    return [f"127.0.0.1:{port}", bootstrap, TOPIC]


def port_first(bootstrap, directory, _credentials):
    """The same with a port only."""
    port, = listening(directory)
    return [str(port), bootstrap, TOPIC]


def configured(name, file, bootstrap, directory, port):
    """Writes a gateway's configuration from its template; returns the path."""
    template = PROJECTS / name / "config" / file
    written = directory / file
    written.write_text(template.read_text().format(brokers=bootstrap, topic=TOPIC, port=port))
    return written


def otelcol(bootstrap, directory, _credentials):
    """The collector's configuration file."""
    port, = listening(directory)
    return [f"--config=file:{configured('otelcol', 'config.yaml', bootstrap, directory, port)}"]


def flume(bootstrap, directory, _credentials):
    """The agent's properties."""
    port, = listening(directory)
    properties = configured("flume", "agent.properties", bootstrap, directory, port)
    return ["--no-reload-conf", "--name=agent", f"--conf-file={properties}"]


def dapr(bootstrap, directory, _credentials):
    """The sidecar without an application, and its one component."""
    http, grpc, internal = listening(directory, ports=3)
    resources = directory / "resources"
    resources.mkdir()
    configured("dapr", "pubsub.yaml", bootstrap, resources, http)
    return ["--app-id=gateway", "--mode=standalone", f"--resources-path={resources}",
            "--dapr-listen-addresses=127.0.0.1", f"--dapr-http-port={http}", f"--dapr-grpc-port={grpc}",
            f"--dapr-internal-grpc-port={internal}", "--enable-metrics=false", "--log-level=error",
            "--disable-builtin-k8s-secret-store"]


def moose_project(bootstrap, directory, _credentials):
    """The project with one model, without ClickHouse and Temporal; the argument is Redis's port."""
    http, management, proxy, redis = listening(directory, ports=4)
    shutil.copytree(PROJECTS / "moose" / "config", directory, dirs_exist_ok=True)
    config = directory / "moose.config.toml"
    config.write_text(config.read_text().format(
        brokers=bootstrap, port=http, management=management, proxy=proxy, redis=redis))
    return [str(redis)]


def records(scenario):
    """The records of a request, each by itself."""
    if scenario.records == 1:
        return [scenario.body()]
    return [bodies.event(number, scenario.record_bytes) for number in range(scenario.records)]


def otlp(scenario):
    """OTLP/HTTP as JSON: log records whose bodies are the records as bytes, which come out unchanged."""
    logs = [{"body": {"bytesValue": base64.b64encode(record).decode()}} for record in records(scenario)]
    return bodies.compact({"resourceLogs": [{"scopeLogs": [{"logRecords": logs}]}]})


def flume_events(scenario):
    """An array of Flume events with the records as strings."""
    return bodies.compact([{"headers": {}, "body": record.decode()} for record in records(scenario)])


def anything(_answer, _records):
    """Whatever a 2xx answer holds."""
    return True


def gateway(package, arguments, prepare, scenarios=ONE_RECORD, **others):
    """A gateway, slow to start on a busy machine, and to warm up if it is a JVM's."""
    return Contender(package, arguments, prepare=prepare, accepts=anything, scenarios=scenarios,
                     start_timeout_s=60, **others)


GATEWAYS = {
    "fasthttp": gateway("fasthttp 1.78.0, franz-go 1.22.3", address_first, go("fasthttp")),
    "vertx": gateway("Vert.x 5.0.7, kafka-clients 4.1.0", port_first, java("vertx", "Main"), warmup_s=15),
    "moose": gateway("Moose 0.6.533", moose_project, moose, ANY),
    "otelcol": gateway("OpenTelemetry Collector 0.165.0", otelcol, go("otelcol"), ANY, path="/v1/logs", body=otlp),
    "camel": gateway("Apache Camel 4.22.0", port_first, java("camel", "Main"), warmup_s=15),
    "flume": gateway("Apache Flume 1.11.0", flume, java("flume", "org.apache.flume.node.Application"), ANY, path="/",
                     body=flume_events, warmup_s=15),
    "mq-bridge": gateway("mq-bridge 1.2.0", address_first, mq_bridge),
    "dapr": gateway("Dapr 1.14.0", dapr, lambda: ["env", "DAPR_HOST_IP=127.0.0.1", *go("dapr")()],
                    path=f"/v1.0/publish/pubsub/{TOPIC}?metadata.rawPayload=true"),
}
"""The gateways that people use instead, and those that a good engineer writes in an afternoon."""
