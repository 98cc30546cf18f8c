//! One ingest API of the map as one model file.

use std::fmt::Write as _;

use super::{
    column::{self, Column},
    map::{self, Map},
    node::{MapErrors, Node, all, both},
    topic,
};
use crate::{
    document::ConfigError,
    model::text,
    model::{Model, Version, is_path},
};

/// What Moose calls the version of a data model that has none (`DataModel::version` of the map).
const NO_VERSION: &str = "0.0";

/// An ingest API: `ApiEndpoint` of Moose's `framework/core/infrastructure/api_endpoint.rs` with
/// `APIType::INGRESS`.
pub(super) struct Endpoint<'a> {
    /// Where it is in the map.
    pub(super) node: Node<'a>,
    /// What is under `INGRESS`.
    ingress: Node<'a>,
    /// As ringest calls it.
    pub(super) name: String,
    /// As ringest counts it.
    pub(super) version: Version,
    /// Where Moose takes records, without the slash before it.
    pub(super) path: &'a str,
}

/// What an ingest API becomes.
pub(super) struct ModelFile {
    pub(super) text: String,
    /// Whether its schema is named by a subject.
    pub(super) asks_registry: bool,
}

impl<'a> Endpoint<'a> {
    /// An endpoint of the map; `None` if it is none for ingest.
    ///
    /// # Errors
    /// Something about it that ringest can't take.
    pub(super) fn new(node: &Node<'a>) -> Result<Option<Self>, ConfigError> {
        let Some(ingress) = node.require("api_type")?.get("INGRESS") else {
            return Ok(None);
        };
        let method = node.require("method")?;
        if method.text()? != "POST" {
            return Err(method.error("only POST is supported".to_owned()));
        }
        let version = match node.get("version") {
            Some(version) => {
                let text = version.text()?;
                map::version(text).ok_or_else(|| {
                    version.error(format!(
                        "{text:?} is not a version: {}",
                        crate::model::VersionError
                    ))
                })?
            }
            None => map::version(NO_VERSION)
                .ok_or_else(|| node.error("the version is missing".to_owned()))?,
        };
        let path = node.require("path")?;
        let endpoint = Self {
            name: model_name(node.require_text("name")?),
            node: node.clone(),
            ingress,
            version,
            path: path.text()?.trim_matches('/'),
        };
        let whole = format!("/{}", endpoint.path);
        if !is_path(&whole) || whole.len() > Model::PATH_BYTES_MAX && !endpoint.has_usual_path() {
            return Err(path.error(format!("{whole:?} is not a path that ringest supports")));
        }
        Ok(Some(endpoint))
    }

    /// Whether the two conflict in ringest.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.has_name_of(other) && self.version == other.version
            || self.path.eq_ignore_ascii_case(other.path)
    }

    /// Whether both are versions of one model.
    pub(super) fn has_name_of(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
    }

    /// Whether `/ingest/<name>` means a version of this and is the other's own path.
    pub(super) fn hides(&self, other: &Self) -> bool {
        self.has_usual_path()
            && other
                .path
                .eq_ignore_ascii_case(&format!("ingest/{}", self.name))
    }

    fn has_usual_path(&self) -> bool {
        let usual = format!("ingest/{}/{}", self.name, self.version);
        self.path.eq_ignore_ascii_case(&usual)
    }

    /// Its model file.
    ///
    /// # Errors
    /// Everything that has no counterpart and without which it would mean something else.
    pub(super) fn model_file(
        &self,
        map: &Map<'_>,
        namespace: Option<&str>,
    ) -> Result<ModelFile, MapErrors> {
        let mut remarks = self.remarks();
        let topic_id = self.ingress.require("target_topic_id")?;
        let id = topic_id.text()?;
        let Some(topic) = map.topic(id) else {
            return Err(topic_id
                .error(format!("there is no topic {id:?} in the map"))
                .into());
        };
        let keys = self.keys(&topic, map, namespace, &mut remarks);
        let fields = self.fields(&topic, &mut remarks);
        let schema = topic::schema(&topic, &mut remarks).map_err(MapErrors::from);
        let ((mut keys, schema), fields) = both(both(keys, schema), fields)?;
        let asks_registry = schema.as_ref().is_some_and(|it| it.has_subject);
        keys.extend(schema.map(|it| ("schema", it.toml)));
        remarks.extend(topic::remarks(id, &topic, map));

        let metadata = self.node.get("metadata");
        let description = metadata.and_then(|it| it.get("description")?.value.as_str());
        let mut text = text::comment(description.unwrap_or_default());
        for remark in &remarks {
            text.push_str(&text::comment(remark));
        }
        for (key, value) in keys {
            // Writing to a String never fails.
            let _ = writeln!(text, "{key} = {value}");
        }
        Ok(ModelFile {
            text: format!("{text}\n[fields]\n{fields}"),
            asks_registry,
        })
    }

    /// The keys before `[fields]`, the schema aside, with their values as TOML.
    fn keys(
        &self,
        topic: &Node<'_>,
        map: &Map<'_>,
        namespace: Option<&str>,
        remarks: &mut Vec<String>,
    ) -> Result<Vec<(&'static str, String)>, MapErrors> {
        let dead_letters = self.ingress.get("dead_letter_queue");
        let dead_letters = dead_letters.map(|it| it.text()).transpose()?;
        if let Some(name) = dead_letters
            && let Some(topic) = map.topic_named(name)
        {
            let made = topic::name(&topic, namespace)?;
            if made != name {
                remarks.push(format!(
                    "Moose creates the topic {made} for dead letters, but writes them to {name}"
                ));
            }
        }
        let path = (!self.has_usual_path()).then(|| format!("/{}", self.path));
        let keys = [
            ("name", Some(text::string(&self.name))),
            ("version", Some(text::string(self.version.as_str()))),
            ("path", path.map(|it| text::string(&it))),
            ("topic", Some(text::string(&topic::name(topic, namespace)?))),
            ("dead_letter_topic", dead_letters.map(text::string)),
            ("unknown_fields", Some(text::string("forward"))),
            ("on_invalid", Some(text::string("reject_all"))),
        ];
        let keys = keys
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        Ok(keys.collect())
    }

    /// `[fields]` without its heading.
    fn fields(&self, topic: &Node<'_>, remarks: &mut Vec<String>) -> Result<String, MapErrors> {
        let model = self.ingress.get("data_model");
        if model
            .as_ref()
            .is_some_and(|it| it.is_true("allow_extra_fields"))
        {
            remarks.push(
                "Moose forwards unknown fields of this model and drops those of others; ringest \
                 forwards every record as it came"
                    .to_owned(),
            );
        }
        // Older versions of Moose left the data model to the topic.
        let columns = model.as_ref().unwrap_or(topic).require_items("columns")?;
        let mut seen = Vec::new();
        let lines = all(columns.iter().map(|node| {
            let column = column::column(node, "", remarks)?;
            let (Column::Sent { name, .. } | Column::LeftOut { name, .. }) = column;
            if seen.contains(&name) {
                return Err(node.error(format!("there are two columns {name:?}")).into());
            }
            seen.push(name);
            Ok(field_line(&column))
        }));
        Ok(lines?.concat())
    }

    /// What its name, version and path mean in Moose and not here.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let name = self.node.get("name").and_then(|it| it.value.as_str());
        let version = self.node.get("version").and_then(|it| it.value.as_str());
        if let Some(name) = name.filter(|name| *name != self.name) {
            remarks.push(format!("called {name:?} in Moose"));
        }
        match version {
            Some(version) if version != self.version.as_str() => {
                remarks.push(format!(
                    "version {version:?} in Moose, which compares it as this \
                one"
                ));
            }
            Some(_) => {}
            None => remarks.push("without a version in Moose".to_owned()),
        }
        // Moose looks for the highest version below any path of two segments.
        let above = self.path.rsplit_once('/').map(|(above, _)| above);
        if version.is_some()
            && !self.has_usual_path()
            && let Some(above) = above.filter(|above| above.split('/').count() == 2)
        {
            remarks.push(format!(
                "Moose also accepts its highest version at /{above}; ringest does not"
            ));
        }
        remarks
    }
}

/// A line of `[fields]`.
fn field_line(column: &Column<'_>) -> String {
    match column {
        Column::Sent {
            name,
            type_,
            default,
            comment,
        } => {
            let type_ = text::string(type_);
            let value = match default {
                Some(default) => {
                    format!("{{ type = {type_}, default = {} }}", text::string(default))
                }
                None => type_,
            };
            let comment = comment
                .as_ref()
                .map(|it| text::comment(it))
                .unwrap_or_default();
            let comment = comment.trim_end();
            let line = format!("{} = {value}  {comment}", text::key(name));
            format!("{}\n", line.trim_end())
        }
        Column::LeftOut { name, why } => text::comment(&format!("{name}: {why}")),
    }
}

/// A name as ringest's models have it: what it does not take becomes `_`, after an `m` where a
/// letter is missing at the beginning.
fn model_name(name: &str) -> String {
    let is_taken = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-');
    let name: String = name
        .chars()
        .map(|it| if is_taken(it) { it } else { '_' })
        .collect();
    let name = match name.chars().next() {
        Some(first) if first.is_ascii_alphabetic() => name,
        _ => format!("m{name}"),
    };
    // Only ASCII is left.
    name.chars().take(Model::NAME_BYTES_MAX).collect()
}
