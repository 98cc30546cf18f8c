//! The TLS handshake of a new connection, behind a header of the PROXY protocol where there is one.

use std::{
    io::{self, ErrorKind},
    rc::Rc,
};

use rustls::HandshakeKind;
use tracing::Level;

use super::{Connection, Interrupt, certified::Certified, session::Session};
use crate::{
    deadline::Wait,
    log::{ClientLine, Kind},
    outcome::Refusal,
    tls::{HANDSHAKE_BYTES_MAX, Tls},
};

/// Handshakes of a worker that wait for its time, at most: they would be too late for their clients.
const WAITING_MAX: usize = 1_024;

static FAILURES: Kind = Kind::new("TLS handshakes failed", Level::INFO);

impl Connection {
    /// Does the handshake. Its computations take a fraction of a millisecond; they are done one after the
    /// other, with other connections served in between.
    pub(super) async fn secure(&mut self, tls: &Tls) -> Result<(), Interrupt> {
        self.read_first_bytes().await?;
        let context = Rc::clone(&self.context);
        let metrics = &context.metrics.handshakes;
        if self
            .transport
            .rest()
            .first()
            .is_some_and(u8::is_ascii_uppercase)
        {
            // A client that speaks HTTP is answered in HTTP.
            metrics.failed.add(1);
            return Err(Refusal::Plaintext.into());
        }
        if context.handshakes.waiters() >= WAITING_MAX {
            metrics.refused.add(1);
            return Err(Interrupt::Gone);
        }
        match self.handshake(tls).await {
            Ok(HandshakeKind::Resumed) => metrics.resumed.add(1),
            Ok(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest) => {
                metrics.full.add(1);
            }
            Err(error) => {
                metrics.failed.add(1);
                let peer = self.client.address();
                if let Some(ClientLine { count, clients }) = FAILURES.admit_from(1, Some(peer)) {
                    tracing::info!(count, clients, %peer, "TLS handshake failed: {error}");
                }
                return Err(Interrupt::Gone);
            }
        }
        self.certified = Certified::of(self.transport.certificates());
        Ok(())
    }

    /// Waits for the first byte behind any header of the PROXY protocol.
    async fn read_first_bytes(&mut self) -> Result<(), Interrupt> {
        let (transport, context) = (&mut self.transport, &self.context);
        let timeout = context.config.timeouts.head;
        let mut has_begun = false;
        transport
            .deadline
            .set(Wait::Idle, context.clock.now() + timeout);
        loop {
            if !transport.rest().is_empty() {
                let trusted = &context.config.listen.trusted_proxies;
                let is_past = self.client.skip_proxy_header(transport, trusted)?;
                if is_past && !transport.rest().is_empty() {
                    return Ok(());
                }
                if !std::mem::replace(&mut has_begun, true) {
                    transport
                        .deadline
                        .set(Wait::Read, context.clock.now() + timeout);
                }
            }
            if transport.input().room() == 0 {
                transport.enlarge_input(context.config.limits.head_bytes_max);
            }
            if transport.receive(usize::MAX).await? == 0 {
                return Err(Interrupt::Gone);
            }
        }
    }

    /// From the client's first bytes to the end of the handshake, within the time of a request's head.
    async fn handshake(&mut self, tls: &Tls) -> io::Result<HandshakeKind> {
        let (transport, context) = (&mut self.transport, Rc::clone(&self.context));
        let until = context.clock.now() + context.config.timeouts.head;
        transport.deadline.set(Wait::Read, until);
        let first = transport.rest().to_vec();
        let mut received = first.len();
        let client = self.holder.index();
        let mut step = context.handshakes.slice(client).await;
        let mut session = Session::new(tls.session().map_err(io::Error::other)?);
        session.begin(&first, transport.stream())?;
        loop {
            drop(step);
            transport.deadline.set(Wait::Write, until);
            session.flush(transport.stream()).await?;
            if let Some(kind) = session.handshake() {
                transport.secure(session);
                return Ok(kind);
            }
            transport.deadline.set(Wait::Read, until);
            session.readable(transport.stream()).await?;
            step = context.handshakes.slice(client).await;
            match session.read_socket(transport.stream()) {
                Ok(0) if transport.deadline.has_expired() => {
                    return Err(ErrorKind::TimedOut.into());
                }
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(more) => received += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if received > HANDSHAKE_BYTES_MAX && session.handshake().is_none() {
                return Err(io::Error::other("the client's part is too long"));
            }
        }
    }
}
