//! A real Apache Kafka of the test's own: one node, `KRaft`, on loopback, its data in a temporary directory.

use std::{
    fmt::Write as _,
    fs::{self, File},
    net::TcpListener,
    process::{Command, Output},
    time::Duration,
};

use rdkafka::consumer::{BaseConsumer, Consumer};
use tempfile::TempDir;

use super::{cluster::Cluster, jars::Jars, process::Process, wait::eventually};

/// Not 127.0.0.1, from which connections to loopback leave: while the broker is down, no client's
/// connection can take its port, nor a client that tries it again and again connect to itself.
const ADDRESS: &str = "127.0.0.2";

/// Any valid one (22 characters of Base64, 16 bytes) does.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";

const CONFIG: &str = "server.properties";
const LOG: &str = "broker.log";

/// For a start on a busy machine; 5 seconds are usual.
const START_TIMEOUT: Duration = Duration::from_mins(2);

/// One node; killed when dropped.
#[derive(Debug)]
pub(crate) struct Kafka {
    jars: Jars,
    directory: TempDir,
    process: Option<Process>,
    cluster: Cluster,
    /// The controller's port.
    controller: u16,
    /// The port of listener `TLS`, where there is one.
    tls: u16,
    /// Broker properties that override ours.
    overrides: Vec<(String, String)>,
}

impl Kafka {
    /// Starts a node that serves plain text to anyone and creates no topic by itself.
    pub(crate) fn start(jars: &Jars) -> Self {
        Self::start_with(jars, &[], &[])
    }

    /// Starts a node with further broker properties, which override ours (listener `CLIENT` is
    /// the one that clients use; `TLS` is another one where a property names it), and with librdkafka
    /// properties for the client of the test itself.
    pub(crate) fn start_with(
        jars: &Jars,
        broker: &[(&str, &str)],
        client: &[(&str, &str)],
    ) -> Self {
        let [port, controller, tls] = free_ports();
        let with_tls = broker
            .iter()
            .any(|(name, _)| name.starts_with("listener.name.tls."));
        let more = if with_tls {
            format!(",TLS://{ADDRESS}:{tls}")
        } else {
            String::new()
        };
        let config = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             listeners=CLIENT://{ADDRESS}:{port},CONTROLLER://{ADDRESS}:{controller}{more}\n"
        );
        let brokers = format!("{ADDRESS}:{port}");
        let client = [&[("bootstrap.servers", brokers.as_str())], client].concat();
        let cluster = Cluster::new(&client).ephemeral();
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let overrides = broker.iter().map(owned).collect();
        let mut node = Self::start_node(jars, &config, controller, overrides, cluster);
        node.tls = tls;
        node
    }

    /// Starts one more broker of this node's cluster, with this `node.id`, and waits until the cluster has
    /// it. It has a process and data of its own, and plain text listeners.
    pub(crate) fn join(&self, id: i32) -> Self {
        let [port, ..] = free_ports();
        let config =
            format!("process.roles=broker\nnode.id={id}\nlisteners=CLIENT://{ADDRESS}:{port}\n");
        let brokers = format!("{ADDRESS}:{port}");
        let cluster = Cluster::new(&[("bootstrap.servers", &brokers)]).ephemeral();
        let overrides = self.overrides.clone();
        let node = Self::start_node(&self.jars, &config, self.controller, overrides, cluster);
        let client: BaseConsumer = self.cluster.client();
        let known = eventually(START_TIMEOUT, || {
            let metadata = client.fetch_metadata(None, Duration::from_secs(1)).ok()?;
            let mut brokers = metadata.brokers().iter();
            brokers.any(|broker| broker.id() == id).then_some(())
        });
        assert!(known.is_some(), "broker {id} has not joined");
        node
    }

    fn start_node(
        jars: &Jars,
        config: &str,
        controller: u16,
        overrides: Vec<(String, String)>,
        cluster: Cluster,
    ) -> Self {
        let directory = TempDir::with_prefix("ringest-kafka-").expect("a temporary directory");
        let data = directory.path().join("data");
        let mut config = format!(
            "{config}controller.quorum.voters=1@{ADDRESS}:{controller}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             inter.broker.listener.name=CLIENT\n\
             log.dirs={}\nauto.create.topics.enable=false\n\
             offsets.topic.num.partitions=1\noffsets.topic.replication.factor=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             share.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n",
            data.display()
        );
        for (property, value) in &overrides {
            writeln!(config, "{property}={value}").expect("a String takes all");
        }
        fs::write(directory.path().join(CONFIG), config).expect("the directory is ours");

        let mut kafka = Self {
            jars: jars.clone(),
            directory,
            process: None,
            cluster,
            controller,
            tls: 0,
            overrides,
        };
        let format = ["format", "-t", CLUSTER_ID, "-c", &kafka.path(CONFIG)];
        kafka.tool("kafka.tools.StorageTool", &format);
        kafka.start_again();
        kafka
    }

    /// Its topics.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// `bootstrap.servers` of listener `TLS`.
    pub(crate) fn tls_brokers(&self) -> String {
        format!("{ADDRESS}:{}", self.tls)
    }

    /// Ends it as a power cut of its process would: SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it on the same ports and data, and waits until it answers.
    pub(crate) fn start_again(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path(LOG))
            .and_then(|log| Ok((log.try_clone()?, log)));
        let (stdout, stderr) = log.expect("the directory is ours");
        let mut command = self.jars.java("kafka.Kafka");
        command
            .arg(self.path(CONFIG))
            .current_dir(self.directory.path())
            .stdout(stdout)
            .stderr(stderr);
        self.process = Some(Process::spawn(&mut command).expect("java starts"));
        self.wait_until_it_answers();
    }

    /// Stops it from answering while its connections stay open (SIGSTOP).
    pub(crate) fn silence(&self) {
        self.signal(libc::SIGSTOP);
    }

    /// Ends the silence.
    pub(crate) fn resume(&self) {
        self.signal(libc::SIGCONT);
    }

    /// Runs one of Kafka's tools to its end; panics when it fails.
    pub(crate) fn tool(&self, class: &str, arguments: &[&str]) {
        self.tool_with_input(class, arguments, "");
    }

    /// Runs one of Kafka's tools on this input to its end; what it prints. Panics when it fails.
    pub(crate) fn tool_with_input(&self, class: &str, arguments: &[&str], input: &str) -> String {
        let file = self.path("tool.input");
        fs::write(&file, input).expect("the directory is ours");
        let mut command: Command = self.jars.java(class);
        let Output {
            status,
            stdout,
            stderr,
        } = command
            .args(arguments)
            .current_dir(self.directory.path())
            .stdin(File::open(&file).expect("just written"))
            .output()
            .expect("java runs");
        let (stdout, stderr) = (
            String::from_utf8_lossy(&stdout).into_owned(),
            String::from_utf8_lossy(&stderr),
        );
        assert!(
            status.success(),
            "{class} {arguments:?}: {status}\n{stdout}{stderr}"
        );
        stdout
    }

    /// Where a file of this name lies beside the node's own.
    pub(crate) fn path(&self, file: &str) -> String {
        let path = self.directory.path().join(file);
        path.to_str()
            .expect("temporary directories have plain names")
            .to_owned()
    }

    fn signal(&self, signal: libc::c_int) {
        let process = self.process.as_ref().expect("the broker has been started");
        process.signal(signal);
    }

    fn wait_until_it_answers(&mut self) {
        let answered = eventually(START_TIMEOUT, || {
            let process = self.process.as_mut().expect("just started");
            if let Some(status) = process.exited() {
                return Some(Err(status));
            }
            // Anew each time: one that has heard of the advertised address asks there, where a test's proxy
            // may not serve yet.
            let client: BaseConsumer = self.cluster.client();
            let metadata = client.fetch_metadata(None, Duration::from_secs(1)).ok()?;
            (!metadata.brokers().is_empty()).then_some(Ok(()))
        });
        assert!(
            matches!(answered, Some(Ok(()))),
            "Apache Kafka does not answer ({answered:?})\n{}",
            fs::read_to_string(self.path(LOG)).unwrap_or_default()
        );
    }
}

/// Ports that are free now; all are held until all are known, so that they differ.
fn free_ports() -> [u16; 3] {
    [(), (), ()]
        .map(|()| TcpListener::bind((ADDRESS, 0)).expect("loopback has free ports"))
        .map(|listener| listener.local_addr().expect("it is bound").port())
}
