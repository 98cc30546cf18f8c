//! Workers that panic or fail, and their restart.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use super::{start::worker_settings, *};
use crate::{
    admission::SharedBudget, config::DriverChoice, connections::Connections, produce::BrokerAccess,
    readiness::WorkerState, snapshot::Snapshot,
};

const LOOPBACK: &str = "127.0.0.1:0";

/// One worker, one connection, and no broker.
fn config() -> Config {
    let environment = [
        ("RINGEST_WORKERS", "1"),
        ("RINGEST_LISTEN__ADDRESS", LOOPBACK),
        ("RINGEST_MANAGEMENT__ADDRESS", ""),
        ("RINGEST_LIMITS__CONNECTIONS_MAX", "1"),
    ];
    let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Config::development("127.0.0.1:1", None, environment.into_iter()).expect("it is good")
}

fn drivers() -> impl Iterator<Item = DriverChoice> {
    let io_uring = monoio::utils::detect_uring().then_some(DriverChoice::IoUring);
    [Some(DriverChoice::Epoll), io_uring].into_iter().flatten()
}

#[test]
fn a_worker_that_panics_leaves_nothing_behind() {
    for driver in drivers() {
        let config = Arc::new(config());
        let watch = BrokerWatch::start(&BrokerAccess::new(config.kafka.clone()))
            .expect("librdkafka takes it");
        let published = Arc::new(Published::new(Snapshot::first(&config, &[])));
        let connections = Arc::new(Connections::new(1, 0));
        let settings = worker_settings(&config, &published, driver, &watch, &connections);
        let mut settings = settings.expect("it is good");
        let mut settings = settings.remove(0);
        // The readiness has one worker, number 0: the first tick of worker 1 panics.
        settings.index = 1;
        settings.shared_budget = Arc::new(SharedBudget::new(2, 0));
        let listener = start::bind(LOOPBACK.parse().expect("an address"), true).expect("a port");
        let address = listener.local_addr().expect("its address");
        let mut client = TcpStream::connect(address).expect("it listens");
        client.write_all(b"POST /").expect("it is connected");

        let metrics = Arc::clone(&settings.metrics);
        let worker = thread::spawn(move || worker::run(&settings, Some(listener), &|_| {}));
        let ended = worker.join().expect("it survives its panic");
        assert!(matches!(ended, Err(WorkerError::Panicked(_))), "{ended:?}");
        let timeout = Some(Duration::from_secs(10));
        client.set_read_timeout(timeout).expect("not zero");
        match client.read(&mut [0; 1]) {
            Ok(0) => {}
            Ok(_) => panic!("an answer to half a request"),
            Err(error) => assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "left open"),
        }
        assert!(TcpStream::connect(address).is_err(), "still listening");
        assert!(
            connections.enter(None).is_ok(),
            "its permit was not released"
        );
        assert_eq!(Arc::strong_count(&metrics), 1, "its producer still exists");
        watch.stop();
    }
}

/// A worker that does nothing but to be ready, until the drain.
#[expect(clippy::unnecessary_wraps, reason = "it is run as a worker is")]
fn idles(
    settings: &WorkerSettings,
    _: Option<TcpListener>,
    drained: &dyn Fn(Drained),
) -> Result<(), WorkerError> {
    while !settings.readiness.has_begun_to_drain() {
        let readiness = &settings.readiness;
        readiness.set_worker(settings.index, WorkerState::Ready);
        thread::sleep(Duration::from_millis(5));
    }
    drained(Drained::default());
    Ok(())
}

/// A supervisor of one such worker, and what sends it messages.
fn supervisor(run: RunWorker) -> (Supervisor, mpsc::Sender<Message>) {
    let (sender, messages) = mpsc::channel();
    let started = Supervisor::start(config(), None, (sender.clone(), messages), run);
    (started.expect("it starts").0, sender)
}

/// Whether two exit codes are the same, which can't be compared otherwise.
#[track_caller]
fn assert_code(code: ExitCode, expected: u8) {
    let expected = ExitCode::from(expected);
    assert_eq!(format!("{code:?}"), format!("{expected:?}"));
}

/// Whether the listeners of [`fails_twice`] were announced.
static HAS_STARTED: AtomicBool = AtomicBool::new(false);

/// Panics, then fails to start, then runs.
fn fails_twice(
    settings: &WorkerSettings,
    listener: Option<TcpListener>,
    drained: &dyn Fn(Drained),
) -> Result<(), WorkerError> {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    match RUNS.fetch_add(1, Relaxed) {
        0 => {
            while !HAS_STARTED.load(Relaxed) {
                (settings.readiness).set_worker(settings.index, WorkerState::Ready);
                thread::sleep(Duration::from_millis(5));
            }
            panic!("not yet")
        }
        1 => Err(io::Error::other("not yet").into()),
        _ => idles(settings, listener, drained),
    }
}

#[test]
fn a_failed_worker_is_restarted() {
    let (mut supervisor, sender) = supervisor(fails_twice);
    let readiness = Arc::clone(&supervisor.readiness);
    let process = Arc::clone(&supervisor.process);
    let terminate = thread::spawn(move || {
        while process.worker_restarts() < 2 || readiness.reason().is_some() {
            thread::sleep(Duration::from_millis(5));
        }
        sender.send(Message::Terminate)
    });
    let code = supervisor.supervise(|| HAS_STARTED.store(true, Relaxed));
    assert_code(code, 0);
    let sent = terminate.join().expect("it waits, no more");
    sent.expect("the supervisor listens");
    assert_eq!(supervisor.process.worker_restarts(), 2);
}

#[test]
fn a_worker_that_can_not_start_ends_the_process() {
    fn fails(
        _: &WorkerSettings,
        _: Option<TcpListener>,
        _: &dyn Fn(Drained),
    ) -> Result<(), WorkerError> {
        Err(io::Error::other("no ring").into())
    }
    let (mut supervisor, _sender) = supervisor(fails);
    let code = supervisor.supervise(|| panic!("it does not listen"));
    assert_code(code, EXIT_CONFIGURATION);
}

#[test]
fn the_listeners_are_announced_when_every_worker_serves() {
    static SERVES: AtomicBool = AtomicBool::new(false);
    fn starts_slowly(
        settings: &WorkerSettings,
        listener: Option<TcpListener>,
        drained: &dyn Fn(Drained),
    ) -> Result<(), WorkerError> {
        thread::sleep(Duration::from_millis(300));
        SERVES.store(true, Relaxed);
        idles(settings, listener, drained)
    }
    let (mut supervisor, sender) = supervisor(starts_slowly);
    let mut announced = false;
    let code = supervisor.supervise(|| {
        announced = SERVES.load(Relaxed);
        sender.send(Message::Terminate).expect("it listens");
    });
    assert_code(code, 0);
    assert!(announced, "too early");
}

/// A worker whose drain takes longer than two signals count as one.
fn drains_slowly(
    settings: &WorkerSettings,
    listener: Option<TcpListener>,
    drained: &dyn Fn(Drained),
) -> Result<(), WorkerError> {
    idles(settings, listener, &|_| {})?;
    for _ in 0..150 {
        (settings.readiness).set_worker(settings.index, WorkerState::Ready);
        thread::sleep(Duration::from_millis(10));
    }
    drained(Drained::default());
    Ok(())
}

#[test]
fn a_signal_that_comes_twice_is_one_request_to_end() {
    for (pause, code) in [
        (Duration::from_micros(200), 0),
        (Duration::from_millis(1_200), EXIT_NOT_DRAINED),
    ] {
        let (mut supervisor, sender) = supervisor(drains_slowly);
        let ended = supervisor.supervise(move || {
            thread::spawn(move || {
                sender.send(Message::Terminate).expect("it listens");
                thread::sleep(pause);
                sender.send(Message::Terminate).expect("it listens");
            });
        });
        assert_code(ended, code);
    }
}

#[test]
fn a_worker_that_never_closes_its_producer_has_drained() {
    static OVER: AtomicBool = AtomicBool::new(false);
    fn never_ends(
        settings: &WorkerSettings,
        listener: Option<TcpListener>,
        drained: &dyn Fn(Drained),
    ) -> Result<(), WorkerError> {
        idles(settings, listener, drained)?;
        while !OVER.load(Relaxed) {
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
    let (mut supervisor, sender) = supervisor(never_ends);
    let code = supervisor.supervise(|| sender.send(Message::Terminate).expect("it listens"));
    OVER.store(true, Relaxed);
    assert_code(code, 0);
}
