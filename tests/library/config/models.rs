//! Models: where they are looked for, and what is wrong with them.

mod beside;
mod fields;
mod locations;
mod schema;

use std::{fs, os::unix::fs::symlink, sync::Arc};

use ringest::model::Model;

use super::{LEAST, MODEL, Place, least_and};

#[test]
fn the_models_of_the_environment_are_relative_to_the_file_too() {
    let place = Place::new(&format!("models = \"nowhere\"\n{LEAST}"));
    assert!(place.load(&[("RINGEST_MODELS", "models")]).is_ok());
    fs::create_dir(place.directory.path().join("empty")).expect("a directory");
    assert_eq!(
        place.errors(&[("RINGEST_MODELS", "empty")]),
        ["environment variable RINGEST_MODELS: models: no model (*.toml) in empty"]
    );
}

#[test]
fn models_are_read_in_the_order_of_their_files() {
    let place = Place::new(LEAST);
    place.model("a", "name = \"Zebra\"\nversion = \"1.10\"\n");
    let models = place.directory.path().join("models");
    fs::create_dir(models.join("dir.toml")).expect("a directory");
    fs::write(models.join("notes.txt"), "not a model").expect("written");
    let config = place.load(&[]).expect("good");
    assert_eq!(config.warnings, [""; 0]);
    let names: Vec<_> = config
        .models
        .iter()
        .map(|model| model.name.as_str())
        .collect();
    assert_eq!(names, ["Zebra", "Event"]);
}

/// What macOS, Emacs and vi leave, and a `ConfigMap` of Kubernetes: the files are links into a hidden
/// directory, which is itself a link.
#[test]
fn hidden_files_are_passed_over() {
    let place = Place::new(LEAST);
    let models = place.directory.path().join("models");
    fs::write(models.join("._event.toml"), b"\x00\x05\x16\x07\xff").expect("written");
    symlink("nobody@nowhere.1:2", models.join(".#event.toml")).expect("linked");
    fs::write(models.join(".event.toml.swp"), "b0VIM").expect("written");
    fs::create_dir(models.join("..2026_11_29")).expect("a directory");
    let mounted = models.join("..2026_11_29/order.toml");
    fs::write(mounted, "name = \"Order\"\nversion = \"1\"\n").expect("written");
    symlink("..2026_11_29", models.join("..data")).expect("linked");
    symlink("..data/order.toml", models.join("order.toml")).expect("linked");
    let config = place.load(&[]).expect("good");
    let names: Vec<_> = config.models.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["Event", "Order"]);
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn files_that_look_like_models_and_are_not_read_are_named() {
    let place = Place::new(LEAST);
    let models = place.directory.path().join("models");
    for directory in ["v2/orders", "v2/.git"] {
        fs::create_dir_all(models.join(directory)).expect("a directory");
    }
    for file in [
        "a.yaml",
        "b.YML",
        "c.json",
        "event.schema.json",
        "d.TOML",
        "toml",
        "v2/e.toml",
        "v2/e.json",
        "v2/orders/f.toml",
        "v2/.git/g.toml",
    ] {
        fs::write(models.join(file), "{}").expect("written");
    }
    // It contains itself.
    symlink(".", models.join("v2/again")).expect("linked");
    // A schema that a model uses.
    place.model(
        "z",
        "name = \"Z\"\nversion = \"1\"\nfields_from = \"event.schema.json\"\n",
    );
    let schema = r#"{"type":"object","properties":{"a":{"type":"string"}}}"#;
    fs::write(models.join("event.schema.json"), schema).expect("written");
    let not_read = "; not read: a.yaml, b.YML, c.json, d.TOML, v2/e.toml and 1 more";
    let [warning] = &place.load(&[]).expect("good").warnings[..] else {
        panic!("one warning")
    };
    assert!(
        warning.contains("ringest.toml: models: only the *.toml in "),
        "{warning}"
    );
    assert!(warning.ends_with(not_read), "{warning}");
    // Where there is no model, they are probably meant.
    for model in ["event", "z"] {
        fs::remove_file(models.join(model).with_extension("toml")).expect("removed");
    }
    let errors = place.errors(&[]);
    assert!(
        errors[0].contains("ringest.toml: models: no model (*.toml) in "),
        "{errors:?}"
    );
    assert!(errors[0].contains("; not read: a.yaml, "), "{errors:?}");
}

#[test]
fn everything_wrong_with_the_models_is_said_at_once() {
    let place = Place::new(&least_and("linger.ms = 1.0.0\n").replace("linger.ms = 1.0.0\n", ""));
    let long_name = format!("a{}", "b".repeat(128));
    let long_topic = "t".repeat(250);
    place.model(
        "1",
        "nmae = \"X\"\nname = \"1X\"\nversion = 1.0\nfields = 3\n",
    );
    place.model(
        "2",
        &format!("name = \"{long_name}\"\nversion = \"1.x\"\ntopic = \"{long_topic}\"\n"),
    );
    place.model(
        "3",
        "partition_key = 1\ndead_letter_topic = \"b/\"\nunknown_fields = \"refuse\"\n\
         on_invalid = true\n[fields]\na = 1\nb = { typ = \"String\" }\n",
    );
    place.model("4", "name = \"EVENT\"\nversion = \"01.00\"\n");
    place.model(
        "5",
        "name = \"T\"\nversion = \"1\"\ntopic = \"..\"\nunknown_fields = \"reject\"\n",
    );
    place.model("6", "name = \n");
    let errors = place.errors(&[("RINGEST_WORKERS", "x")]);
    let expected = [
        "environment variable RINGEST_WORKERS: workers: \"x\" is not allowed: ",
        "models/1.toml:1: nmae: unknown key; did you mean \"name\"?",
        "models/1.toml:2: name: \"1X\" is not allowed: a letter, then letters, digits, ",
        "models/1.toml:3: version: 1.0 is not allowed: numbers separated by dots, such as \
         \"1.0\", ",
        "models/1.toml:4: fields: not allowed: this is a section, [fields]",
        "models/2.toml:1: name: ",
        "models/2.toml:2: version: \"1.x\" is not allowed: ",
        "models/2.toml:3: topic: ",
        "models/3.toml: name: missing: ",
        "models/3.toml: version: missing: ",
        "models/3.toml:1: partition_key: 1 is not allowed: a path of fields such as \"user.id\"; \
         names with dots in double quotes",
        "models/3.toml:2: dead_letter_topic: \"b/\" is not allowed: letters, digits, ",
        "models/3.toml:3: unknown_fields: \"refuse\" is not allowed: \"forward\" or \"reject\"",
        "models/3.toml:4: on_invalid: true is not allowed: \"reject_all\" or \"accept_valid\"",
        "models/3.toml:6: fields.a: 1 is not allowed: a type such as \"String\", or ",
        "models/3.toml:7: fields.b.typ: unknown key; did you mean \"type\"?",
        "models/3.toml:7: fields.b: { typ = \"String\" } is not allowed: a type such as ",
        "models/5.toml:3: topic: \"..\" is not allowed: ",
        "models/5.toml:4: unknown_fields: \"reject\" is not allowed: without [fields] every field \
         is unknown",
        "models/6.toml:1: not valid TOML: ",
        "models/event.toml:1: name: Event 1.0 is a duplicate of EVENT 01.00 of models/4.toml: case and ",
    ];
    for (error, start) in errors.iter().zip(expected) {
        assert!(error.starts_with(start), "{error}\n{start}");
    }
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
}

#[test]
fn names_and_topics_up_to_their_bounds() {
    let place = Place::new(LEAST);
    let name = format!("a{}", "_".repeat(127));
    let topic = "t".repeat(249);
    place.model(
        "a",
        &format!("name = \"{name}\"\nversion = \"1\"\ntopic = \"{topic}\"\n"),
    );
    let config = place.load(&[]).expect("good");
    assert_eq!(
        (&config.models[0].name, &config.models[0].topic),
        (&name, &topic)
    );
}

/// The one model of this text, after its name and version.
fn model(text: &str) -> Arc<Model> {
    let place = Place::new(LEAST);
    place.model("event", &format!("{MODEL}{text}"));
    match place.load(&[]) {
        Ok(config) => Arc::clone(&config.models[0]),
        Err(errors) => panic!("{text}\n{errors}"),
    }
}

/// What is wrong with such a model, without the file's name: line 3 is the first of the text.
fn errors(text: &str) -> Vec<String> {
    let place = Place::new(LEAST);
    place.model("event", &format!("{MODEL}{text}"));
    let errors = place.errors(&[]).into_iter();
    errors
        .map(|it| it.replace("models/event.toml:", ""))
        .collect()
}
