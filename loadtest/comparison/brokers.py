"""The brokers: librdkafka's mock broker or Apache Kafka, on the load's core."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from . import Fault
from .contenders import REPOSITORY, TOPIC, stop

KAFKA = "4.1.0"
KAFKA_POM = REPOSITORY / "tests" / "kafka" / "pom.xml"
KAFKA_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={directory}/log
num.partitions={partitions}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.segment.bytes=67108864
log.retention.bytes=268435456
log.retention.check.interval.ms=5000
"""


class Broker:
    """A running broker that has the topic."""

    def __init__(self, counter):
        self._counter = counter
        said = counter.stdout.readline().split()
        if said[:1] != ["bootstrap"]:
            raise Fault("the broker did not start")
        self.bootstrap = said[1]

    def records(self):
        """The number of records ever written to the topic."""
        try:
            self._counter.stdin.write(f"records {TOPIC}\n")
            self._counter.stdin.flush()
            return int(self._counter.stdout.readline())
        except (BrokenPipeError, ValueError) as error:
            raise Fault("the broker does not respond") from error


@contextlib.contextmanager
def mock(executable, core, partitions):
    """librdkafka's mock broker."""
    with counting(executable, core, [f"--partitions={partitions}"]) as broker:
        yield broker


@contextlib.contextmanager
def kafka(executable, core, partitions):
    """A single Apache Kafka node (broker and controller) with a temporary data directory."""
    jars = f"{kafka_jars()}/*"
    with tempfile.TemporaryDirectory(prefix="loadtest-kafka-") as directory:
        ports = dict(zip(("broker", "controller"), free_ports(2)))
        properties = pathlib.Path(directory) / "server.properties"
        properties.write_text(
            KAFKA_PROPERTIES.format(directory=directory, partitions=partitions, **ports)
        )
        storage = ["java", "-cp", jars, "kafka.tools.StorageTool"]
        cluster_id = run([*storage, "random-uuid"]).strip()
        run([*storage, "format", "-t", cluster_id, "-c", properties])
        server = ["java", "-Xmx512m", "-cp", jars, "kafka.Kafka", properties]
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *server],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            cluster = f"--cluster=127.0.0.1:{ports['broker']}"
            with counting(executable, core, [cluster]) as broker:
                yield broker
        finally:
            stop(process)


@contextlib.contextmanager
def counting(executable, core, arguments):
    """The process that runs the mock broker, or only counts the records of a real one."""
    counter = subprocess.Popen(
        ["taskset", "--cpu-list", str(core), executable, f"--topic={TOPIC}", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    try:
        yield Broker(counter)
    finally:
        stop(counter)


BROKERS = {"mock": mock, "kafka": kafka}


def kafka_jars():
    """The directory with Kafka's jars, downloaded from Maven Central the first time."""
    for tool in ("java", "mvn"):
        if not shutil.which(tool):
            raise Fault(f"{tool} is not installed")
    jars = cache() / f"kafka-{KAFKA}"
    if found := next(jars.rglob("kafka_*.jar"), None):
        return found.parent
    if not KAFKA_POM.exists():
        raise Fault(f"no {KAFKA_POM.relative_to(REPOSITORY)}")
    jars.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when complete, so that an interrupted download is never used.
    with tempfile.TemporaryDirectory(dir=jars.parent) as incomplete:
        copied = f"{incomplete}/jars"
        run(["mvn", "-q", "-f", KAFKA_POM, "dependency:copy-dependencies",
             f"-DoutputDirectory={copied}"])
        pathlib.Path(copied).rename(jars)
    return jars


def run(command):
    """Runs a tool and returns its output; raises `Fault` if it fails."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        last = (ran.stderr or ran.stdout).strip().splitlines()[-1:] or [""]
        raise Fault(f"{command[0]} failed: {last[0][:100]}")
    return ran.stdout


def cache():
    """The cache directory for downloads."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("RINGEST_TEST_CACHE") or pathlib.Path(base) / "ringest-test")


def free_ports(count):
    """Currently free ports of the loopback address."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
