//! Clients that do not speak TLS, or not in full.

use std::{
    io::{Read, Write},
    net::Shutdown,
};

use rustls::ClientConnection;

use super::{DRIVERS, Rig};
use crate::support::{
    event::{PATH, RECORD},
    http::request,
    wait::await_that,
};

#[test]
fn http_without_tls_is_answered_in_http() {
    for driver in DRIVERS {
        let rig = Rig::start(driver, |it| it);
        let mut http = rig.ringest.connect();
        let answer = http.post(PATH, RECORD).expect("an answer that it can read");
        assert_eq!(
            (answer.status, answer.text("code")),
            (400, "tls_required".to_owned()),
            "{answer:?}"
        );
        assert!(answer.closes() && http.is_closed());
        let large = request(PATH, "application/json", &vec![b' '; 1_000_000]);
        let mut http = rig.ringest.connect();
        let _ = http.send(&large);
        let answer = http.answer().expect("no reset before it");
        assert_eq!(answer.status, 400);
        rig.settles();
    }
}

/// The first bytes that a client sends.
fn hello(rig: &Rig) -> Vec<u8> {
    let name = "localhost".try_into().expect("a name");
    let mut tls = ClientConnection::new(rig.client.clone(), name).expect("good");
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).expect("a Vec takes all");
    hello
}

#[test]
fn handshakes_that_end_early_leave_nothing_behind() {
    for driver in DRIVERS {
        let rig = Rig::start(driver, |it| it);
        let failed = rig.handshakes("failed");
        let hello = hello(&rig);
        let ends: Vec<_> = [1, 4, 5, 6, 50, hello.len() - 1, hello.len()].into();
        for end in &ends {
            let mut http = rig.ringest.connect();
            http.send(&hello[..*end]).expect("ringest reads");
            http.half_close().expect("open");
            http.discard();
        }
        await_that("not all have failed", || {
            rig.handshakes("failed") == failed + ends.len() as u64
        });
        // No byte at all is no handshake: load balancers look so whether the port is open.
        drop(rig.ringest.connect());
        rig.settles();
        assert_eq!(rig.handshakes("failed"), failed + ends.len() as u64);
        assert!(rig.ringest.log().contains("TLS handshake failed"));
    }
}

#[test]
fn what_is_not_tls_gets_an_alert() {
    for driver in DRIVERS {
        let rig = Rig::start(driver, |it| it);
        let hello = hello(&rig);
        let mut changed = hello.clone();
        changed[9] = 0xff;
        let too_long = [&b"\x16\x03\x01\xff\xff"[..], &[0; 5_000]].concat();
        // A message of 16 MiB that never ends.
        let endless = [&b"\x16\x03\x01\x40\0\x01\xff\xff\xff"[..], &vec![0; 16_380]].concat();
        for bytes in [
            b"\0\0\0\0\0\0\0\0".to_vec(),
            vec![0xff; 3_000],
            b"\x15\x03\x01\0\x02\x02\x28".to_vec(),
            too_long,
            endless.repeat(20),
            changed,
        ] {
            let mut http = rig.ringest.connect();
            let _ = http.send(&bytes);
            let _ = http.half_close();
            assert!(http.discard() < 100, "an alert at most");
        }
        rig.settles();
    }
}

/// A record that was changed on its way ends the connection, and nothing of it is produced.
#[test]
fn changed_records_are_not_accepted() {
    for driver in DRIVERS {
        let rig = Rig::start(driver, |it| it);
        let before = rig.mock.cluster().read("events").len();
        let mut http = rig.connect();
        let (tls, socket) = http.tls();
        let request = request(PATH, "application/json", RECORD);
        tls.writer().write_all(&request).expect("there is room");
        let mut records = Vec::new();
        tls.write_tls(&mut records).expect("a Vec takes all");
        let last = records.len() - 1;
        records[last] ^= 1;
        socket.write_all(&records).expect("ringest reads");
        socket.shutdown(Shutdown::Write).expect("open");
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).expect("no reset");
        // Tickets may come before it.
        tls.read_tls(&mut &rest[..]).expect("a slice");
        let error = tls.process_new_packets().expect_err("an alert");
        assert!(error.to_string().contains("BadRecordMac"), "{error}");
        assert_eq!(rig.mock.cluster().read("events").len(), before);
        rig.settles();
    }
}
