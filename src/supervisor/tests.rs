//! Workers that panic or fail, and their restart.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{start::worker_settings, *};
use crate::{metrics::Driver, snapshot::Snapshot};

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
    Config::development("127.0.0.1:1", environment.into_iter()).expect("it is good")
}

fn drivers() -> impl Iterator<Item = Driver> {
    let io_uring = monoio::utils::detect_uring().then_some(Driver::IoUring);
    [Some(Driver::Epoll), io_uring].into_iter().flatten()
}

#[test]
fn a_worker_that_panics_leaves_nothing_behind() {
    for driver in drivers() {
        let config = Arc::new(config());
        let watch = BrokerWatch::start(&config.kafka).expect("librdkafka takes it");
        let published = Arc::new(Published::new(Snapshot::first(&config, &[])));
        let settings = worker_settings(&config, &published, driver, &watch);
        let mut settings = settings.expect("it is good");
        let mut settings = settings.remove(0);
        // The readiness has one worker, number 0: the first tick of worker 1 panics.
        settings.index = 1;
        let listener = bind(LOOPBACK.parse().expect("an address"), true).expect("a port");
        let address = listener.local_addr().expect("its address");
        let mut client = TcpStream::connect(address).expect("it listens");
        client.write_all(b"POST /").expect("it is connected");

        let metrics = Arc::clone(&settings.metrics);
        let connections = Arc::clone(&settings.connections);
        let worker = thread::spawn(move || worker::run(&settings, listener));
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
        assert!(connections.enter().is_some(), "its permit was not released");
        assert_eq!(Arc::strong_count(&metrics), 1, "its producer still exists");
        watch.stop();
    }
}

/// Panics, then fails to start, then runs without doing anything.
fn fails_twice(settings: &WorkerSettings, _: TcpListener) -> Result<Drained, WorkerError> {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    match RUNS.fetch_add(1, Ordering::Relaxed) {
        0 => panic!("not yet"),
        1 => return Err(io::Error::other("not yet").into()),
        _ => {}
    }
    settings
        .readiness
        .set_worker(settings.index, WorkerState::Ready);
    while !settings.readiness.is_draining() {
        thread::sleep(Duration::from_millis(5));
    }
    Ok(Drained::default())
}

#[test]
fn a_failed_worker_is_restarted() {
    let (sender, messages) = mpsc::channel();
    let started = Supervisor::start(config(), None, (sender.clone(), messages), fails_twice);
    let (mut supervisor, _) = started.expect("it starts");
    let readiness = Arc::clone(&supervisor.readiness);
    let terminate = thread::spawn(move || {
        while readiness.reason().is_some() {
            thread::sleep(Duration::from_millis(5));
        }
        sender.send(Message::Terminate)
    });
    let code = supervisor.supervise();
    let sent = terminate.join().expect("it waits, no more");
    sent.expect("the supervisor listens");
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
    assert_eq!(supervisor.process.worker_restarts(), 2);
}
