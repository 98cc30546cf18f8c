//! The bound of connections: who gives way, who is refused, and that `/health` is always answered. On
//! either driver.

use std::{
    net::{IpAddr, Ipv4Addr},
    thread,
    time::{Duration, Instant},
};

use super::{ALL, PATH, RECORD, Rig, assert_accepted, assert_closes, assert_refused, head, post};
use crate::support::{
    http::Http,
    ringest::{Builder, drivers},
    wait::await_that,
};

/// Between two clients none of whom waits for a deadline, on a machine that does other things too.
const PROMPT: Duration = Duration::from_secs(4);

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: ringest\r\n\r\n";

fn on_either_driver(configure: impl Fn(Builder) -> Builder, test: impl Fn(Rig)) {
    for driver in &drivers() {
        let rig = Rig::start(|it| configure(it).set("listen.driver", driver));
        rig.accepts();
        rig.ringest.await_count("ringest_connections_open", 0);
        test(rig);
    }
}

/// A connection from this address of the loopback network.
fn connect_from(rig: &Rig, last: u8) -> Http {
    let source = IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
    Http::connect_from(source, rig.ringest.address()).expect("the kernel accepts")
}

/// As many connections, each of which has sent these bytes.
fn connections(rig: &Rig, count: usize, from: u8, bytes: &[u8]) -> Vec<Http> {
    let connections = (0..count).map(|_| {
        let mut http = connect_from(rig, from);
        // One that is refused meanwhile reads no more.
        let _ = http.send(bytes);
        http
    });
    connections.collect()
}

#[test]
fn the_connection_that_has_idled_longest_gives_way() {
    on_either_driver(
        |it| it.set("limits.connections_max", "2"),
        |rig| {
            let mut kept = rig.connect();
            let mut longest = rig.connect();
            for http in [&mut longest, &mut kept] {
                assert_accepted(&http.post(PATH, RECORD).expect("an answer"), 1);
                // As long as a few checks of deadlines.
                thread::sleep(Duration::from_millis(100));
            }
            rig.ringest.await_count("ringest_connections_open", 2);
            let mut new = rig.connect();
            assert_accepted(&new.post(PATH, RECORD).expect("an answer"), 1);
            assert!(longest.is_closed(), "no answer without a request");
            for http in [&mut kept, &mut new] {
                assert_accepted(&http.post(PATH, RECORD).expect("it is open"), 1);
            }
            assert_eq!(rig.ringest.count("ringest_connections_evicted_total"), 1);
            assert_eq!(rig.ringest.count("ringest_connections_refused_total"), 0);
            await_that("no line", || {
                rig.ringest.log().contains("connections are full")
            });
            drop((kept, longest, new));
            rig.settles();
        },
    );
}

#[test]
fn where_none_idles_the_new_one_is_refused_and_health_is_served() {
    on_either_driver(
        |it| it.set("limits.connections_max", "2"),
        |rig| {
            rig.silence_broker();
            rig.ringest.await_count("ringest_connections_open", 0);
            let mut busy = connections(&rig, 2, 1, &post(RECORD));
            rig.ringest.await_count("ringest_in_flight_records", 2);
            let large = head(PATH, "Content-Length: 5000000\r\n");
            let large = [large, vec![b' '; 1_000_000]].concat();
            for request in [&post(RECORD), &large] {
                let mut new = rig.connect();
                new.send(request).expect("ringest reads");
                let answer = new.answer().expect("no reset before it");
                assert_refused(&answer, 503, "connections_full");
                assert!(answer.closes(), "{answer:?}");
            }
            let mut health = rig.connect();
            health.send(HEALTH).expect("ringest reads");
            let answer = health.answer().expect("an answer");
            assert_eq!(answer.status, 200);
            assert_closes(&mut health, &answer);
            assert_eq!(rig.ringest.ready(), 200, "others would be as full");
            assert_eq!(rig.ringest.count("ringest_connections_refused_total"), 3);
            rig.mock.delay(ALL, Duration::ZERO);
            for http in &mut busy {
                assert_accepted(&http.answer().expect("an answer"), 1);
            }
            drop(busy);
            rig.settles();
        },
    );
}

/// Silent connections give way to requests; those that have begun one do not, and still `/health` is answered
/// long before their time is over.
#[test]
fn clients_that_hold_every_place_do_not_keep_health_from_its_answer() {
    const MAX: usize = 40;
    for started in [&b""[..], b"GET /he"] {
        on_either_driver(
            |it| {
                it.set("limits.connections_max", &MAX.to_string())
                    .set("timeouts.head_timeout_ms", "60000")
            },
            |rig| {
                let held = connections(&rig, 5 * MAX, 1, started);
                // While they are accepted none may idle yet, and a new one is refused.
                await_that("not all are accepted", || {
                    rig.ringest.count("ringest_connections_total") >= 5 * MAX as u64
                });
                thread::sleep(Duration::from_millis(300));
                let began = Instant::now();
                for _ in 0..20 {
                    assert_eq!(rig.exchange(HEALTH).status, 200);
                    assert_eq!(rig.ringest.ready(), 200);
                    let answer = rig.post(RECORD);
                    match started {
                        b"" => assert_accepted(&answer, 1),
                        _ => assert_refused(&answer, 503, "connections_full"),
                    }
                }
                assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
                drop(held);
                rig.settles();
            },
        );
    }
}

/// A connection in the reserve that waits has its answer before it gives way.
#[test]
fn a_connection_that_is_refused_without_a_request_has_its_answer() {
    on_either_driver(
        |it| it.set("limits.connections_max", "1"),
        |rig| {
            // It has begun a request before the others arrive.
            let held = connections(&rig, 1, 1, b"POST /in");
            thread::sleep(Duration::from_millis(200));
            let begun = connections(&rig, 99, 1, b"POST /in");
            let answered = begun.into_iter().filter_map(|mut http| {
                (!http.is_silent_for(Duration::from_millis(20))).then(|| http.answer())
            });
            let answers: Vec<_> = answered.collect();
            assert!(answers.len() >= 60, "{} of 99", answers.len());
            for answer in answers {
                let answer = answer.expect("an answer");
                assert_refused(&answer, 503, "connections_full");
                assert!(answer.closes(), "{answer:?}");
            }
            drop(held);
            rig.settles();
        },
    );
}

#[test]
fn one_address_has_its_limit() {
    on_either_driver(
        |it| it.set("limits.connections_per_address_max", "3"),
        |rig| {
            let mut held = connections(&rig, 3, 2, b"POST /in");
            await_that("they are accepted", || {
                rig.ringest.count("ringest_connections_open") == 3
            });
            let mut beyond = connect_from(&rig, 2);
            let answer = beyond.post(PATH, RECORD).expect("an answer");
            assert_refused(&answer, 503, "connections_full");
            let mut other = connect_from(&rig, 3);
            assert_accepted(&other.post(PATH, RECORD).expect("an answer"), 1);
            // Its own idle connection gives way, and not the other's.
            let rest = &post(RECORD)[b"POST /in".len()..];
            held[1].send(rest).expect("ringest reads");
            assert_accepted(&held[1].answer().expect("an answer"), 1);
            let mut new = connect_from(&rig, 2);
            assert_accepted(&new.post(PATH, RECORD).expect("an answer"), 1);
            assert!(held[1].is_closed());
            assert_accepted(&other.post(PATH, RECORD).expect("it is open"), 1);
        },
    );
}

/// Without a limit for each address the last eighth of all connections is for addresses below their share.
#[test]
fn one_address_leaves_places_for_others() {
    on_either_driver(
        |it| {
            it.set("limits.connections_max", "80")
                .set("timeouts.head_timeout_ms", "60000")
        },
        |rig| {
            let held = connections(&rig, 150, 2, b"POST /in");
            await_that("as many as may be are accepted", || {
                rig.ringest.count("ringest_connections_open") >= 70
            });
            let mut others: Vec<Http> = (3..13).map(|last| connect_from(&rig, last)).collect();
            for other in &mut others {
                assert_accepted(&other.post(PATH, RECORD).expect("an answer"), 1);
            }
            drop(held);
        },
    );
}

#[test]
fn a_new_connection_has_the_time_of_a_head_for_its_first_byte() {
    on_either_driver(
        |it| it.set("timeouts.head_timeout_ms", "500"),
        |rig| {
            let mut used = rig.connect();
            assert_accepted(&used.post(PATH, RECORD).expect("an answer"), 1);
            let mut silent = rig.connect();
            let began = Instant::now();
            assert!(silent.is_closed(), "no answer without a request");
            assert!(began.elapsed() > Duration::from_millis(400));
            thread::sleep(Duration::from_millis(300));
            assert_accepted(&used.post(PATH, RECORD).expect("it is open"), 1);
        },
    );
}

/// A request that begins to arrive as the idle time ends is read and answered like any other, or its
/// connection was closed before: it is no request that came too slowly.
#[test]
fn no_request_is_late_because_it_begins_when_the_idle_time_ends() {
    const CLIENTS: u64 = 60;
    on_either_driver(
        |it| it.set("timeouts.idle_timeout_ms", "1000"),
        |rig| {
            let (address, request) = (rig.ringest.address(), post(RECORD));
            let served = thread::scope(|scope| {
                let clients: Vec<_> = (0..CLIENTS)
                    .map(|client| {
                        let request = &request;
                        scope.spawn(move || {
                            let mut http = Http::connect(address).expect("ringest accepts");
                            assert_accepted(&http.post(PATH, RECORD).expect("an answer"), 1);
                            // Deadlines are checked every 20 ms.
                            thread::sleep(Duration::from_millis(980 + client));
                            if http.send(&request[..10]).is_err() {
                                return false;
                            }
                            thread::sleep(Duration::from_millis(100));
                            let rest = http.send(&request[10..]);
                            match rest.and_then(|()| http.answer()) {
                                Ok(answer) => assert_accepted(&answer, 1),
                                Err(_) => assert!(!http.is_within_answer()),
                            }
                            true
                        })
                    })
                    .collect();
                clients.into_iter().filter_map(|it| it.join().ok()).count()
            });
            assert_eq!(served as u64, CLIENTS, "a client had a wrong answer");
            rig.settles();
        },
    );
}

#[test]
fn a_connection_ends_with_an_answer_when_it_is_old() {
    on_either_driver(
        |it| it.set("timeouts.connection_age_max_ms", "1000"),
        |rig| {
            let mut http = rig.connect();
            let began = Instant::now();
            loop {
                let answer = http.post(PATH, RECORD).expect("an answer");
                assert_accepted(&answer, 1);
                if answer.closes() {
                    assert!(http.is_closed());
                    break;
                }
                assert!(began.elapsed() < PROMPT, "it gets older and older");
                thread::sleep(Duration::from_millis(10));
            }
            assert!(began.elapsed() > Duration::from_millis(700));
            rig.settles();
        },
    );
}
