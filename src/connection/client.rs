//! The address that a connection's requests come from.

use crate::{
    http::{self, ConnectionStart, HeadError, proxy_header},
    networks::{ClientAddress, Network, is_in},
};

use super::transport::Transport;

/// The client: the other end of the connection or, where that is a trusted proxy, the one whose
/// requests the proxy passes on.
pub(super) struct Client {
    /// The client of the current request.
    address: ClientAddress,
    /// The other end of the connection or, by a header of the PROXY protocol, of the proxy's.
    peer: ClientAddress,
    peer_is_trusted: bool,
    /// Whether a header of the PROXY protocol may come first.
    may_send_proxy_header: bool,
}

impl Client {
    /// Of a connection from `peer`.
    pub(super) fn new(peer: ClientAddress, trusted: &[Network]) -> Self {
        let peer_is_trusted = is_in(trusted, peer);
        Self {
            address: peer,
            peer,
            peer_is_trusted,
            may_send_proxy_header: peer_is_trusted,
        }
    }

    /// Of the current request.
    pub(super) fn address(&self) -> ClientAddress {
        self.address
    }

    /// Whether the bytes received are HTTP, once any header of the PROXY protocol is behind. There is
    /// at least one byte.
    pub(super) fn skip_proxy_header(
        &mut self,
        transport: &mut Transport,
        trusted: &[Network],
    ) -> Result<bool, HeadError> {
        if !self.may_send_proxy_header {
            return Ok(true);
        }
        match proxy_header(transport.rest())? {
            ConnectionStart::Incomplete => return Ok(false),
            ConnectionStart::Proxy(header) => {
                transport.start += header.len;
                *self = Self::new(header.source.map_or(self.peer, Into::into), trusted);
            }
            ConnectionStart::Other => {}
        }
        self.may_send_proxy_header = false;
        Ok(true)
    }

    /// A request with this head begins.
    pub(super) fn begin_request(&mut self, head: &[u8], trusted: &[Network]) {
        if self.peer_is_trusted {
            let is_trusted = |address| is_in(trusted, ClientAddress::Ip(address));
            self.address = http::client(head, is_trusted).map_or(self.peer, ClientAddress::Ip);
        }
    }
}
