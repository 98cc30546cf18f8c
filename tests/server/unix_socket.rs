//! A unix socket as the public listener. On either driver.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::PathBuf,
    thread,
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
};
use tempfile::TempDir;

use crate::support::{
    event::{PATH, RECORD, TOPIC},
    http::{Http, request},
    mock::Mock,
    ringest::{Builder, Ringest, drivers},
    tls,
    wait::{PATIENCE, await_that},
};

/// A broker, and a directory for the socket.
struct Place {
    mock: Mock,
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            mock: Mock::with_topics(&[TOPIC]),
            directory: TempDir::with_prefix("ringest-").expect("a temporary directory"),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("ingest.sock")
    }

    fn builder(&self, driver: &str) -> Builder {
        let address = format!("unix:{}", self.path().display());
        Ringest::builder(&self.mock.brokers())
            .model_file(&format!(
                "name = \"Event\"\nversion = \"1.0\"\ntopic = \"{TOPIC}\"\n\
                 [kafka_headers]\nclient = {{ client = \"address\" }}\n"
            ))
            .set("listen.driver", driver)
            .set("workers", "2")
            .set("listen.address", &address)
    }

    fn connect(&self) -> Http {
        Http::connect_unix(&self.path()).expect("ringest accepts")
    }

    /// Posts a record now and then until that works.
    fn accepts(&self) {
        await_that("it takes no records", || {
            let answer = self.connect().post(PATH, RECORD).expect("an answer");
            answer.status == 200
        });
    }

    /// The Kafka header `client` of each of the first `count` records of the topic.
    fn clients(&self, count: usize) -> Vec<Option<String>> {
        let consumer: BaseConsumer = self.mock.cluster().client();
        let mut partition = TopicPartitionList::new();
        partition
            .add_partition_offset(TOPIC, 0, Offset::Beginning)
            .expect("an offset");
        consumer.assign(&partition).expect("the partition is there");
        let client = |_| {
            let message = consumer.poll(PATIENCE).expect("a record");
            let message = message.expect("no error").detach();
            let value = message.headers()?.get(0).value?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        (0..count).map(client).collect()
    }
}

#[test]
fn requests_are_answered_and_the_file_ends_with_the_process() {
    for driver in &drivers() {
        let place = Place::new();
        // Of a process that has ended without a chance to remove it.
        drop(UnixListener::bind(place.path()).expect("the path is free"));
        let ringest = place
            .builder(driver)
            .set("limits.body_bytes_max", "1000000")
            .set("log.requests", "all")
            .start();
        let listening = format!("listening on unix:{}\n", place.path().display());
        assert!(ringest.log().contains(&listening), "{}", ringest.log());
        let mode = fs::metadata(place.path()).expect("its file").permissions();
        assert_eq!(mode.mode() & 0o777, 0o660);
        place.accepts();
        let mut http = place.connect();
        let array = format!("[{}]", vec![r#"{"n":1}"#; 50_000].join(","));
        // One that is refused before it is read in full, one that is read, and one behind it.
        for (body, status) in [
            (vec![b' '; 1_400_000], 413),
            (array.into_bytes(), 200),
            (RECORD.to_vec(), 200),
        ] {
            let answer = http.post(PATH, &body).expect("an answer");
            assert_eq!(answer.status, status, "{answer:?}");
            if answer.closes() {
                http = place.connect();
            }
        }
        assert!(ringest.log().contains("client=unix"), "{}", ringest.log());
        drop(http);
        ringest.await_count("ringest_connections_open", 0);
        assert!(ringest.terminate().success());
        assert!(!place.path().exists(), "its file is left");
    }
}

#[test]
fn connections_that_wait_to_be_accepted_are_served() {
    for driver in &drivers() {
        let place = Place::new();
        let mut ringest = place.builder(driver).start();
        place.accepts();
        ringest.pause();
        let whole = request(PATH, "application/json", RECORD);
        let waiting = (0..100).map(|_| {
            let mut http = place.connect();
            http.send(&whole).expect("the kernel takes it");
            http
        });
        let waiting: Vec<Http> = waiting.collect();
        ringest.begin_drain();
        ringest.resume();
        for mut http in waiting {
            let answer = http.answer().expect("no reset");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        assert!(ringest.exited().success());
    }
}

/// Clients that connect anew for each request get an answer, or no connection.
#[test]
fn connecting_while_the_drain_begins() {
    for driver in &drivers() {
        let place = Place::new();
        let mut ringest = place.builder(driver).start();
        place.accepts();
        let clients = [(); 8].map(|()| {
            let path = place.path();
            thread::spawn(move || {
                let mut answers = 0;
                while let Ok(mut http) = Http::connect_unix(&path) {
                    let answer = http.post(PATH, RECORD).expect("no reset");
                    assert!([200, 503].contains(&answer.status), "{answer:?}");
                    answers += 1;
                }
                answers
            })
        });
        await_that("the clients do nothing", || {
            ringest.count("ringest_records_delivered_total") > 200
        });
        ringest.begin_drain();
        assert!(ringest.exited().success());
        for client in clients {
            assert!(client.join().expect("an answer to each request") > 0);
        }
    }
}

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n";
/// From a unix socket of the proxy's own, with 216 bytes of addresses; and from one that it does not name.
const V2_UNIX: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8";
const V2_UNKNOWN: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0";

#[test]
fn proxies_on_the_socket_are_believed_where_it_is_trusted() {
    let post = |lines: &str| {
        let text = String::from_utf8(request(PATH, "application/json", RECORD)).expect("text");
        text.replace("Host:", &format!("{lines}Host:")).into_bytes()
    };
    let forwarded = "X-Forwarded-For: 192.0.2.9, 192.0.2.3\r\n";
    let v2_unix = [V2_UNIX, &[0; 216]].concat();
    for driver in &drivers() {
        let place = Place::new();
        let ringest = place
            .builder(driver)
            .set("listen.trusted_proxies", "unix, 192.0.2.3")
            .start();
        place.accepts();
        let mut expected = vec![None; place.mock.cluster().read(TOPIC).len()];
        for (start, lines, client) in [
            (&b""[..], "", None),
            (b"", forwarded, Some("192.0.2.9")),
            (b"", "X-Forwarded-For: unix:\r\n", None),
            (V1, forwarded, Some("192.0.2.1")),
            (&v2_unix, "", None),
            (&v2_unix, forwarded, Some("192.0.2.9")),
            (
                V2_UNKNOWN,
                "Forwarded: for=192.0.2.4\r\n",
                Some("192.0.2.4"),
            ),
        ] {
            let mut http = place.connect();
            http.send(&[start, &post(lines)].concat())
                .expect("ringest reads");
            assert_eq!(http.answer().expect("an answer").status, 200, "{lines}");
            expected.push(client.map(str::to_owned));
        }
        assert_eq!(place.clients(expected.len()), expected);
        drop(ringest);

        let place = Place::new();
        let _ringest = place.builder(driver).start();
        place.accepts();
        let mut http = place.connect();
        http.send(&post(forwarded)).expect("ringest reads");
        assert_eq!(http.answer().expect("an answer").status, 200);
        let count = place.mock.cluster().read(TOPIC).len();
        assert_eq!(place.clients(count), vec![None; count]);
        for start in [V1, V2_UNKNOWN] {
            let mut http = place.connect();
            http.send(&[start, &post("")].concat())
                .expect("ringest reads");
            assert_eq!(http.answer().expect("an answer").status, 400);
        }
    }
}

/// One address has its share of the connections; behind a trusted proxy there is none.
#[test]
fn clients_without_an_address_are_one() {
    let place = Place::new();
    let limited = |more: &[(&str, &str)]| {
        let builder = place
            .builder("auto")
            .set("limits.connections_per_address_max", "2");
        more.iter()
            .fold(builder, |builder, (key, value)| builder.set(key, value))
            .start()
    };
    let busy = || {
        let mut http = place.connect();
        http.send(&request(PATH, "application/json", RECORD)[..20])
            .expect("ringest reads");
        http
    };
    let ringest = limited(&[]);
    place.accepts();
    ringest.await_count("ringest_connections_open", 0);
    let _held = [busy(), busy()];
    ringest.await_count("ringest_connections_open", 2);
    let answer = place.connect().post(PATH, RECORD).expect("an answer");
    assert_eq!(answer.text("code"), "connections_full");
    drop(ringest);

    let ringest = limited(&[("listen.trusted_proxies", "unix")]);
    place.accepts();
    let _held = [busy(), busy()];
    let answer = place.connect().post(PATH, RECORD).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    drop(ringest);
}

#[test]
fn over_tls() {
    for driver in &drivers() {
        let place = Place::new();
        let ringest = tls::serve(place.builder(driver), "server").start();
        let client = tls::client(&tls::VERSIONS);
        await_that("it takes no records", || {
            let mut http = place.connect().secured(&client, "localhost");
            http.post(PATH, RECORD).expect("an answer").status == 200
        });
        assert!(ringest.terminate().success());
    }
}

#[test]
fn one_that_is_passed_outlives_the_process() {
    for driver in &drivers() {
        let place = Place::new();
        let listener = UnixListener::bind(place.path()).expect("the path is free");
        let start = || {
            place
                .builder(driver)
                .set("listen.address", "127.0.0.1:0")
                .passed(&listener)
                .start()
        };
        let first = start();
        place.accepts();
        assert!(first.terminate().success());
        let mut between = place.connect();
        between
            .send(&request(PATH, "application/json", RECORD))
            .expect("the kernel takes it");
        let second = start();
        assert_eq!(between.answer().expect("an answer").status, 200);
        drop(between);
        assert!(second.terminate().success());
    }
}
