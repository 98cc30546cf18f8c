//! TLS on the public port, on either driver.

mod certificates;
mod clients;
mod deadlines;
mod programs;
mod traffic;
mod wrong;

use std::sync::Arc;

use rustls::ClientConfig;

use crate::support::{
    event::{PATH, RECORD, TOPIC},
    http::Http,
    mock::Mock,
    ringest::{Builder, Ringest},
    tls,
    wait::await_that,
};

/// The better one that there is, and the other one.
const DRIVERS: [&str; 2] = ["auto", "epoll"];

/// A broker, and a server with one worker, one route and the certificate `server`.
struct Rig {
    mock: Mock,
    ringest: Ringest,
    client: Arc<ClientConfig>,
}

impl Rig {
    fn start(driver: &str, configure: impl FnOnce(Builder) -> Builder) -> Self {
        Self::start_with(driver, |it| configure(tls::serve(it, "server")))
    }

    /// The same, where `configure` sets the certificate.
    fn start_with(driver: &str, configure: impl FnOnce(Builder) -> Builder) -> Self {
        Self::start_as(driver, tls::client(&tls::VERSIONS), configure)
    }

    /// The same, with a client that is known.
    fn start_as(
        driver: &str,
        client: Arc<ClientConfig>,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let mock = Mock::with_topics(&[TOPIC]);
        let builder = Ringest::of_events(&mock.brokers(), driver, 1);
        let ringest = configure(builder).start();
        let rig = Self {
            mock,
            ringest,
            client,
        };
        rig.accepts();
        rig
    }

    /// A connection over TLS whose handshake is complete.
    fn connect(&self) -> Http {
        self.connect_to("localhost")
    }

    /// The same, to a server of this name.
    fn connect_to(&self, name: &str) -> Http {
        let mut http = self.ringest.connect().secured(&self.client, name);
        http.handshake().expect("the handshake is done");
        http
    }

    /// Produces a record now and then until that works.
    fn accepts(&self) {
        await_that("it takes no records", || {
            let answer = self.connect().post(PATH, RECORD);
            answer.is_ok_and(|answer| answer.status == 200)
        });
    }

    /// Whatever went before has left nothing behind.
    fn settles(&self) {
        self.ringest.await_count("ringest_connections_open", 0);
        assert_eq!(self.ringest.count("ringest_connection_panics_total"), 0);
        assert_eq!(self.ringest.count("ringest_worker_restarts_total"), 0);
        self.accepts();
    }

    /// Handshakes with this result.
    fn handshakes(&self, result: &str) -> u64 {
        self.ringest.count_of(
            "ringest_tls_handshakes_total",
            &format!("result=\"{result}\""),
        )
    }
}

/// A client without a certificate.
fn anonymous() -> Arc<ClientConfig> {
    tls::client(&tls::VERSIONS)
}
