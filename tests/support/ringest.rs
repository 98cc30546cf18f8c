//! The binary under test, as an operator runs it: a configuration file, model files, environment.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{self, BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    os::fd::{AsFd, OwnedFd},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    str::FromStr,
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use tempfile::TempDir;

use super::{
    event::{PATH, RECORD, TOPIC},
    frozen::Frozen,
    http::Http,
    process::Process,
    wait::{NEVER, PATIENCE, await_that, eventually},
};

/// The name of the configuration file.
const CONFIGURATION: &str = "ringest.toml";

/// The variable that sets the driver of every test, as CI does.
const DRIVER_VARIABLE: &str = "RINGEST_LISTEN__DRIVER";

/// The drivers for a test of either: the one that the environment names or, where it names none, the better one
/// that there is and the other one.
pub(crate) fn drivers() -> Vec<String> {
    match env::var(DRIVER_VARIABLE) {
        Ok(driver) => vec![driver],
        Err(_) => ["auto", "epoll"].map(str::to_owned).into(),
    }
}

/// For `sh -c`: a program whose standard input is passed as a service manager does.
pub(crate) const PASS_STDIN: &str = "exec 3<&0 <&-; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";

/// What a ringest shall be started with.
pub(crate) struct Builder {
    auth: String,
    kafka: Vec<(String, String)>,
    models: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
    environment: Vec<(String, String)>,
    passed: Option<OwnedFd>,
}

impl Builder {
    /// Adds a model without fields: any JSON object is a record of it.
    pub(crate) fn model(mut self, name: &str, version: &str, topic: &str) -> Self {
        let model = format!("name = {name:?}\nversion = {version:?}\ntopic = {topic:?}\n");
        self.models.push(model);
        self
    }

    /// Adds a model as its file has it.
    pub(crate) fn model_file(mut self, text: &str) -> Self {
        self.models.push(text.to_owned());
        self
    }

    /// Sets the section `[auth]` and those below it, their headings included.
    pub(crate) fn auth(mut self, text: &str) -> Self {
        text.clone_into(&mut self.auth);
        self
    }

    /// Adds a file beside the configuration.
    pub(crate) fn file(mut self, name: &str, content: &[u8]) -> Self {
        self.files.push((name.to_owned(), content.to_vec()));
        self
    }

    /// Sets a variable of the environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a librdkafka property.
    pub(crate) fn kafka(mut self, property: &str, value: &str) -> Self {
        self.kafka.push((property.to_owned(), value.to_owned()));
        self
    }

    /// Overrides one key, written as in the file (`timeouts.ack_timeout_ms`), by the environment.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        let variable = format!("RINGEST_{}", key.replace('.', "__").to_uppercase());
        self.environment.push((variable, value.to_owned()));
        self
    }

    /// Passes a listener as a service manager does: file descriptor 3, and the process that it is for.
    pub(crate) fn passed(mut self, listener: &impl AsFd) -> Self {
        let listener = listener.as_fd().try_clone_to_owned();
        self.passed = Some(listener.expect("a file descriptor"));
        self
    }

    /// Starts it and waits until both listeners are announced.
    pub(crate) fn start(self) -> Ringest {
        let (settings, auth) = (self.settings(), self.auth.clone());
        let directory = self.write();
        let mut command = Command::new("sh");
        let script = match self.passed {
            Some(_) => PASS_STDIN,
            None => "exec \"$0\" \"$@\"",
        };
        command
            .args(["-c", script, env!("CARGO_BIN_EXE_ringest"), "--config"])
            .arg(directory.path().join(CONFIGURATION))
            .stdin(self.passed.map_or(Stdio::null(), Stdio::from))
            .stderr(Stdio::piped());
        // What configures the tests is no configuration of the server; the driver is both.
        for (variable, _) in env::vars() {
            if variable.starts_with("RINGEST_") && variable != DRIVER_VARIABLE {
                command.env_remove(variable);
            }
        }
        command.envs(self.environment);
        let mut process = Process::spawn(&mut command).expect("the binary starts");

        let log = Arc::new(Mutex::new(String::new()));
        let (announce, announced) = mpsc::channel();
        let stderr = process.child().stderr.take().expect("stderr is piped");
        thread::spawn({
            let log = Arc::clone(&log);
            move || follow(BufReader::new(stderr), &log, &announce)
        });
        let address = listening(&announced, &log);
        let management = listening(&announced, &log);
        Ringest {
            process,
            address,
            management,
            log,
            settings,
            auth: Mutex::new(auth),
            directory,
        }
    }

    /// The configuration before the section `[auth]`, and after it. On a busy machine tests come to the first
    /// requests of their connections later than by default they may.
    fn settings(&self) -> [String; 2] {
        let mut kafka = "\n[kafka]\n".to_owned();
        for (property, value) in &self.kafka {
            writeln!(kafka, "{property:?} = {value:?}").expect("a String takes all");
        }
        let before = format!(
            "models = \"models\"\n[listen]\naddress = \"127.0.0.1:0\"\n\
             [management]\naddress = \"127.0.0.1:0\"\n[timeouts]\nhead_timeout_ms = {}\n",
            NEVER.as_millis()
        );
        [before, kafka]
    }

    fn write(&self) -> TempDir {
        let directory = TempDir::with_prefix("ringest-").expect("a temporary directory");
        let config = self.settings().join(&self.auth);
        fs::write(directory.path().join(CONFIGURATION), config).expect("the file is ours");
        for (name, content) in &self.files {
            fs::write(directory.path().join(name), content).expect("the file is ours");
        }
        let models = directory.path().join("models");
        fs::create_dir(&models).expect("the directory is ours");
        for (index, model) in self.models.iter().enumerate() {
            fs::write(models.join(format!("{index}.toml")), model).expect("the file is ours");
        }
        directory
    }
}

/// A running ringest with one public and one management listener on loopback; killed when dropped.
/// Its log is printed when the test fails.
pub(crate) struct Ringest {
    process: Process,
    address: SocketAddr,
    management: SocketAddr,
    log: Arc<Mutex<String>>,
    settings: [String; 2],
    auth: Mutex<String>,
    directory: TempDir,
}

impl Ringest {
    /// One that will produce to these brokers (`host:port,…`); nobody has to be there yet.
    pub(crate) fn builder(brokers: &str) -> Builder {
        Builder {
            auth: "[auth]\nmode = \"none\"\n".to_owned(),
            kafka: Vec::new(),
            models: Vec::new(),
            files: Vec::new(),
            environment: Vec::new(),
            passed: None,
        }
        .kafka("bootstrap.servers", brokers)
    }

    /// One with a model of [`TOPIC`], on a driver and with so many workers.
    pub(crate) fn of_events(brokers: &str, driver: &str, workers: u8) -> Builder {
        Self::builder(brokers)
            .model("Event", "1.0", TOPIC)
            .set("listen.driver", driver)
            .set("workers", &workers.to_string())
    }

    /// Where it takes records; unspecified where that is a unix socket.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it says how it is.
    pub(crate) fn management(&self) -> SocketAddr {
        self.management
    }

    /// A new connection to the public port.
    pub(crate) fn connect(&self) -> Http {
        Http::connect(self.address).expect("ringest accepts")
    }

    /// The status of `GET /ready`.
    pub(crate) fn ready(&self) -> u16 {
        self.manage("/ready").status
    }

    /// The text of `GET /routes`.
    pub(crate) fn routes(&self) -> String {
        String::from_utf8(self.manage("/routes").body).expect("JSON is text")
    }

    /// The sum of a gauge or counter over its labels; panics when `/metrics` has no such name.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        self.samples::<f64>(name).iter().sum()
    }

    /// [`Ringest::metric`] of what is counted one by one.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.samples::<u64>(name).iter().sum()
    }

    /// A counter with this label.
    pub(crate) fn count_of(&self, name: &str, label: &str) -> u64 {
        let answer = self.manage("/metrics");
        let text = String::from_utf8(answer.body).expect("metrics are text");
        let series = format!("{name}{{{label}}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&series));
        value
            .and_then(|it| it.parse().ok())
            .unwrap_or_else(|| panic!("no {series} in\n{text}"))
    }

    fn samples<T: FromStr>(&self, name: &str) -> Vec<T> {
        let answer = self.manage("/metrics");
        let text = String::from_utf8(answer.body).expect("metrics are text");
        let values: Vec<T> = text
            .lines()
            .filter_map(|line| line.strip_prefix(name))
            .filter(|rest| rest.starts_with([' ', '{']))
            .filter_map(|rest| rest.rsplit(' ').next()?.parse().ok())
            .collect();
        assert!(!values.is_empty(), "no {name} in\n{text}");
        values
    }

    /// Waits until [`Ringest::count`] is this.
    #[track_caller]
    pub(crate) fn await_count(&self, metric: &str, value: u64) {
        let reached = eventually(PATIENCE, || (self.count(metric) == value).then_some(()));
        let now = self.count(metric);
        assert!(reached.is_some(), "{metric} is {now}, not {value}");
    }

    /// Posts [`RECORD`]s until one is accepted; every one is answered.
    #[track_caller]
    pub(crate) fn await_accepted(&self) {
        await_that("it takes no records", || {
            let answer = self.connect().post(PATH, RECORD).expect("an answer");
            answer.status == 200
        });
    }

    /// Fails the test if it has ended.
    #[track_caller]
    pub(crate) fn assert_running(&mut self) {
        assert_eq!(self.process.exited(), None, "ringest has ended");
    }

    /// Everything that it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no reader panicked").clone()
    }

    /// The section `[auth]` as its file has it.
    pub(crate) fn auth(&self) -> String {
        self.auth.lock().expect("no test panicked here").clone()
    }

    /// Writes another section `[auth]` into its file.
    pub(crate) fn set_auth(&self, text: &str) {
        let config = self.settings.join(text);
        self.write(CONFIGURATION, config.as_bytes());
        text.clone_into(&mut self.auth.lock().expect("no test panicked here"));
    }

    /// Writes a file beside its configuration: a reader sees the old one or the new one.
    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.directory.path().join(name);
        let new = path.with_extension("new");
        fs::write(&new, content).expect("the file is ours");
        fs::rename(&new, &path).expect("the file is ours");
    }

    /// Sends SIGHUP and returns at once.
    pub(crate) fn reload(&self) {
        self.process.signal(libc::SIGHUP);
    }

    /// The memory that it has of the machine's, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.process.resident_bytes()
    }

    /// Sends SIGTERM and returns at once.
    pub(crate) fn begin_drain(&self) {
        self.process.signal(libc::SIGTERM);
    }

    /// Stops it until [`Ringest::resume`]: only the kernel goes on.
    pub(crate) fn pause(&self) {
        self.process.signal(libc::SIGSTOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.process.signal(libc::SIGCONT);
    }

    /// Where its configuration is: `ringest.toml`, and `models/0.toml` and so on.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Leaves it only this many file descriptors beyond those that it has now.
    pub(crate) fn spare_files(&self, spare: usize) {
        self.process
            .limit_open_files(self.process.open_files() + spare);
    }

    /// Waits for it to end by itself.
    pub(crate) fn exited(&mut self) -> ExitStatus {
        self.process
            .wait(PATIENCE)
            .expect("ringest ends within its drain timeout")
    }

    /// Sends SIGTERM and waits for its end.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.begin_drain();
        self.exited()
    }

    /// The `reason` of `GET /ready`, `""` where it is ready.
    pub(crate) fn not_ready(&self) -> String {
        self.manage("/ready").text("reason")
    }

    /// Stops its threads of this name, until the result is dropped.
    pub(crate) fn freeze(&self, thread: &str) -> Vec<Frozen> {
        let frozen = Frozen::all(self.process.id(), thread);
        assert!(!frozen.is_empty(), "it has no thread {thread}");
        frozen
    }

    /// A line of `/proc/PID/task/*/status` of its threads of this name.
    pub(crate) fn thread_status(&self, thread: &str, line: &str) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("it runs");
        let status = |task: io::Result<fs::DirEntry>| {
            let status = fs::read_to_string(task.ok()?.path().join("status")).ok()?;
            let value = |name: &str| {
                let mut values = status.lines().filter_map(|it| it.split_once(":\t"));
                values.find_map(|(key, value)| (key == name).then(|| value.to_owned()))
            };
            (value("Name")? == thread).then(|| value(line)).flatten()
        };
        tasks.filter_map(status).collect()
    }

    pub(crate) fn manage(&self, path: &str) -> super::http::Answer {
        let mut http = Http::connect(self.management).expect("the management listener accepts");
        http.send(format!("GET {path} HTTP/1.1\r\nHost: ringest\r\n\r\n").as_bytes())
            .expect("the management listener reads");
        http.answer().expect("the management listener answers")
    }
}

impl Drop for Ringest {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- ringest's log\n{}---", self.log());
        }
    }
}

/// Keeps what the process writes, and passes on each address that it announces.
fn follow(stderr: impl BufRead, log: &Mutex<String>, announce: &Sender<SocketAddr>) {
    for line in stderr.lines().map_while(Result::ok) {
        let address = line
            .strip_prefix("listening on ")
            .and_then(|rest| rest.split(' ').next())
            .and_then(|address| match address.strip_prefix("unix:") {
                Some(_) => Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
                None => address.parse().ok(),
            });
        let mut log = log.lock().expect("no reader panicked");
        log.push_str(&line);
        log.push('\n');
        drop(log);
        if let Some(address) = address {
            // Nobody listens any more once both addresses are known.
            let _ = announce.send(address);
        }
    }
}

fn listening(announced: &Receiver<SocketAddr>, log: &Mutex<String>) -> SocketAddr {
    announced.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let log = log.lock().expect("no reader panicked");
        panic!("ringest did not start:\n{log}")
    })
}
