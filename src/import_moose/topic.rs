//! Topics of the map (`Topic` of Moose's `framework/core/infrastructure/topic.rs`).

use super::{map::Map, node::Node};
use crate::{document::ConfigError, model::text};

/// The default retention of Moose, in seconds.
const KEPT_SECONDS: u64 = 7 * 24 * 60 * 60;

/// The default size limit of records in Moose, in bytes.
const MESSAGE_BYTES_MAX: u64 = 1 << 20;

/// Readers of a topic in Moose: the key of the map, the member that names the reader, a description.
const READERS: [(&str, &str, &str); 3] = [
    (
        "function_processes",
        "name",
        "streaming functions of Moose read the topic",
    ),
    (
        "topic_to_table_sync_processes",
        "target_table_id",
        "Moose writes the topic to tables",
    ),
    (
        "topic_to_topic_sync_processes",
        "target_topic_id",
        "Moose copies the topic to topics",
    ),
];

/// Its name in Kafka: with its version unless a migration function created it, and with the
/// namespace as prefix (Moose's `Topic::id`, and `topic_name` of `stream/kafka/models.rs`).
pub(super) fn name(topic: &Node<'_>, namespace: Option<&str>) -> Result<String, ConfigError> {
    let mut name = topic.require_text("name")?.to_owned();
    let made_by = &topic.value["source_primitive"]["primitive_type"];
    if let Some(version) = topic.get("version").filter(|_| made_by != "Function") {
        name = format!("{name}_{}", version.text()?.replace('.', "_"));
    }
    Ok(match namespace {
        Some(namespace) => format!("{namespace}.{name}"),
        None => name,
    })
}

/// The schema of a topic's records in a registry (`KafkaSchema`).
pub(super) struct Schema {
    /// `schema` of the model, as TOML.
    pub(super) toml: String,
    /// Whether it is referenced by subject.
    pub(super) has_subject: bool,
}

/// The schema, if the topic has one that Moose supports.
///
/// # Errors
/// The schema is invalid.
pub(super) fn schema(
    topic: &Node<'_>,
    remarks: &mut Vec<String>,
) -> Result<Option<Schema>, ConfigError> {
    let Some(config) = topic.get("schema_config") else {
        return Ok(None);
    };
    let kind = config.require_text("kind")?;
    if kind != "JSON" {
        remarks.push(format!(
            "the topic's schema is {kind}, which neither Moose nor ringest supports: left out"
        ));
        return Ok(None);
    }
    let reference = config.require("reference")?;
    let number = |key| {
        let node = reference.require(key)?;
        let number = node.value.as_u64().and_then(|it| u32::try_from(it).ok());
        number.ok_or_else(|| node.error("a non-negative integer is expected".to_owned()))
    };
    if reference.get("id").is_some() {
        return Ok(Some(Schema {
            toml: format!("{{ id = {} }}", number("id")?),
            has_subject: false,
        }));
    }
    let toml = match reference.get_any(["subject_latest", "subjectLatest"]) {
        Some(latest) => format!("{{ subject = {} }}", text::string(latest.text()?)),
        None => format!(
            "{{ subject = {}, version = {} }}",
            text::string(reference.require_text("subject")?),
            number("version")?
        ),
    };
    Ok(Some(Schema {
        toml,
        has_subject: true,
    }))
}

/// What Moose does with the topic and ringest does not; `id` is its key in the map.
pub(super) fn remarks(id: &str, topic: &Node<'_>, map: &Map<'_>) -> Vec<String> {
    let mut remarks = Vec::new();
    for (kind, key, what) in READERS {
        let readers = map.readers(kind, id);
        let readers = readers.iter().filter_map(|it| it.get(key)?.value.as_str());
        let readers = readers.collect::<Vec<_>>().join(", ");
        if !readers.is_empty() {
            remarks.push(format!("{what}: {readers}"));
        }
    }
    let number = |value: &serde_json::Value, usual| value.as_u64().filter(|it| *it != usual);
    let life_cycle = topic.value["life_cycle"].as_str();
    let settings = [
        number(&topic.value["partition_count"], 1).map(|it| format!("{it} partitions")),
        number(&topic.value["retention_period"]["secs"], KEPT_SECONDS)
            .map(|it| format!("records kept for {it} s")),
        number(&topic.value["max_message_bytes"], MESSAGE_BYTES_MAX)
            .map(|it| format!("records of at most {it} bytes")),
        life_cycle
            .filter(|it| *it != "FULLY_MANAGED")
            .map(|it| format!("life cycle {it}")),
    ];
    let settings: Vec<_> = settings.into_iter().flatten().collect();
    if !settings.is_empty() {
        remarks.push(format!(
            "the topic as created by Moose (ringest creates none): {}",
            settings.join(", ")
        ));
    }
    remarks
}
