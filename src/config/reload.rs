//! What a reload of the configuration can change.

use super::{
    Config, Listen, ListenAddress,
    kafka::{Files, is_credential},
    resolve::in_flight_needed_by,
};
use crate::{auth::AuthMode, document::grouped, oauth::TokenSettings, produce::message_bytes_max};

/// Keys and whole sections that a reload can change. (The last one only affects the validity of
/// others.)
const RELOADABLE: [&str; 14] = [
    "models",
    "reload_on_change",
    "log",
    "listen.path_prefix",
    "listen.cors",
    "listen.tls",
    "auth",
    "schema_registry",
    "kafka.oauth",
    "kafka.sasl_password_file",
    "kafka.sasl_username_file",
    "kafka.ssl_key_password_file",
    "kafka.ssl_keystore_password_file",
    "listen.unauthenticated_network",
];

/// Why a valid configuration cannot replace the active one without a restart. For the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestartRequiredError {
    /// A worker's share of the memory in flight is less than one request of the models may need.
    #[error(
        "limits.in_flight_bytes_max = {max} as set or computed at start, is too small for the \
         new models, which need {needed}: restart to apply"
    )]
    Memory {
        /// The limit in force.
        max: String,
        /// What it should be at least.
        needed: String,
    },
    /// Unauthenticated requests would be accepted from the network: the address in use is not the
    /// one that was checked for that.
    #[error(
        "auth.mode = \"none\" would accept unauthenticated requests on the address that stays in \
         use, {0}: a new listen.address needs a restart"
    )]
    Unauthenticated(ListenAddress),
}

impl Config {
    /// The configuration that is active after a reload of `new`: the reloadable parts of `new`, and
    /// the rest of this one; quotas that stay the same keep what is left of them. Also the
    /// names of changed keys that need a restart.
    ///
    /// # Errors
    /// Why `new` needs a restart.
    pub fn reloaded(
        &self,
        mut new: Self,
    ) -> Result<(Self, Vec<String>), Vec<RestartRequiredError>> {
        let mut errors = Vec::new();
        let message = message_bytes_max(&self.kafka);
        let share = in_flight_needed_by(&new.models, &self.limits, message);
        let needed = share.saturating_mul(self.workers.get());
        if needed > self.limits.in_flight_bytes_max {
            errors.push(RestartRequiredError::Memory {
                max: grouped(self.limits.in_flight_bytes_max),
                needed: grouped(needed),
            });
        }
        let address = &self.listen.address;
        if (self.auth.mode, new.auth.mode) == (AuthMode::Required, AuthMode::None)
            && *address != new.listen.address
            && !address.is_local()
        {
            errors.push(RestartRequiredError::Unauthenticated(address.clone()));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let differing = self.written.differing(&new.written);
        let restart = differing.into_iter().filter(|key| !is_reloadable(key));
        new.auth.keep_levels(&self.auth);
        let restart: Vec<_> = restart.map(str::to_owned).collect();
        let access = if restart.iter().any(|key| key.starts_with("kafka.")) {
            // The credentials may be for what only a restart changes.
            self.access()
        } else {
            self.access().renewed(new.access())
        };
        let reloaded = Self {
            listen: Listen {
                path_prefix: new.listen.path_prefix,
                cors: new.listen.cors,
                tls: if self.listen.tls == new.listen.tls {
                    // With its tickets.
                    self.listen.tls.clone()
                } else {
                    new.listen.tls
                },
                ..self.listen.clone()
            },
            kafka: access.kafka,
            kafka_files: access.kafka_files,
            tokens: access.tokens,
            auth: new.auth,
            log: new.log,
            schema_registry: new.schema_registry,
            models: new.models,
            sources: new.sources,
            warnings: new.warnings,
            ..self.clone()
        };
        Ok((reloaded, restart))
    }
}

/// How the brokers are accessed.
struct Access {
    kafka: Vec<(String, String)>,
    kafka_files: Files,
    tokens: Option<TokenSettings>,
}

impl Access {
    /// The same with the credentials of another.
    fn renewed(self, new: Self) -> Self {
        let kept = self
            .kafka
            .into_iter()
            .filter(|(name, _)| !is_credential(name));
        let credentials = new
            .kafka
            .into_iter()
            .filter(|(name, _)| is_credential(name));
        Self {
            kafka: kept.chain(credentials).collect(),
            kafka_files: new.kafka_files,
            // Whether there are tokens depends on a mechanism that a reload does not change.
            tokens: self.tokens.map(|tokens| new.tokens.unwrap_or(tokens)),
        }
    }
}

impl Config {
    fn access(&self) -> Access {
        Access {
            kafka: self.kafka.clone(),
            kafka_files: self.kafka_files.clone(),
            tokens: self.tokens.clone(),
        }
    }
}

fn is_reloadable(key: &str) -> bool {
    if key.strip_prefix("kafka.").is_some_and(is_credential) {
        return true;
    }
    RELOADABLE.iter().any(|reloadable| {
        key.strip_prefix(reloadable)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

#[cfg(test)]
mod tests;
