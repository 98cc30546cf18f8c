"""The brokers: librdkafka's mock broker or Apache Kafka, on the load's core."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

from . import Fault
from .contenders import REPOSITORY, TOPIC, stop

KAFKA = "4.1.0"
KAFKA_POM = REPOSITORY / "tests" / "kafka" / "pom.xml"
WARM_UP_RECORDS = 3_000_000
"""Produced to a node of Apache Kafka before it is measured with."""
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
    """A running broker that has the topic.

    `counter` is the process that counts records, and `server` that of a real broker; a mock broker is both.
    """

    def __init__(self, counter, server=None):
        self._counter, self._server = counter, server or counter
        said = counter.stdout.readline().split()
        if said[:1] != ["bootstrap"]:
            raise Fault("the broker did not start")
        self.bootstrap = said[1]

    def hang(self):
        """Freezes the broker's process: from now on it answers nothing."""
        self._server.send_signal(signal.SIGSTOP)

    def resume(self):
        """Has a frozen broker run on."""
        self._server.send_signal(signal.SIGCONT)

    def pin(self, cores):
        """Moves a mock broker, with its threads, to these cores; a real one is a process of its own."""
        for task in pathlib.Path(f"/proc/{self._counter.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), cores)

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
        properties = KAFKA_PROPERTIES.format(directory=directory, partitions=partitions, **ports)
        cluster_id = run(["java", "-cp", jars, "kafka.tools.StorageTool", "random-uuid"]).strip()
        with node(jars, core, pathlib.Path(directory), cluster_id, properties) as process:
            cluster = f"--cluster=127.0.0.1:{ports['broker']}"
            with counting(executable, core, [cluster], process) as broker:
                warm_up(jars, core, broker.bootstrap)
                yield broker


def warm_up(jars, core, bootstrap):
    """Produces to a node that has just started, whose code is compiled only now: the first rows would pay for it."""
    run(["taskset", "--cpu-list", str(core), "java", "-cp", jars, "org.apache.kafka.tools.ProducerPerformance",
         f"--topic={TOPIC}", f"--num-records={WARM_UP_RECORDS}", "--record-size=293", "--throughput=-1",
         "--producer-props", f"bootstrap.servers={bootstrap}", "acks=all", "linger.ms=1"])


@contextlib.contextmanager
def node(jars, core, directory, cluster_id, properties, heap="512m"):
    """One process of Apache Kafka, which is yielded."""
    file = directory / "server.properties"
    file.write_text(properties)
    run(["java", "-cp", jars, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", file])
    process = subprocess.Popen(
        ["taskset", "--cpu-list", str(core), "java", f"-Xmx{heap}", "-cp", jars, "kafka.Kafka", file],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        stop(process)


REPLICATED_PROPERTIES = """\
process.roles={roles}
node.id={number}
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{client},REPLICATION://127.0.0.1:{replication}{controls}
advertised.listeners=PLAINTEXT://127.0.0.1:{client},REPLICATION://127.0.0.1:{proxy}
inter.broker.listener.name=REPLICATION
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,REPLICATION:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={directory}/log
num.partitions={partitions}
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
log.segment.bytes=67108864
log.retention.bytes=268435456
log.retention.check.interval.ms=5000
"""


@contextlib.contextmanager
def replicated(executable, core, partitions, round_trip_ms, topics):
    """Three Apache Kafka brokers whose replication takes `round_trip_ms`, so that `acks=all` does.

    Replication goes through toxiproxy; clients reach the brokers directly.
    """
    toxiproxy = shutil.which("toxiproxy-server") or shutil.which("server")
    if not toxiproxy:
        raise Fault("toxiproxy is not installed")
    jars = f"{kafka_jars()}/*"
    cluster_id = run(["java", "-cp", jars, "kafka.tools.StorageTool", "random-uuid"]).strip()
    api, controller, *ports = free_ports(11)
    with contextlib.ExitStack() as stack:
        proxy = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), toxiproxy, "-port", str(api)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(stop, proxy)
        for number in (1, 2, 3):
            client, replication, proxied = ports[3 * (number - 1):3 * number]
            delay(api, f"broker-{number}", proxied, replication, round_trip_ms)
            directory = pathlib.Path(stack.enter_context(
                tempfile.TemporaryDirectory(prefix="loadtest-kafka-")))
            first = number == 1
            stack.enter_context(node(jars, core, directory, cluster_id, REPLICATED_PROPERTIES.format(
                roles="broker,controller" if first else "broker",
                controls=f",CONTROLLER://127.0.0.1:{controller}" if first else "",
                number=number, controller=controller, client=client, replication=replication,
                proxy=proxied, directory=directory, partitions=partitions), heap="640m"))
        bootstrap = ",".join(f"127.0.0.1:{port}" for port in ports[::3])
        wait_for_brokers(jars, bootstrap, 3)
        arguments = [f"--cluster={bootstrap}", *(f"--topic={topic}" for topic in topics)]
        yield stack.enter_context(counting(executable, core, arguments))


def delay(api, name, listen, upstream, round_trip_ms):
    """Has toxiproxy listen on a port, and answer that late."""
    proxy = {"name": name, "listen": f"127.0.0.1:{listen}", "upstream": f"127.0.0.1:{upstream}"}
    toxic = {"type": "latency", "attributes": {"latency": round_trip_ms}}
    for path, body in (("/proxies", proxy), (f"/proxies/{name}/toxics", toxic)):
        request = urllib.request.Request(f"http://127.0.0.1:{api}{path}", json.dumps(body).encode())
        for attempt in range(50):
            try:
                urllib.request.urlopen(request, timeout=5).close()
                break
            except OSError as error:
                if attempt == 49:
                    raise Fault("toxiproxy does not answer") from error
                time.sleep(0.1)


def wait_for_brokers(jars, bootstrap, count):
    """Waits until the cluster has so many brokers, for a minute at most."""
    ask = ["java", "-cp", jars, "org.apache.kafka.tools.BrokerApiVersionsCommand",
           "--bootstrap-server", bootstrap]
    for _ in range(20):
        asked = subprocess.run(ask, capture_output=True, text=True, check=False)
        if asked.stdout.count("(id: ") >= count:
            return
        time.sleep(1)
    raise Fault("the brokers did not start")


@contextlib.contextmanager
def counting(executable, core, arguments, server=None):
    """The process that runs the mock broker, or only counts the records of a real one."""
    counter = subprocess.Popen(
        ["taskset", "--cpu-list", str(core), executable, f"--topic={TOPIC}", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    try:
        yield Broker(counter, server)
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
