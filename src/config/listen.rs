//! `[listen]` and `[management]`.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
};

use super::{
    Listen, ListenAddress,
    keys::{
        LISTEN_ADDRESS, LISTEN_DRIVER, MANAGEMENT_ADDRESS, MANAGEMENT_SAMPLES, PATH_PREFIX,
        SOCKET_MODE, TRUSTED_PROXIES,
    },
    reader::Reader,
};
use crate::networks::Network;

impl Reader {
    pub(super) fn listen(&mut self, key_files: Option<&Path>) -> Listen {
        let address = self.get(&LISTEN_ADDRESS);
        if self.is_set(&SOCKET_MODE) && matches!(address, ListenAddress::Tcp(_)) {
            let message = "has no effect: listen.address is not a unix socket";
            self.warn(SOCKET_MODE.at(), message);
        }
        Listen {
            address,
            socket_mode: self.get(&SOCKET_MODE),
            driver: self.get(&LISTEN_DRIVER),
            trusted_proxies: self.trusted_proxies(),
            cors: self.cors(),
            tls: self.tls(key_files),
            path_prefix: self.get(&PATH_PREFIX),
        }
    }

    fn trusted_proxies(&mut self) -> Vec<Network> {
        let (at, proxies) = (TRUSTED_PROXIES.at(), self.get(&TRUSTED_PROXIES));
        let networks: Vec<Network> = self.parse_each(at, &proxies);
        if let Some(network) = networks.iter().find(|it| it.is_everything()) {
            let message = format!("with {network} every client can claim any address");
            self.warn(at, message);
        }
        networks
    }

    /// `None` where it is switched off.
    pub(super) fn management(&mut self, public: &ListenAddress) -> Option<SocketAddr> {
        let address = self.get(&MANAGEMENT_ADDRESS)?;
        let meets = |a: IpAddr, b: IpAddr| a == b || a.is_unspecified() || b.is_unspecified();
        if let ListenAddress::Tcp(public) = public
            && address.port() != 0
            && address.port() == public.port()
            && meets(address.ip(), public.ip())
            && self.are_good(&[MANAGEMENT_ADDRESS.name, LISTEN_ADDRESS.name])
        {
            let message =
                format!("{address} conflicts with listen.address = \"{public}\": use another port");
            self.fail(MANAGEMENT_ADDRESS.at(), message);
        }
        if !address.ip().is_loopback() {
            let values = if self.get(&MANAGEMENT_SAMPLES) {
                ", and values of records (management.samples)"
            } else {
                ""
            };
            let message = format!(
                "metrics and routes{values} can be read without a credential from every host that \
                 reaches {address}"
            );
            self.warn(MANAGEMENT_ADDRESS.at(), message);
        }
        Some(address)
    }
}
