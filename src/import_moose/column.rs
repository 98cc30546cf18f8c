//! Columns of the map (`Column` of Moose's `framework/core/infrastructure/table.rs`): which of them
//! clients send.

use super::{
    node::{MapErrors, Node, all},
    types,
};
use crate::model::text;

/// A column of the map.
pub(super) enum Column<'a> {
    /// One that clients send.
    Sent {
        /// Its name.
        name: &'a str,
        /// Its `ClickHouse` type.
        type_: String,
        /// The expression that is used if it is missing.
        default: Option<&'a str>,
        /// Its comment in Moose.
        comment: Option<String>,
    },
    /// One that clients do not send, and why.
    LeftOut {
        /// Its name.
        name: &'a str,
        /// Why.
        why: String,
    },
}

/// The prefix of Moose's metadata in a column's comment.
const METADATA_PREFIX: &str = "[MOOSE_METADATA:DO_NOT_MODIFY]";

/// A column; `parent` is the name of the enclosing field in remarks, `""` for none.
///
/// # Errors
/// Everything in it that ringest does not support.
pub(super) fn column<'a>(
    node: &Node<'a>,
    parent: &str,
    remarks: &mut Vec<String>,
) -> Result<Column<'a>, MapErrors> {
    let name = node.require_text("name")?;
    let text = |key| node.get(key).map(|it| it.text()).transpose();
    for (key, kind) in [("materialized", "MATERIALIZED"), ("alias", "ALIAS")] {
        if let Some(expression) = text(key)? {
            let why = format!("{kind} {expression}; not sent by clients; any value is accepted");
            return Ok(Column::LeftOut { name, why });
        }
    }
    let data_type = node.require("data_type")?;
    if data_type.is_true("jwt") {
        let why = "Moose inserts the claims of the client's token here; ringest forwards records \
            unchanged";
        return Ok(Column::LeftOut {
            name,
            why: why.to_owned(),
        });
    }
    let path = match parent {
        "" => name.to_owned(),
        parent => format!("{parent}.{name}"),
    };
    let mut type_ = types::clickhouse(&data_type, &path, remarks)?;
    let is_required = node.require("required")?;
    let Some(is_required) = is_required.value.as_bool() else {
        return Err(is_required
            .error("true or false is expected".to_owned())
            .into());
    };
    if !is_required {
        type_ = types::nullable(type_);
    }
    for key in ["ttl", "codec"] {
        if let Some(expression) = text(key)? {
            remarks.push(format!(
                "{path}: {} {expression} applies to the table and is not imported",
                key.to_uppercase()
            ));
        }
    }
    let comment = text("comment")?
        .map(|it| it.split(METADATA_PREFIX).next().unwrap_or_default())
        .map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "));
    Ok(Column::Sent {
        name,
        type_: annotated(node, type_, &path, remarks),
        default: text("default")?,
        comment: comment.filter(|it| !it.is_empty()),
    })
}

/// The type as changed by the annotations of its column: they change how it is stored, never which
/// values Moose accepts.
fn annotated(column: &Node<'_>, type_: String, path: &str, remarks: &mut Vec<String>) -> String {
    let annotations = column.get("annotations").map(|it| it.items().collect());
    let annotations: Vec<Node<'_>> = annotations.unwrap_or_default();
    let annotation = |name: &str| {
        let pair = annotations
            .iter()
            .find(|it| it.value.get(0).is_some_and(|it| it == name));
        pair.and_then(|pair| pair.items().nth(1))
    };
    let function = |annotation: &Node<'_>| {
        let name = annotation.get_any(["functionName", "function_name"])?;
        name.value.as_str().map(text::name)
    };
    if let Some(function) = annotation("simpleAggregationFunction").and_then(|it| function(&it)) {
        return format!("SimpleAggregateFunction({function}, {type_})");
    }
    if let Some(function) = annotation("aggregationFunction").and_then(|it| function(&it)) {
        remarks.push(format!(
            "{path}: the table keeps the state of {function}; what clients send is {type_}"
        ));
    } else if annotation("LowCardinality").is_some_and(|it| it.value == true) {
        return format!("LowCardinality({type_})");
    }
    type_
}

/// `{"name": …, "columns": […]}`.
pub(super) fn nested(
    node: &Node<'_>,
    path: &str,
    remarks: &mut Vec<String>,
) -> Result<String, MapErrors> {
    let columns = node.require_items("columns")?;
    let columns = all(columns.iter().map(|it| column(it, path, remarks)))?;
    let mut members = Vec::new();
    for column in columns {
        match column {
            Column::Sent {
                name,
                type_,
                default,
                ..
            } => {
                let type_ = match default {
                    // Moose lets it be omitted, which Nullable expresses.
                    Some(default) if !type_.starts_with("Nullable(") => {
                        remarks.push(format!(
                            "{path}.{name}: may be omitted (default {default}), so Nullable \
                             here; Moose refuses null"
                        ));
                        types::nullable(type_)
                    }
                    _ => type_,
                };
                members.push(format!("{} {type_}", text::name(name)));
            }
            Column::LeftOut { name, why } => remarks.push(format!("{path}.{name}: {why}")),
        }
    }
    Ok(types::object("Nested", &members))
}
