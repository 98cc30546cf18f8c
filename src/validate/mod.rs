//! From a body to the spans of its records, each well-formed JSON and valid for its model.
