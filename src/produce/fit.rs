//! Where models and their topics do not fit together.

use std::{collections::HashSet, sync::Arc};

use super::topic_settings::{Settings, TopicSettings};
use crate::{
    document::grouped,
    model::{Field, Kind, Model, Type},
};

/// Topics that one line names.
const NAMED_MAX: usize = 20;

/// What topics are expected to take.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The models whose records go there.
    pub models: Vec<Arc<Model>>,
    /// `limits.record_bytes_max`.
    pub record_bytes_max: usize,
    /// Whether a record is acknowledged by all in-sync replicas.
    pub acks_all: bool,
}

impl Expected {
    /// The topics of the models, those for dead letters included, each once, in the order of the models.
    pub(super) fn topics(&self) -> Vec<Arc<str>> {
        let named = self.models.iter();
        let named = named.flat_map(|it| [Some(&it.topic), it.dead_letter_topic.as_ref()]);
        let mut known = HashSet::new();
        let named = named.flatten().filter(|topic| known.insert(topic.as_str()));
        named.map(|topic| topic.as_str().into()).collect()
    }

    /// What an operator should know, a line each.
    pub(super) fn misfits(&self, settings: &Settings) -> Vec<String> {
        let mut lines = Vec::new();
        let mut small = Vec::new();
        for model in &self.models {
            let topic = &model.topic;
            let name = format!("{}/{}", model.name, model.version);
            if let Some(of) = settings.get(topic.as_str()) {
                lines.extend(keyless(model, of).map(|why| {
                    format!(
                        "model {name}: topic {topic} is compacted (cleanup.policy) and refuses \
                         records without a key: {why}"
                    )
                }));
                let largest = of.message_bytes_max;
                if let Some(largest) = largest.filter(|it| *it < self.record_bytes_max) {
                    small.push(format!("{topic} ({}, model {name})", grouped(largest)));
                }
            }
            let dead_letters = model.dead_letter_topic.as_deref();
            if let Some((topic, of)) = dead_letters.and_then(|it| Some((it, settings.get(it)?)))
                && of.is_compacted()
            {
                lines.push(format!(
                    "model {name}: dead_letter_topic {topic} is compacted (cleanup.policy) and refuses \
                     dead letters, which have no key"
                ));
            }
        }
        if !small.is_empty() {
            lines.push(format!(
                "limits.record_bytes_max = {} is greater than max.message.bytes of these topics, so that \
                 larger records are answered 413 by the broker's limit: {}",
                grouped(self.record_bytes_max),
                listed(&small)
            ));
        }
        let alone = self.topics().into_iter().filter(|topic| {
            let replicas = settings.get(topic).and_then(|it| it.min_insync_replicas);
            self.acks_all && replicas == Some(1)
        });
        let alone: Vec<_> = alone.map(|topic| topic.to_string()).collect();
        if !alone.is_empty() {
            lines.push(format!(
                "min.insync.replicas is 1: with acks=all a 2xx may mean that one broker only has the \
                 record, for these topics: {}",
                listed(&alone)
            ));
        }
        lines
    }
}

/// Why a model may have records without a key, if its topic takes none of those.
fn keyless(model: &Model, settings: &TopicSettings) -> Option<String> {
    if !settings.is_compacted() {
        return None;
    }
    match &model.rules.partition_key {
        None => Some("the model has no partition_key".to_owned()),
        Some(path) => may_be_absent(model.fields.as_deref(), path)
            .then(|| format!("its partition_key {} may be null or absent", path.join("."))),
    }
}

/// Whether valid records may have null at that place, or nothing.
fn may_be_absent(mut fields: Option<&[Field]>, path: &[String]) -> bool {
    for (depth, name) in path.iter().enumerate() {
        let Some(field) = fields.and_then(|of| of.iter().find(|it| it.name == *name)) else {
            return true;
        };
        if field.may_be_absent || matches!(field.type_.kind, Kind::Nullable(_) | Kind::Any) {
            return true;
        }
        fields = match &field.type_.kind {
            Kind::Object(object) => Some(&object.fields),
            Kind::Json(typed) => {
                let rest = &path[depth + 1..];
                let is_it = |(of, type_): &(Vec<String>, Type)| {
                    of == rest && !matches!(type_.kind, Kind::Nullable(_) | Kind::Any)
                };
                return !rest.is_empty() && !typed.iter().any(is_it);
            }
            _ => None,
        };
    }
    false
}

/// The first of them, and how many more there are.
pub(super) fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED_MAX)].join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// Models of these keys and fields, each with its file.
    fn models(texts: &[&str]) -> Vec<Arc<Model>> {
        let directory = tempfile::tempdir().expect("a directory");
        for (index, text) in texts.iter().enumerate() {
            let text = format!("name = \"M{index}\"\nversion = \"1\"\n{text}");
            let file = directory.path().join(format!("{index}.toml"));
            std::fs::write(file, text).expect("a file");
        }
        let models = directory.path().display().to_string();
        let environment = [("RINGEST_MODELS".to_owned(), models)];
        let config = Config::development("127.0.0.1:1", None, environment.into_iter());
        config.expect("they are good").models
    }

    fn misfits(texts: &[&str], entries: &[(&str, &str)]) -> Vec<String> {
        let expected = Expected {
            models: models(texts),
            record_bytes_max: 1_000,
            acks_all: true,
        };
        let topics = expected.topics();
        let settings = topics.into_iter().map(|topic| {
            let entries = entries.iter().copied();
            (topic, TopicSettings::new(entries))
        });
        expected.misfits(&settings.collect())
    }

    #[test]
    fn a_compacted_topic_takes_only_keys_that_are_always_there() {
        let compact = [("cleanup.policy", "compact")];
        let why = |model: &str| {
            let lines = misfits(&[model], &compact);
            let why = lines
                .iter()
                .map(|line| line.rsplit(": ").next().unwrap_or_default());
            why.map(str::to_owned).collect::<Vec<_>>()
        };
        let absent = |key| vec![format!("its partition_key {key} may be null or absent")];
        assert_eq!(why(""), ["the model has no partition_key"]);
        assert_eq!(why("partition_key = \"a\"\n"), absent("a"));
        for (fields, key, is_there) in [
            ("a = \"String\"", "a", true),
            ("a = \"Nullable(String)\"", "a", false),
            ("a = { type = \"String\", default = \"x\" }", "a", false),
            ("a = \"Tuple(b String)\"", "a.b", true),
            ("a = \"Tuple(b Nullable(String))\"", "a.b", false),
            ("a = \"JSON(b.c String)\"", "a.b.c", true),
            ("a = \"JSON(b.c String)\"", "a.b.d", false),
        ] {
            let model = format!("partition_key = \"{key}\"\n[fields]\n{fields}\n");
            let expected = if is_there { vec![] } else { absent(key) };
            assert_eq!(why(&model), expected, "{fields}");
        }
        assert_eq!(misfits(&[""], &[("cleanup.policy", "delete")]), [""; 0]);
    }

    #[test]
    fn topics_with_the_same_fault_share_a_line() {
        let lines = misfits(
            &["", "dead_letter_topic = \"dead\"\n"],
            &[("max.message.bytes", "999"), ("min.insync.replicas", "1")],
        );
        assert_eq!(
            lines,
            [
                "limits.record_bytes_max = 1_000 is greater than max.message.bytes of these topics, so \
                 that larger records are answered 413 by the broker's limit: M0_1 (999, model M0/1), \
                 M1_1 (999, model M1/1)",
                "min.insync.replicas is 1: with acks=all a 2xx may mean that one broker only has the \
                 record, for these topics: M0_1, M1_1, dead",
            ]
        );
        let fits = [("max.message.bytes", "1000"), ("min.insync.replicas", "2")];
        assert_eq!(misfits(&[""], &fits), [""; 0]);
        let many: Vec<_> = (0..25).map(|number| number.to_string()).collect();
        assert!(listed(&many).ends_with("18, 19 and 5 more"));
    }

    #[test]
    fn dead_letters_have_no_key() {
        let model =
            "partition_key = \"a\"\ndead_letter_topic = \"dead\"\n[fields]\na = \"String\"\n";
        let [line] = &misfits(&[model], &[("cleanup.policy", "compact")])[..] else {
            panic!("one line")
        };
        assert!(
            line.contains("dead_letter_topic dead is compacted"),
            "{line}"
        );
    }
}
