//! Under a service manager: sockets that outlive the process, and what it is notified of.

use std::{
    io::Read,
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use crate::support::{
    event::{PATH, RECORD, TOPIC},
    http::{Http, request},
    mock::Mock,
    process::Process,
    ringest::{PASS_STDIN, Ringest},
    wait::{PATIENCE, await_that, eventually},
};

/// The better one that there is, and the other one.
const DRIVERS: [&str; 2] = ["auto", "epoll"];

const RESTARTS: usize = 3;

#[test]
fn what_waits_in_a_passed_socket_is_served_by_the_next_process() {
    for driver in DRIVERS {
        let mock = Mock::with_topics(&[TOPIC]);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let start = || {
            Ringest::of_events(&mock.brokers(), driver, 2)
                .passed(&listener)
                .start()
        };
        let first = start();
        assert_eq!(first.address(), address);
        assert!(first.log().contains("LISTEN_FDS"), "{}", first.log());
        first.await_accepted();
        let mut idle = first.connect();
        assert_eq!(idle.post(PATH, RECORD).expect("an answer").status, 200);
        assert!(first.terminate().success());
        assert!(idle.is_closed());

        let mut between = Http::connect(address).expect("the kernel accepts");
        let request = request(PATH, "application/json", RECORD);
        between.send(&request).expect("the kernel takes it");
        let second = start();
        assert_eq!(between.answer().expect("an answer").status, 200);
        drop(between);
        assert!(second.terminate().success());
    }
}

#[test]
fn a_passed_socket_has_to_listen() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let address: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&address.into()).expect("a port");
    let mut command = Command::new("sh");
    command
        .args(["-c", PASS_STDIN, env!("CARGO_BIN_EXE_ringest"), "--dev"])
        .stdin(OwnedFd::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command).expect("sh starts");
    let status = process.wait(PATIENCE).expect("it ends");
    assert_eq!(status.code(), Some(1));
    let mut log = String::new();
    let stderr = process.child().stderr.as_mut().expect("it is piped");
    stderr.read_to_string(&mut log).expect("it is text");
    assert!(
        log.contains("LISTEN_FDS") && log.contains("does not listen"),
        "{log}"
    );
}

/// On a busy machine a client can be held up for longer than the half second that a drain waits for requests.
const PROMPT: Duration = Duration::from_millis(250);

/// A client on new connections, or on one that is kept as long as the server allows.
fn client(listener: &TcpListener, keeps: bool, (ends, accepted): (&AtomicBool, &AtomicUsize)) {
    let address = listener.local_addr().expect("its address");
    let mut kept: Option<(Http, Instant)> = None;
    while !ends.load(Relaxed) {
        let (mut http, since) = kept.take().unwrap_or_else(|| {
            let since = Instant::now();
            (Http::connect(address).expect("none is refused"), since)
        });
        let sent = http.send(&request(PATH, "application/json", RECORD));
        let was_prompt = since.elapsed() < PROMPT;
        match sent.and_then(|()| http.answer()) {
            Ok(answer) if answer.status == 200 => {
                accepted.fetch_add(1, Relaxed);
                kept = Some((http, Instant::now())).filter(|_| keeps && !answer.closes());
            }
            Ok(answer) => {
                assert_eq!(answer.text("code"), "draining", "{answer:?}");
                assert_eq!(answer.text("persisted"), "no", "{answer:?}");
                assert!(answer.closes(), "{answer:?}");
                assert!(!was_prompt, "{answer:?}");
            }
            Err(error) => assert!(!was_prompt, "none is reset: {error}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn restarts_with_a_passed_socket_refuse_and_reset_nothing() {
    for driver in DRIVERS {
        let mock = Mock::with_topics(&[TOPIC]);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (ends, accepted) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            let start = || {
                Ringest::of_events(&mock.brokers(), driver, 2)
                    .passed(&listener)
                    .start()
            };
            let mut ringest = start();
            ringest.await_accepted();
            let before = mock.cluster().read(TOPIC).len();
            accepted.store(before, Relaxed);
            let clients: Vec<_> = (0..8)
                .map(|number| {
                    let state = (&ends, &accepted);
                    let listener = &listener;
                    scope.spawn(move || client(listener, number % 2 == 0, state))
                })
                .collect();
            for _ in 0..RESTARTS {
                let count = accepted.load(Relaxed);
                await_that("the clients are served", || {
                    accepted.load(Relaxed) > count + 50
                });
                assert!(ringest.terminate().success());
                ringest = start();
            }
            let count = accepted.load(Relaxed);
            await_that("the clients are served", || {
                accepted.load(Relaxed) > count + 50
            });
            ends.store(true, Relaxed);
            for client in clients {
                client
                    .join()
                    .expect("every prompt request was answered 200");
            }
            assert!(ringest.terminate().success());
        });
        let accepted = accepted.load(Relaxed);
        assert_eq!(mock.cluster().read(TOPIC).len(), accepted);
    }
}

/// A service manager's socket.
struct Manager {
    socket: UnixDatagram,
    directory: TempDir,
}

impl Manager {
    fn new() -> Self {
        let directory = TempDir::with_prefix("ringest-").expect("a temporary directory");
        let socket = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("it is not zero");
        Self { socket, directory }
    }

    fn path(&self) -> String {
        let path = self.directory.path().join("notify");
        path.to_str().expect("it is text").to_owned()
    }

    fn next(&self) -> String {
        let mut message = [0; 256];
        let length = self.socket.recv(&mut message).expect("a message");
        String::from_utf8_lossy(&message[..length]).into_owned()
    }

    /// The next message that is no sign of life.
    fn next_event(&self) -> String {
        let messages = std::iter::repeat_with(|| self.next());
        let mut events = messages.filter(|it| it != "WATCHDOG=1\n");
        events.next().expect("it has no end")
    }

    /// Whether there is no sign of life for a second, from some time on.
    fn falls_silent(&self) -> bool {
        let second = Some(Duration::from_secs(1));
        self.socket.set_read_timeout(second).expect("not zero");
        let silent = eventually(PATIENCE, || self.socket.recv(&mut [0; 256]).err());
        let patience = Some(PATIENCE);
        self.socket.set_read_timeout(patience).expect("not zero");
        silent.is_some()
    }
}

#[test]
fn the_service_manager_is_notified() {
    let mock = Mock::with_topics(&[TOPIC]);
    let manager = Manager::new();
    let ringest = Ringest::of_events(&mock.brokers(), "auto", 2)
        .variable("NOTIFY_SOCKET", &manager.path())
        .variable("WATCHDOG_USEC", "200000")
        .start();
    assert_eq!(manager.next_event(), "READY=1\n");
    ringest.await_accepted();
    ringest.reload();
    let reloading = manager.next_event();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(manager.next_event(), "READY=1\n");
    assert_eq!(manager.next(), "WATCHDOG=1\n");

    let stuck = ringest.freeze("ringest-1");
    assert!(manager.falls_silent(), "a worker is stuck");
    drop(stuck);
    assert_eq!(manager.next(), "WATCHDOG=1\n");
    ringest.begin_drain();
    assert_eq!(manager.next_event(), "STOPPING=1\n");
    assert!(ringest.terminate().success());
}
