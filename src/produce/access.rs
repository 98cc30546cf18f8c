//! What the clients of the process connect to the brokers with: librdkafka's properties, and the token of
//! SASL/OAUTHBEARER. Both may be replaced while clients run.
#![expect(unsafe_code, reason = "rdkafka has no safe call that sets a token")]

use std::{
    ffi::{CString, NulError, c_char},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use rdkafka::{
    bindings as rd,
    client::{Client, ClientContext},
    config::ClientConfig,
    producer::{BaseProducer, ProducerContext},
};

use super::{event::text, kafka::OpenError};
use crate::published::Published;

/// librdkafka wants an end for every token, and uses it only to ask for the next one, which comes unasked.
const LIFETIME_UNKNOWN: Duration = Duration::from_hours(24 * 365);

/// Shared by every client of the process. Its owners look for what is new from time to time: one load of an
/// atomic where nothing is.
#[derive(Debug)]
pub struct BrokerAccess {
    properties: Published<Properties>,
    token: Published<Option<Token>>,
    /// Whether clients wait for a token.
    needs_token: AtomicBool,
}

/// Properties for librdkafka, which may hold passwords and private keys: `Debug` shows nothing.
#[derive(Default)]
struct Properties(Arc<[(String, String)]>);

impl std::fmt::Debug for Properties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Properties(..)")
    }
}

impl BrokerAccess {
    /// For clients with these properties.
    pub fn new(properties: impl Into<Arc<[(String, String)]>>) -> Arc<Self> {
        Arc::new(Self {
            properties: Published::new(Properties(properties.into())),
            token: Published::default(),
            needs_token: AtomicBool::new(false),
        })
    }

    /// The properties, and their generation.
    pub(super) fn properties(&self) -> (u64, Arc<[(String, String)]>) {
        let (generation, properties) = self.properties.latest_with_generation();
        (generation, Arc::clone(&properties.0))
    }

    /// Whether other properties have been published since those of that generation.
    pub(super) fn is_newer_than(&self, generation: u64) -> bool {
        self.properties.is_newer_than(generation)
    }

    /// Replaces the properties: clients with the old ones are replaced, too.
    pub fn replace_properties(&self, properties: Vec<(String, String)>) {
        self.properties.publish(Properties(properties.into()));
    }

    /// Whether clients connect with a token, and wait until there is one.
    pub fn set_needs_token(&self, needs_token: bool) {
        self.needs_token.store(needs_token, Ordering::Relaxed);
    }

    /// Hands a token to every client.
    pub fn set_token(&self, token: Token) {
        self.token.publish(Some(token));
    }

    /// Whether clients wait for a token that is not there, or has ended.
    pub fn lacks_token(&self) -> bool {
        self.needs_token.load(Ordering::Relaxed)
            && self
                .token
                .latest()
                .as_ref()
                .as_ref()
                .is_none_or(|it| it.has_ended(SystemTime::now()))
    }

    /// Whether there has never been the token that clients wait for.
    pub(super) fn awaits_first_token(&self) -> bool {
        self.needs_token.load(Ordering::Relaxed) && self.token.latest().is_none()
    }

    /// The latest token, if it is not of this generation, and its own.
    pub(super) fn token_newer_than(&self, generation: u64) -> Option<(u64, Arc<Option<Token>>)> {
        self.token.newer_than(generation)
    }

    /// The properties as rdkafka's own clients take them, and their generation.
    pub(super) fn client_config(&self) -> (u64, ClientConfig) {
        let (generation, properties) = self.properties();
        let mut config = ClientConfig::new();
        for (name, value) in &*properties {
            config.set(name, value);
        }
        (generation, config)
    }

    /// A producer, and the generation of its properties.
    pub(super) fn producer<C: ProducerContext>(
        &self,
        context: C,
    ) -> Result<(BaseProducer<C>, u64), OpenError> {
        let (generation, mut config) = self.client_config();
        config.set("linger.ms", "0"); // else its own default may contradict message.timeout.ms
        Ok((config.create_with_context(context)?, generation))
    }

    /// Gives a client the latest token, if there is one.
    ///
    /// # Errors
    /// Why librdkafka refuses it.
    pub(super) fn authenticate<C: ClientContext>(
        &self,
        client: &Client<C>,
    ) -> Result<(), OpenError> {
        match &*self.token.latest() {
            // SAFETY: the client is live for as long as it is borrowed.
            Some(token) => unsafe { token.give(client.native_ptr()) },
            None => Ok(()),
        }
    }
}

/// A token for SASL/OAUTHBEARER (RFC 7628), made once for all clients.
pub struct Token {
    value: CString,
    principal: CString,
    /// Names and values in turn.
    extensions: Vec<CString>,
    ends: Option<SystemTime>,
}

impl Token {
    /// A token of that principal, which librdkafka's messages name.
    ///
    /// # Errors
    /// There is a NUL in one of the texts.
    pub fn new(
        value: &str,
        principal: &str,
        extensions: &[(String, String)],
        ends: Option<SystemTime>,
    ) -> Result<Self, NulError> {
        let pairs = extensions.iter().flat_map(|(name, value)| [name, value]);
        Ok(Self {
            value: CString::new(value)?,
            principal: CString::new(principal)?,
            extensions: pairs
                .map(|it| CString::new(it.as_str()))
                .collect::<Result<_, _>>()?,
            ends,
        })
    }

    /// When it ends, if that is known.
    pub fn ends(&self) -> Option<SystemTime> {
        self.ends
    }

    /// Whether it is known to have ended.
    pub fn has_ended(&self, now: SystemTime) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }

    /// Gives it to a client, whose next connections are made with it; those that there are authenticate
    /// again when their broker's `connections.max.reauth.ms` asks for it.
    ///
    /// # Errors
    /// Why librdkafka refuses it.
    ///
    /// # Safety
    /// The client is live.
    pub(super) unsafe fn give(&self, client: *mut rd::rd_kafka_t) -> Result<(), OpenError> {
        let ends = self
            .ends
            .unwrap_or_else(|| SystemTime::now() + LIFETIME_UNKNOWN);
        let ends_ms = ends
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let mut extensions: Vec<_> = self.extensions.iter().map(|it| it.as_ptr()).collect();
        let mut message = [0_u8; 512];
        // SAFETY: the client is live by the caller's promise. Every string ends with NUL and lives until the
        // call returns, by which librdkafka has copied them; the list has the length given and is not written
        // to; the message has the length given.
        let code = unsafe {
            rd::rd_kafka_oauthbearer_set_token(
                client,
                self.value.as_ptr(),
                i64::try_from(ends_ms).unwrap_or(i64::MAX),
                self.principal.as_ptr(),
                if extensions.is_empty() {
                    ptr::null_mut()
                } else {
                    extensions.as_mut_ptr()
                },
                extensions.len(),
                message.as_mut_ptr().cast::<c_char>(),
                message.len(),
            )
        };
        match code {
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            _ => Err(OpenError(text(message.as_ptr().cast()))),
        }
    }
}

impl std::fmt::Debug for Token {
    /// Without the token itself.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}
