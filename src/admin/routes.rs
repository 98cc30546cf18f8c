//! The routes as JSON, for scripts.

use serde_json::json;

use crate::route::Route;

/// All routes as a JSON array of objects, with a trailing line end.
pub fn routes_json(routes: &[Route]) -> String {
    let routes = routes.iter().map(|route| {
        json!({
            "method": "POST",
            "path": route.path,
            "model": route.model.name,
            "version": route.model.version.as_str(),
            "topic": route.model.topic,
            "latest": route.latest,
        })
    });
    format!("{:#}\n", serde_json::Value::Array(routes.collect()))
}
