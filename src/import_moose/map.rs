//! Moose's infrastructure map: its ingest APIs, and the parts that ringest does not support.

use super::{
    model::{Endpoint, ModelFile},
    node::{MapErrors, Node},
};
use crate::{
    document::ConfigError,
    model::{self, Version},
};

/// The parts of a map that ringest does not support, by key.
const LEFT_BEHIND: [(&str, &str); 12] = [
    ("function_processes", "streaming functions"),
    (
        "topic_to_table_sync_processes",
        "writing of topics to tables",
    ),
    (
        "topic_to_topic_sync_processes",
        "copying of topics to topics",
    ),
    ("tables", "tables"),
    ("dmv1_views", "table aliases"),
    ("views", "views"),
    ("materialized_views", "materialized views"),
    ("olap_dictionaries", "dictionaries"),
    ("select_row_policies", "row policies"),
    ("sql_resources", "SQL resources"),
    ("workflows", "workflows"),
    ("web_apps", "web apps"),
];

/// A map.
pub(super) struct Map<'a> {
    root: Node<'a>,
    endpoints: Node<'a>,
}

/// The model files of a map.
pub(super) struct Models {
    /// Names and texts, sorted by the names of the endpoints.
    pub(super) files: Vec<(String, String)>,
    /// Whether one of them names its schema by a subject.
    pub(super) ask_registry: bool,
    /// Endpoints that are unreachable in Moose, too.
    pub(super) unreached: Vec<String>,
    /// What could not be imported.
    pub(super) skipped: Vec<ConfigError>,
}

impl<'a> Map<'a> {
    /// A document that must be a map.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn new(root: Node<'a>) -> Result<Self, ConfigError> {
        let root = root.get("infra_map").unwrap_or(root);
        match root.get("api_endpoints") {
            Some(endpoints) if endpoints.value.is_object() => Ok(Self { root, endpoints }),
            Some(endpoints) => Err(endpoints.error("an object is expected".to_owned())),
            None => {
                let found = match root.get("ingestion_apis") {
                    Some(_) => "the output of `moose ls --json` has no types",
                    None => "not an infrastructure map of Moose: it has no \"api_endpoints\"",
                };
                Err(root.error(format!(
                    "{found}; use http://localhost:5001/infra-map of a running Moose, or \
                     .moose/infrastructure_map.json after `moose build`"
                )))
            }
        }
    }

    /// The topic with this identity (`Topic::id` of Moose).
    pub(super) fn topic(&self, id: &str) -> Option<Node<'a>> {
        self.root.get("topics")?.get(id)
    }

    /// Those of a kind of process that read a topic.
    pub(super) fn readers(&self, kind: &str, topic: &str) -> Vec<Node<'a>> {
        let processes = self.root.get(kind);
        let processes = processes.iter().flat_map(Node::members);
        processes
            .map(|(_, process)| process)
            .filter(|process| process.value["source_topic_id"] == topic)
            .collect()
    }

    /// A topic that is called so without its version.
    pub(super) fn topic_named(&self, name: &str) -> Option<Node<'a>> {
        let topics = self.root.get("topics")?;
        let (_, topic) = topics
            .members()
            .find(|(_, topic)| topic.value["name"] == name)?;
        Some(topic)
    }

    /// A file for each ingest API; topics get Moose's prefix where there is a namespace.
    pub(super) fn models(&self, namespace: Option<&str>) -> Models {
        let mut skipped = Vec::new();
        let mut endpoints: Vec<Endpoint<'_>> = Vec::new();
        for (_, node) in self.endpoints.members() {
            match Endpoint::new(&node) {
                Ok(None) => {}
                Ok(Some(endpoint)) => match endpoints.iter().find(|it| it.meets(&endpoint)) {
                    Some(other) => skipped.push(node.error(format!(
                        "{} {} at /{} conflicts with {} {} at /{}",
                        endpoint.name,
                        endpoint.version,
                        endpoint.path,
                        other.name,
                        other.version,
                        other.path
                    ))),
                    None => endpoints.push(endpoint),
                },
                Err(wrong) => skipped.push(wrong),
            }
        }
        if endpoints.is_empty() && skipped.is_empty() {
            let message = "it contains no ingest API: there is nothing to import";
            skipped.push(self.endpoints.error(message.to_owned()));
        }
        let (mut files, mut unreached) = (Vec::new(), Vec::new());
        let mut ask_registry = false;
        for endpoint in &endpoints {
            if endpoints.iter().any(|it| it.hides(endpoint)) {
                unreached.push(format!(
                    "{} without version: in Moose /{} resolves to the highest version, never to \
                     this one",
                    endpoint.name, endpoint.path
                ));
                continue;
            }
            let file = endpoint.model_file(self, namespace);
            match file.and_then(|file| loads(endpoint, file)) {
                Ok(file) => {
                    ask_registry |= file.asks_registry;
                    files.push((file_name(endpoint, &endpoints), file.text));
                }
                Err(MapErrors(wrong)) => skipped.extend(wrong),
            }
        }
        Models {
            files,
            ask_registry,
            unreached,
            skipped,
        }
    }

    /// What is in the map and has nothing to do with ringest, a line each.
    pub(super) fn left_behind(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (key, what) in LEFT_BEHIND {
            let members = self.root.get(key);
            let names = members.iter().flat_map(Node::members).map(|(name, _)| name);
            lines.extend(listed(what, names.collect()));
        }
        let consumption = self.endpoints.members().filter(|(_, endpoint)| {
            let kind = &endpoint.value["api_type"];
            kind == "EGRESS" || kind.get("EGRESS").is_some()
        });
        lines.extend(listed(
            "consumption APIs",
            consumption.map(|(name, _)| name).collect(),
        ));
        let topics = self.root.get("topics");
        let topics = topics.iter().flat_map(Node::members).count();
        if topics > 0 {
            lines.push(format!(
                "creating the map's {topics} topics: their partitions, retention and life cycle"
            ));
        }
        lines
    }
}

/// Checks that ringest accepts a file: one that it rejects would make the whole configuration invalid.
fn loads(endpoint: &Endpoint<'_>, file: ModelFile) -> Result<ModelFile, MapErrors> {
    let written = model::File {
        path: String::new(),
        text: file.text,
    };
    let mut errors = Vec::new();
    model::load(std::slice::from_ref(&written), &mut errors);
    if errors.is_empty() {
        return Ok(ModelFile {
            text: written.text,
            ..file
        });
    }
    let errors = errors.into_iter().map(|error| {
        let ConfigError { key, message, .. } = error;
        endpoint
            .node
            .error(format!("ringest rejects its {key}: {message}"))
    });
    Err(MapErrors(errors.collect()))
}

/// The name of an endpoint's file: that of the model, which has no dot, and its version where
/// there are several.
fn file_name(endpoint: &Endpoint<'_>, all: &[Endpoint<'_>]) -> String {
    match all.iter().filter(|it| it.has_name_of(endpoint)).count() {
        1 => format!("{}.toml", endpoint.name),
        _ => format!("{}.{}.toml", endpoint.name, endpoint.version),
    }
}

/// `tables (3): a, b, c`, if there are any; of many the first few.
fn listed(what: &str, names: Vec<&str>) -> Option<String> {
    const SHOWN: usize = 5;
    let count = names.len();
    let more = if count > SHOWN { ", …" } else { "" };
    let shown = names.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
    (count > 0).then(|| format!("{what} ({count}): {shown}{more}"))
}

/// Moose's reading of a version: numbers between dots, what is none is 0
/// (`framework/versions.rs`, `parse_version`).
pub(super) fn version(text: &str) -> Option<Version> {
    let numbers = text.split('.').map(|part| {
        let is_number = !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
        if is_number { part } else { "0" }
    });
    numbers.collect::<Vec<_>>().join(".").parse().ok()
}
