//! Resolves the settings to a [`Config`], section by section: the meaning of each key, and the
//! combinations of keys that are valid.

use std::{num::NonZeroUsize, path::Path, sync::Arc};

use tracing_subscriber::filter::Targets;

use super::{
    Config, Limits, Listen, Source, Timeouts, kafka,
    keys::{
        ACK_TIMEOUT, BODY_BYTES_MAX, BODY_RATE_MIN, BODY_TIMEOUT, COMPRESSION_RATIO_MAX,
        CONNECTION_AGE_MAX, CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX, CONTENT_ENCODINGS,
        DRAIN_DELAY, DRAIN_TIMEOUT, HEAD_BYTES_MAX, HEAD_TIMEOUT, HEADERS_MAX, IDLE_TIMEOUT,
        IN_FLIGHT_BYTES_MAX, JSON_DEPTH_MAX, LOG_FILTER, LOG_FORMAT, LOG_REQUESTS,
        LOG_REQUESTS_RATE_MAX, MANAGEMENT_SAMPLES, MODELS, PIN, PRODUCERS, RECORD_BYTES_MAX,
        RECORDS_MAX, RELOAD_ON_CHANGE, TRACES_ENDPOINT, WORKER_STUCK, WORKERS,
    },
    log_filter,
    memory::{Sizes, claim_bytes, tls_bytes},
    quotas,
    raw::Raw,
    reader::Reader,
    registry,
    written::Written,
};
use crate::{
    auth::Auth,
    buffer::{growing_bytes_max, segment_capacity},
    cgroup, dead_letter,
    document::{ConfigError, ConfigErrors, Document, Origin, grouped},
    log::{LogSettings, RequestLines},
    model::{self, Directory, Model, OnInvalid, SchemaPrefix},
    produce::{message_bytes_max, requests_bytes_max},
    route::RouteTable,
    validate::Span,
};

/// The configuration of `--dev`; it can be read and used as a file, too.
const DEVELOPMENT: Document<'static> = Document {
    path: "config/dev.toml (built in)",
    text: include_str!("../../config/dev.toml"),
};

pub(super) fn load(
    path: &Path,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigErrors> {
    let mut reader = read(path, environment)?;
    let directory = directory(path);
    let files = |reader: &mut Reader| reader.model_files(directory);
    let mut config = resolve(&mut reader, (Some(directory), Some(directory)), files)?;
    if reader.get(&RELOAD_ON_CHANGE) {
        config.sources = vec![path.to_owned(), directory.join(reader.get(&MODELS))];
    }
    Ok(config)
}

/// Commands that serve nothing need no authentication; `connects`: those that connect to the brokers need
/// their credentials.
pub(super) fn load_to_inspect(
    path: &Path,
    environment: impl Iterator<Item = (String, String)>,
    connects: bool,
) -> Result<Config, ConfigErrors> {
    let mut reader = read(path, environment)?;
    reader.leave_undecided();
    let directory = directory(path);
    let files = |reader: &mut Reader| reader.model_files(directory);
    resolve(&mut reader, (None, connects.then_some(directory)), files)
}

/// The directory that models and key files are relative to.
fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// A file, overridden by the environment.
fn read(
    path: &Path,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Reader, ConfigErrors> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        ConfigErrors::new(vec![ConfigError {
            origin: Origin::File {
                path: shown.clone(),
                line: None,
            },
            key: String::new(),
            message: format!("can't be read: {error}"),
        }])
    })?;
    let document = Document {
        path: &shown,
        text: &text,
    };
    let mut raw = Raw::new(&document.whole());
    raw.read_file(document.parse().map_err(ConfigErrors::new)?);
    raw.read_environment(environment);
    Ok(Reader { raw })
}

pub(super) fn development(
    brokers: &str,
    models: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigErrors> {
    let mut raw = Raw::new(&DEVELOPMENT.whole());
    raw.read_file(DEVELOPMENT.parse().map_err(ConfigErrors::new)?);
    raw.read_flag("--dev", WORKERS.name, &available_cores().min(2).to_string());
    raw.read_environment(environment);
    let mut reader = Reader { raw };
    let given = reader.raw.property("bootstrap.servers");
    if let Some(given) = given.filter(|it| Reader::is_from_environment(Some(it))) {
        let error = given.error("cannot be set: --dev starts its own broker");
        reader.raw.errors.push(error);
    }
    reader
        .raw
        .read_flag("--dev", "kafka.bootstrap.servers", brokers);
    if let Some(models) = models {
        let models = models.display().to_string();
        reader.raw.read_flag("--models", MODELS.name, &models);
    }
    let here = Path::new("");
    let config = resolve(&mut reader, (Some(here), Some(here)), |reader| {
        if models.is_some() || Reader::is_from_environment(reader.setting(MODELS.at())) {
            reader.model_files(here)
        } else {
            model::samples()
        }
    })?;
    Ok(Config {
        is_dev: true,
        sources: models.map(Path::to_path_buf).into_iter().collect(),
        ..config
    })
}

/// The configuration, or all errors. `key_files` is the directory of key files, and `kafka_files` that of the
/// files of `[kafka]`, if they are to be read; `files` finds the files of the models.
fn resolve(
    reader: &mut Reader,
    (key_files, kafka_files): (Option<&Path>, Option<&Path>),
    files: impl FnOnce(&mut Reader) -> Vec<model::File>,
) -> Result<Config, ConfigErrors> {
    let (workers, pin, producers) = (reader.workers(), reader.get(&PIN), reader.get(&PRODUCERS));
    let limits = reader.limits(workers);
    let timeouts = reader.timeouts();
    let listen = reader.listen(key_files);
    let management = reader.management(&listen.address);
    let auth = reader.auth(&listen.address, key_files);
    let cgroup_bytes = cgroup::memory_max();
    let Sizes {
        mut limits,
        queue_records_max,
        ..
    } = reader.sizes(limits, workers, &auth, &listen, producers, cgroup_bytes);
    let schema_registry = reader.schema_registry();
    let (log, traces) = (reader.log(), reader.traces(key_files));
    let (ack, directory) = (timeouts.ack, kafka_files);
    let kafka = kafka::properties(reader, &limits, ack, queue_records_max, directory);
    let files = files(reader);

    let limits_are_good = reader.are_good(&SHARE_KEYS) && reader.are_good(&[RECORDS_MAX.name]);
    let mut errors = std::mem::take(&mut reader.raw.errors);
    errors.sort_by(|a, b| a.origin.cmp(&b.origin));
    let models = model::load(&files, &mut errors);
    if schema_registry.is_none() {
        errors.extend(registry::missing(&models, &reader.raw.file, &errors));
    }
    if limits_are_good {
        let message = message_bytes_max(&kafka.properties);
        let needed = in_flight_needed_by(&models, &limits, message);
        errors.extend(reader.models_share(&mut limits, workers, needed));
    }
    if !errors.is_empty() {
        return Err(ConfigErrors::new(errors));
    }
    let mut warnings = kafka.warnings;
    warnings.extend(reader.warnings(&listen, &limits, &models));
    warnings.extend(schema_registry.as_ref().and_then(registry::warning));
    let mut config = Config {
        source: reader.source(),
        workers,
        pin,
        listen,
        management,
        samples: reader.get(&MANAGEMENT_SAMPLES).then(Arc::default),
        is_dev: false,
        limits,
        timeouts,
        auth,
        kafka: kafka.properties,
        kafka_files: kafka.files,
        tokens: kafka.tokens,
        producers,
        schema_registry,
        log,
        traces,
        models,
        sources: Vec::new(),
        warnings,
        written: Written::new(&reader.raw),
    };
    let memory = config.memory_max();
    config
        .warnings
        .extend(cgroup_bytes.and_then(|it| memory.warning(it)));
    Ok(config)
}

/// The default of `queue.buffering.max.messages`, unless more records are allowed in one request.
const QUEUE_RECORDS: usize = 200_000;

/// The default of `connections_max` is not lowered below this where memory is short.
const CONNECTIONS_LEAST: usize = 1_000;

/// The keys that determine whether each worker's share of the in-flight memory holds one request.
const SHARE_KEYS: [&str; 5] = [
    IN_FLIGHT_BYTES_MAX.name,
    BODY_BYTES_MAX.name,
    HEAD_BYTES_MAX.name,
    CONTENT_ENCODINGS.name,
    WORKERS.name,
];

/// Cores that this process may run on; 1 if unknown.
fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

impl Reader {
    /// Where the configuration is from.
    fn source(&mut self) -> Source {
        Source {
            file: self.raw.file.to_string(),
            environment: std::mem::take(&mut self.raw.environment),
        }
    }

    /// All warnings so far, and those of parts that do not go together well.
    fn warnings(&mut self, listen: &Listen, limits: &Limits, models: &[Arc<Model>]) -> Vec<String> {
        self.warn_of_idle_globs(&RouteTable::below(&listen.path_prefix, models));
        self.warn_of_unreadable_answers(listen.cors.as_deref());
        self.warn_of_small_quotas(limits);
        let mut warnings = std::mem::take(&mut self.raw.warnings);
        warnings.extend(quotas::model_warnings(models, limits));
        warnings
    }

    /// 0 stands for the cores that this process may run on.
    fn workers(&mut self) -> NonZeroUsize {
        let workers = NonZeroUsize::new(self.get(&WORKERS));
        workers
            .or(NonZeroUsize::new(available_cores()))
            .unwrap_or(NonZeroUsize::MIN)
    }

    /// The sizes that determine the worst-case memory. Where a cgroup allows less memory than it, those
    /// that are not set are lowered.
    fn sizes(
        &self,
        limits: Limits,
        workers: NonZeroUsize,
        auth: &Auth,
        listen: &Listen,
        producers: Option<usize>,
        cgroup_bytes: Option<u64>,
    ) -> Sizes {
        let queue = self.raw.property("queue.buffering.max.messages");
        let queue = queue.map(|it| it.value.scalar().and_then(|it| it.parse().ok()));
        let property = |name: &str| self.raw.property(name).and_then(|it| it.value.scalar());
        let mut sizes = Sizes {
            limits,
            workers: workers.get(),
            cache_entries: auth.cache_entries,
            claim_bytes: claim_bytes(auth),
            tls_bytes: tls_bytes(listen.tls.as_deref()),
            has_traces: self.is_set(&TRACES_ENDPOINT),
            queue_records_max: queue
                .flatten()
                .unwrap_or(QUEUE_RECORDS.max(limits.records_max)),
            requests_bytes_max: requests_bytes_max(property, producers),
        };
        let Some(bytes) = cgroup_bytes else {
            return sizes;
        };
        if queue.is_none() {
            let least = limits.records_max;
            sizes.lower(bytes, |it| &mut it.queue_records_max, least);
        }
        if !self.is_set(&IN_FLIGHT_BYTES_MAX) {
            let least = in_flight_needed(&limits).saturating_mul(workers.get());
            sizes.lower(bytes, |it| &mut it.limits.in_flight_bytes_max, least);
        }
        if !self.is_set(&CONNECTIONS_MAX) {
            sizes.lower(
                bytes,
                |it| &mut it.limits.connections_max,
                CONNECTIONS_LEAST,
            );
        }
        sizes
    }

    fn limits(&mut self, workers: NonZeroUsize) -> Limits {
        let mut limits = Limits {
            head_bytes_max: self.get(&HEAD_BYTES_MAX),
            headers_max: self.get(&HEADERS_MAX),
            body_bytes_max: self.get(&BODY_BYTES_MAX),
            compression_ratio_max: self.get(&COMPRESSION_RATIO_MAX),
            content_encodings: self.get(&CONTENT_ENCODINGS),
            record_bytes_max: self.get(&RECORD_BYTES_MAX),
            records_max: self.get(&RECORDS_MAX),
            json_depth_max: self.get(&JSON_DEPTH_MAX),
            connections_max: self.get(&CONNECTIONS_MAX),
            connections_per_address_max: self.get(&CONNECTIONS_PER_ADDRESS_MAX),
            in_flight_bytes_max: self.get(&IN_FLIGHT_BYTES_MAX),
            body_rate_min: self.get(&BODY_RATE_MIN),
        };
        let workers = workers.get();
        if self.is_set(&IN_FLIGHT_BYTES_MAX) {
            self.shares(&limits, workers);
        } else {
            // The default suits a usual number of cores; it is raised for more.
            let needed = in_flight_needed(&limits).saturating_mul(workers);
            limits.in_flight_bytes_max = limits.in_flight_bytes_max.max(needed);
        }
        limits
    }

    /// Checks that each worker's share of the in-flight memory holds one request.
    fn shares(&mut self, limits: &Limits, workers: usize) {
        let needed = in_flight_needed(limits).saturating_mul(workers);
        if limits.in_flight_bytes_max < needed && self.are_good(&SHARE_KEYS) {
            let message = format!(
                "{} is too small: each of the {workers} workers must be able to hold one request of \
                 up to {} bytes (from limits.body_bytes_max = {} and limits.head_bytes_max = {}{}); \
                 set at least {}, use fewer workers or lower limits.body_bytes_max",
                grouped(limits.in_flight_bytes_max),
                grouped(in_flight_needed(limits)),
                grouped(limits.body_bytes_max),
                grouped(limits.head_bytes_max),
                match limits.content_encodings.memory_bytes_max() {
                    0 => String::new(),
                    bytes => format!(", and a decoder of {} bytes", grouped(bytes)),
                },
                grouped(needed),
            );
            self.fail(IN_FLIGHT_BYTES_MAX.at(), message);
        }
    }

    /// Checks that each worker's share holds one request of any model. The default is raised if
    /// needed; a set value that is too small is an error.
    fn models_share(
        &self,
        limits: &mut Limits,
        workers: NonZeroUsize,
        needed: usize,
    ) -> Option<ConfigError> {
        let of_all = needed.saturating_mul(workers.get());
        if limits.in_flight_bytes_max >= of_all {
            return None;
        }
        if !self.is_set(&IN_FLIGHT_BYTES_MAX) {
            limits.in_flight_bytes_max = of_all;
            return None;
        }
        let message = format!(
            "{} is too small for these models: each of the {workers} workers must be able to hold \
             one request with its partition keys, copies of its records with their schema prefix, \
             and part of its dead letters, {} bytes (from limits.body_bytes_max = {} and the \
             models); set at least {}, use fewer workers or lower limits.body_bytes_max",
            grouped(limits.in_flight_bytes_max),
            grouped(needed),
            grouped(limits.body_bytes_max),
            grouped(of_all),
        );
        Some(self.error(IN_FLIGHT_BYTES_MAX.at(), message))
    }

    fn timeouts(&mut self) -> Timeouts {
        Timeouts {
            head: self.get(&HEAD_TIMEOUT),
            body: self.get(&BODY_TIMEOUT),
            idle: self.get(&IDLE_TIMEOUT),
            connection_age_max: Some(self.get(&CONNECTION_AGE_MAX)).filter(|age| !age.is_zero()),
            ack: self.get(&ACK_TIMEOUT),
            drain_delay: self.get(&DRAIN_DELAY),
            drain: self.get(&DRAIN_TIMEOUT),
            worker_stuck: Some(self.get(&WORKER_STUCK)).filter(|it| !it.is_zero()),
        }
    }

    fn log(&mut self) -> LogSettings {
        let filter = log_filter::parse(&self.get(&LOG_FILTER));
        LogSettings {
            format: self.get(&LOG_FORMAT),
            filter: filter.unwrap_or_else(|error| {
                self.refuse(LOG_FILTER.at(), &error);
                Targets::new()
            }),
            requests: RequestLines {
                of: self.get(&LOG_REQUESTS),
                rate_max: self.get(&LOG_REQUESTS_RATE_MAX) as u64,
            },
        }
    }

    /// The files in the directory of the models, which is relative to the configuration file.
    fn model_files(&mut self, relative_to: &Path) -> Vec<model::File> {
        let directory = relative_to.join(self.get(&MODELS));
        if !self.are_good(&[MODELS.name]) {
            return Vec::new();
        }
        match model::read_directory(&directory) {
            Ok(Directory { models, not_read }) => {
                let not_read = listed(&not_read);
                if models.is_empty() {
                    let message = format!("no model (*.toml) in {}{not_read}", directory.display());
                    self.fail(MODELS.at(), message);
                } else if !not_read.is_empty() {
                    let directory = directory.display();
                    let message =
                        format!("only the *.toml in {directory} itself are models{not_read}");
                    self.warn(MODELS.at(), message);
                }
                models
            }
            Err(error) => {
                self.fail(MODELS.at(), format!("can't read {error}"));
                Vec::new()
            }
        }
    }
}

/// Files that are not read, for a message; empty if there are none.
fn listed(files: &[String]) -> String {
    const SHOWN_MAX: usize = 5;
    if files.is_empty() {
        return String::new();
    }
    let shown = files[..files.len().min(SHOWN_MAX)].join(", ");
    match files.len().saturating_sub(SHOWN_MAX) {
        0 => format!("; not read: {shown}"),
        more => format!("; not read: {shown} and {more} more"),
    }
}

/// The most in-flight memory that one request takes, in bytes: a small body stays in the segment
/// that its head was read into, one of unknown length moves to a larger segment as it grows, and a
/// compressed one has a decoder meanwhile.
fn in_flight_needed(limits: &Limits) -> usize {
    let head = segment_capacity(limits.head_bytes_max);
    let decoder = limits.content_encodings.memory_bytes_max();
    (growing_bytes_max(limits.body_bytes_max) + decoder).max(head)
}

/// What the errors of a request with invalid records take, and the answer that lists them.
const LISTS_BYTES: usize = 256 * 1024;

/// As [`in_flight_needed`], including what the records of these models take besides the body. (Not
/// their Kafka headers: their size depends on the request, which is rejected if it is too large.)
pub(super) fn in_flight_needed_by(
    models: &[Arc<Model>],
    limits: &Limits,
    message_bytes_max: usize,
) -> usize {
    const PREFIX: usize = size_of::<SchemaPrefix>();
    let body = limits.body_bytes_max;
    let of_any = |is: fn(&Model) -> bool, bytes| {
        let any = models.iter().any(|model| is(model));
        if any { bytes } else { 0 }
    };
    let is_prefixed = |model: &Model| model.schema.is_some();
    // In the worst case a record is nothing but its key; the shortest record has two bytes and a
    // separator.
    let keys = of_any(|model| model.rules.partition_key.is_some(), body);
    let records = limits.records_max.min(body.div_ceil(3));
    let copies = segment_capacity(body + PREFIX * records);
    let dead_letters = segment_capacity(dead_letter::PART_BYTES + message_bytes_max);
    let headroom = of_any(is_prefixed, PREFIX);
    let lists = |model: &Model| {
        model.dead_letter_topic.is_some() || model.rules.on_invalid == OnInvalid::AcceptValid
    };
    let lists = of_any(lists, LISTS_BYTES + records * size_of::<(usize, Span)>());
    let whole = segment_capacity(limits.head_bytes_max).max(segment_capacity(body + headroom))
        + keys
        + of_any(is_prefixed, copies)
        + of_any(|model| model.dead_letter_topic.is_some(), dead_letters)
        + lists;
    whole.max(growing_bytes_max(body + headroom) + limits.content_encodings.memory_bytes_max())
}
