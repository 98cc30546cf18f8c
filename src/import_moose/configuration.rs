//! A Moose project as `ringest.toml`, and the remaining steps for the operator.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use super::{
    PUBLIC_KEY,
    project::{Project, Tokens},
};
use crate::{document::grouped, model::text};

/// The default schema registry of Moose.
const SCHEMA_REGISTRY: &str = "http://localhost:8081";

impl Project {
    /// The text of `ringest.toml` for the models of a map; with a registry if models ask one.
    pub(super) fn configuration(&self, map: &str, asks_registry: bool) -> String {
        let project = self.file.as_deref().unwrap_or("Moose's defaults");
        let mut file = text::comment(&format!(
            "Made by ringest import-moose from {map} and {project}.\nconfig/ringest.toml of \
             ringest's repository has every key."
        ));
        file.push_str("models = \"models\"\n");
        file.push_str(&self.listeners());
        // Writing to a String never fails.
        let body = grouped(self.body_bytes_max);
        let _ = writeln!(file, "\n[limits]\nbody_bytes_max = {body}");
        if let Some(timeout) = self.message_timeout {
            let _ = writeln!(
                file,
                "\n[timeouts]\n# Moose's message_timeout_ms; ringest's own default is 10_000.\n\
                 ack_timeout_ms = {}",
                grouped(timeout)
            );
        }
        file.push_str(&self.auth());
        file.push_str(&self.kafka());
        if asks_registry {
            file.push_str(&self.registry());
        }
        file
    }

    /// The address that Moose listens on; `None` if it is a name.
    fn ip(&self) -> Option<IpAddr> {
        match self.host.as_str() {
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            host => host.parse().ok(),
        }
    }

    /// `[listen]`, `[management]`.
    fn listeners(&self) -> String {
        let mut file = String::from("\n[listen]\n");
        if self.ip().is_none() {
            file.push_str(&text::comment(&format!(
                "Moose's host = {:?}: ringest requires an IP address.",
                self.host
            )));
        }
        let ip = self.ip().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let address = SocketAddr::new(ip, self.port);
        let _ = writeln!(file, "address = \"{address}\"");
        if !ip.is_loopback() {
            file.push_str(
                "# With auth.mode = \"none\": true to accept unauthenticated requests from that \
                 network.\n\
                 # unauthenticated_network = true\n",
            );
        }
        if let Some(prefix) = &self.path_prefix {
            let prefix = text::string(prefix);
            let _ = writeln!(
                file,
                "# Moose also accepts paths without the prefix; ringest does not.\npath_prefix = \
                 {prefix}"
            );
        }
        let management = SocketAddr::new(ip, self.management_port);
        let _ = writeln!(file, "\n[management]\naddress = \"{management}\"");
        file
    }

    /// `[kafka]`.
    fn kafka(&self) -> String {
        let brokers = text::string(&self.brokers);
        let mut file = format!("\n[kafka]\n\"bootstrap.servers\" = {brokers}\n");
        for (property, value) in &self.properties {
            let _ = writeln!(file, "{property:?} = {}", text::string(value));
        }
        if self.has_sasl_password {
            file.push_str("# \"sasl.password\" is read from RINGEST_KAFKA__SASL_PASSWORD.\n");
        }
        file
    }

    /// `[schema_registry]`; credentials in its URL are not copied.
    fn registry(&self) -> String {
        let url = self.schema_registry.as_deref().unwrap_or(SCHEMA_REGISTRY);
        let (url, has_credentials) = match url.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let host = authority.rsplit_once('@').map(|(_, host)| host);
                let shown = format!("{scheme}://{}{path}", host.unwrap_or(authority));
                (shown, host.is_some())
            }
            None => (url.to_owned(), false),
        };
        let mut file = format!("\n[schema_registry]\nurl = {}\n", text::string(&url));
        if has_credentials {
            file.push_str(
                "# username and password are read from RINGEST_SCHEMA_REGISTRY__USERNAME and \
                 RINGEST_SCHEMA_REGISTRY__PASSWORD.\n",
            );
        }
        file
    }

    /// `[auth]`, as in Moose; if that is in the environment of Moose only, the operator has to complete it.
    fn auth(&self) -> String {
        let Some(tokens) = &self.tokens else {
            return "\n[auth]\n# The hash in MOOSE_INGEST_API_KEY is taken from the environment, as Moose \
                    takes it; more keys are\n# made by `ringest token`. Where there is none ringest does \
                    not start until this line says that everyone\n# who reaches the port may send:\n# \
                    mode = \"none\"\n"
                .to_owned();
        };
        format!(
            "\n[auth]\n# Beside tokens, ringest takes the key of MOOSE_INGEST_API_KEY if that is in its \
             environment: Moose,\n# which asks for tokens here, does not.\n[auth.jwt]\nissuer = {}\n\
             audience = {}\nalgorithms = [\"RS256\"]\npublic_key_file = \"{PUBLIC_KEY}\"\n# As in Moose; \
             ringest's own default is 0.\nleeway_ms = 60_000\n",
            text::string(&tokens.issuer),
            text::string(&tokens.audience),
        )
    }

    /// Remaining steps for the operator; the public key belongs into a file of this name.
    pub(super) fn next(&self, public_key: &Path) -> Vec<String> {
        let mut next = vec![match &self.tokens {
            Some(Tokens {
                public_key: Ok(_), ..
            }) => "authentication: clients with tokens, as in Moose".to_owned(),
            Some(Tokens {
                public_key: Err(error),
                ..
            }) => format!(
                "authentication: clients with tokens, as in Moose; write their issuer's public \
                 key (PEM) \
                 to {}: jwt.secret is not a usable public key: {error}",
                public_key.display()
            ),
            None => {
                "authentication: set MOOSE_INGEST_API_KEY as for Moose, create keys with `ringest \
                     token`, or set auth.mode = \"none\" to accept unauthenticated requests"
                    .to_owned()
            }
        }];
        if self.ip().is_none() {
            next.push(format!(
                "listen.address: Moose listens on {:?}, and ringest requires an IP address; \
                 127.0.0.1 is set for now",
                self.host
            ));
        }
        if self.has_sasl_password {
            next.push(
                "set RINGEST_KAFKA__SASL_PASSWORD in the environment: the password was not copied"
                    .to_owned(),
            );
        }
        next.push(match &self.file {
            Some(file) => format!(
                "MOOSE_… variables and .env files win over {file} in Moose and were not read: \
                 check addresses and brokers"
            ),
            None => "no --project: addresses and brokers are Moose's defaults, and topics are \
                     without namespace"
                .to_owned(),
        });
        next
    }
}
