//! The routes as JSON, for scripts.

use serde_json::{Value, json};

use crate::route::Route;

/// All routes as a JSON array of objects, with a trailing line end.
pub fn routes_json(routes: &[Route]) -> String {
    let routes = routes.iter().map(|route| {
        let fields = route.model.fields.as_ref().map(|fields| {
            let fields = fields.iter().map(|field| {
                json!({
                    "name": field.name,
                    "type": field.type_.text,
                    "required": !field.may_be_absent,
                })
            });
            fields.collect::<Vec<_>>()
        });
        let example: Value = serde_json::from_str(&route.model.example()).unwrap_or_default();
        json!({
            "method": "POST",
            "path": route.path,
            "model": route.model.name,
            "version": route.model.version.as_str(),
            "topic": route.model.topic,
            "latest": route.latest,
            "fields": fields,
            "example": example,
        })
    });
    format!("{:#}\n", Value::Array(routes.collect()))
}
