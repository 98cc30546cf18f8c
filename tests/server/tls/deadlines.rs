//! Deadlines, the bound of connections, the drain and trusted proxies do over TLS what they do without.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr},
    thread,
    time::{Duration, Instant},
};

use super::{DRIVERS, Rig};
use crate::support::{
    event::{PATH, RECORD},
    http::{Http, request},
    wait::{PATIENCE, await_that},
};

/// Long enough for a client on a busy machine, and far below the other times.
const SHORT_MS: &str = "700";

/// What comes of other deadlines than the one that is tested comes later.
const OTHERS: Duration = Duration::from_secs(30);

fn post() -> Vec<u8> {
    request(PATH, "application/json", RECORD)
}

/// Reads to the end; whether that is an end which TLS knows of.
fn is_ended(http: &mut Http) -> bool {
    let (tls, socket) = http.tls();
    loop {
        let state = tls.process_new_packets().expect("good records");
        if state.peer_has_closed() {
            return true;
        }
        if !tls.read_tls(socket).is_ok_and(|read| read > 0) {
            return false;
        }
    }
}

#[test]
fn clients_that_are_too_slow_are_cut() {
    for driver in DRIVERS {
        let rig = Rig::start(driver, |it| {
            it.set("timeouts.head_timeout_ms", SHORT_MS)
                .set("timeouts.idle_timeout_ms", "60000")
        });
        let start = Instant::now();
        // Not a byte; the beginning of a handshake; a handshake and nothing; the beginning of a request.
        let mut silent = rig.ringest.connect();
        assert!(silent.is_closed());
        let mut begun = rig.ringest.connect();
        begun.send(b"\x16\x03\x01\x02").expect("ringest reads");
        assert!(begun.is_closed());
        let mut idle = rig.connect();
        assert!(is_ended(&mut idle), "with a close_notify");
        let mut partial = rig.connect();
        partial.send(&post()[..20]).expect("ringest reads");
        assert_eq!(partial.answer().expect("an answer").status, 408);
        // A record that never ends, on a connection that was idle.
        let mut cut = rig.connect();
        assert_eq!(cut.post(PATH, RECORD).expect("an answer").status, 200);
        let (tls, socket) = cut.tls();
        tls.writer().write_all(&post()).expect("there is room");
        let mut records = Vec::new();
        tls.write_tls(&mut records).expect("a Vec takes all");
        socket.write_all(&records[..9]).expect("ringest reads");
        assert_eq!(cut.answer().expect("an answer").status, 408);
        assert!(start.elapsed() < OTHERS, "{:?}", start.elapsed());
        drop((silent, begun, idle, partial, cut));
        rig.settles();
    }
}

#[test]
fn idle_connections_end_with_a_close_notify() {
    for driver in DRIVERS {
        let rig = Rig::start(driver, |it| it.set("timeouts.idle_timeout_ms", SHORT_MS));
        let mut http = rig.connect();
        assert_eq!(http.post(PATH, RECORD).expect("an answer").status, 200);
        assert!(is_ended(&mut http));
        rig.settles();
    }
}

#[test]
fn an_idle_connection_gives_way() {
    for driver in DRIVERS {
        let rig = Rig::start(driver, |it| it.set("limits.connections_max", "2"));
        rig.ringest.await_count("ringest_connections_open", 0);
        let mut longest = rig.connect();
        let mut kept = rig.connect();
        for http in [&mut longest, &mut kept] {
            assert_eq!(http.post(PATH, RECORD).expect("an answer").status, 200);
            thread::sleep(Duration::from_millis(100));
        }
        let mut new = rig.connect();
        assert_eq!(new.post(PATH, RECORD).expect("an answer").status, 200);
        assert!(is_ended(&mut longest));
        assert_eq!(kept.post(PATH, RECORD).expect("it is open").status, 200);
        assert_eq!(rig.ringest.count("ringest_connections_evicted_total"), 1);
        drop((longest, kept, new));
        rig.settles();
    }
}

#[test]
fn a_drain_answers_what_has_arrived() {
    for driver in DRIVERS {
        let mut rig = Rig::start(driver, |it| it);
        let mut idle = rig.connect();
        let mut busy = rig.connect();
        let request = post();
        let (first, last) = request.split_at(request.len() - 3);
        busy.send(first).expect("ringest reads");
        rig.ringest.await_count("ringest_connections_open", 2);
        rig.ringest.begin_drain();
        thread::sleep(Duration::from_millis(100));
        busy.send(last).expect("ringest reads");
        let answer = busy.answer().expect("an answer");
        assert_eq!((answer.status, answer.closes()), (200, true), "{answer:?}");
        assert!(is_ended(&mut busy) && is_ended(&mut idle));
        assert_eq!(rig.ringest.exited().code(), Some(0));
    }
}

#[test]
fn a_header_of_the_proxy_protocol_comes_before_the_handshake() {
    const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n";
    const V2: &[u8] =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x02\xc6\x33\x64\x01\xdc\x04\x01\xbb";
    for driver in DRIVERS {
        let rig = Rig::start(driver, |it| it.set("listen.trusted_proxies", "127.0.0.2"));
        for (header, client) in [(V1, "192.0.2.1"), (V2, "192.0.2.2"), (b"", "127.0.0.2")] {
            // In one piece, and byte by byte.
            for piece in [100, 1] {
                let mut http =
                    Http::connect_from(PROXY, rig.ringest.address()).expect("it accepts");
                for piece in header.chunks(piece) {
                    http.send(piece).expect("ringest reads");
                }
                let mut http = http.secured(&rig.client, "localhost");
                let answer = http.post(PATH, RECORD).expect("an answer");
                assert_eq!(answer.status, 200, "{client}");
            }
        }
        // Whom the log names is the client.
        let mut http = Http::connect_from(PROXY, rig.ringest.address()).expect("it accepts");
        http.send(V1).expect("ringest reads");
        http.send(b"\x16\x03\x01\xff\xff").expect("ringest reads");
        http.discard();
        await_that("it names another", || {
            rig.ringest.log().contains("peer=192.0.2.1")
        });
        rig.settles();
    }
}

/// A client that takes no answer is cut, and holds nothing.
#[test]
fn a_client_that_reads_nothing_is_cut() {
    for driver in DRIVERS {
        let rig = Rig::start(driver, |it| it.set("timeouts.idle_timeout_ms", SHORT_MS));
        let http = Http::connect_narrow(rig.ringest.address()).expect("it accepts");
        let mut http = http.secured(&rig.client, "localhost");
        http.handshake().expect("the handshake is done");
        let (tls, socket) = http.tls();
        socket.set_nonblocking(true).expect("a socket");
        let request = request("/ingest/Other/1.0", "application/json", b"");
        let start = Instant::now();
        // Until ringest reads no more, and then until it has cut the connection.
        let error = loop {
            tls.writer().write_all(&request).expect("there is room");
            match tls.write_tls(socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    assert!(start.elapsed() < PATIENCE, "it is not cut");
                    thread::sleep(Duration::from_millis(20));
                }
                Err(error) => break error,
            }
        };
        drop(error);
        let _ = socket.read(&mut [0]);
        rig.settles();
    }
}
