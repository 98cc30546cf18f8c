//! A Moose project as `ringest.toml`, and what is left for a person to do.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use super::{project::Project, text};
use crate::config::grouped;

/// Where Moose asks for schemas if nothing else is said.
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
        let about_auth = text::comment(&self.about_auth());
        let _ = writeln!(file, "\n[auth]\n{about_auth}# mode = \"none\"");
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
                "Moose's host = {:?}: ringest wants an IP address.",
                self.host
            )));
        }
        let ip = self.ip().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let address = SocketAddr::new(ip, self.port);
        let _ = writeln!(file, "address = \"{address}\"");
        if !ip.is_loopback() {
            file.push_str(
                "# With auth.mode = \"none\": true if everyone on that network may send.\n\
                 # unauthenticated_network = true\n",
            );
        }
        if let Some(prefix) = &self.path_prefix {
            let prefix = text::string(prefix);
            let _ = writeln!(
                file,
                "# Moose answers without the prefix too, ringest does not.\npath_prefix = {prefix}"
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
            file.push_str("# \"sasl.password\" is taken from RINGEST_KAFKA__SASL_PASSWORD.\n");
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
                "# username and password are taken from RINGEST_SCHEMA_REGISTRY__USERNAME and \
                 RINGEST_SCHEMA_REGISTRY__PASSWORD.\n",
            );
        }
        file
    }

    /// Who may send, which only a person can decide.
    fn about_auth(&self) -> String {
        let moose = match &self.tokens {
            Some((issuer, audience)) => format!(
                "Moose asks for a token of {issuer:?} for {audience:?} on every ingest API.\n"
            ),
            None => String::new(),
        };
        format!(
            "{moose}This version of ringest can't check credentials (keys, tokens) and does not \
             start until this line\nsays that everyone who reaches the port may send:"
        )
    }

    /// What is left for a person to do.
    pub(super) fn next(&self) -> Vec<String> {
        let asked = match &self.tokens {
            Some(_) => "Moose asks for JWTs",
            None => "Moose asks for a key where MOOSE_INGEST_API_KEY is set",
        };
        let mut next = vec![format!(
            "who may send: {asked}, and this version of ringest can't check credentials; set \
             auth.mode = \"none\" if everyone who reaches the port may send"
        )];
        if self.ip().is_none() {
            next.push(format!(
                "listen.address: Moose listens on {:?}, and ringest wants an IP address; it is \
                 127.0.0.1 so far",
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
