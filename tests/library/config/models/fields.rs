//! `[fields]`: types, defaults, and what becomes of other fields.

use ringest::model::{Kind, UnknownFields};

use super::{errors, model};

#[test]
fn fields_are_in_the_order_of_the_file_with_their_types() {
    let model = model(
        "unknown_fields = \"reject\"\n[fields]\nz = \"String\"\n\"a.b\" = { type = \
         \"Nullable(Int8)\", default = 0 }\nc = { type = \"UInt8\" }\n\"say \\\"hi\\\"\" = 'Bool'\n\
         \"naïve\" = \"UUID\"\n",
    );
    assert_eq!(model.unknown_fields, UnknownFields::Reject);
    let fields = model.fields.as_ref().expect("declared").iter();
    let shown: Vec<_> = fields
        .map(|it| (it.name.as_str(), it.type_.text.as_str(), it.may_be_absent))
        .collect();
    assert_eq!(
        shown,
        [
            ("z", "String", false),
            ("a.b", "Nullable(Int8)", true),
            ("c", "UInt8", false),
            ("say \"hi\"", "Bool", false),
            ("naïve", "UUID", false),
        ]
    );
    let kinds: Vec<_> = model
        .fields
        .iter()
        .flatten()
        .map(|it| &it.type_.kind)
        .collect();
    assert_eq!(*kinds[4], Kind::Uuid);
}

#[test]
fn without_fields_or_with_none_of_them() {
    assert_eq!(model("").fields, None);
    let none = model("unknown_fields = \"forward\"\n[fields]\n");
    assert_eq!(none.fields, Some(Vec::new()));
    assert_eq!(none.unknown_fields, UnknownFields::Forward);
}

#[test]
fn a_type_that_is_none_is_shown_with_its_fault() {
    assert_eq!(
        errors(
            "[fields]\na = \"Int8\"\nb = \"Map(String, Strng)\"\nc = { type = \"Int8)\", default = 1 }\n"
        ),
        [
            "5: fields.b: unknown type \"Strng\"; did you mean String?",
            "    Map(String, Strng)",
            "                ^",
            "6: fields.c: the type should end here (not ')')",
            "    Int8)",
            "        ^",
        ]
    );
}

#[test]
fn everything_wrong_with_fields() {
    const TYPE: &str = "a type such as \"String\", or { type = \"…\", default = … }";
    let text = "[fields]\na.b = \"String\"\n\"\" = \"String\"\nc = 3\nd = { tpe = \"String\" }\n\
                e = [\"String\"]\nf = { type = 3, default = 4 }\ng = { type = \"UInt8\", defualt = 4 }\n\
                h = {}\n[fields.k]\nx = 1\n";
    assert_eq!(
        errors(text),
        [
            format!("4: fields.a: not a type: {TYPE}; a name with a dot is quoted: \"a.b\""),
            "5: fields.: an empty name".to_owned(),
            format!("6: fields.c: 3 is not allowed: {TYPE}"),
            "7: fields.d.tpe: unknown key; did you mean \"type\"?".to_owned(),
            format!("7: fields.d: {{ tpe = \"String\" }} is not allowed: {TYPE}"),
            format!("8: fields.e: [\"String\"] is not allowed: {TYPE}"),
            format!("9: fields.f: {{ type = 3, default = 4 }} is not allowed: {TYPE}"),
            "10: fields.g.defualt: unknown key; did you mean \"default\"?".to_owned(),
            format!("11: fields.h: {{}} is not allowed: {TYPE}"),
            format!("13: fields.k: not a type: {TYPE}; a name with a dot is quoted: \"k.x\""),
        ]
    );
    assert_eq!(
        errors("[fields]\na = \"String\"\na = \"Int8\"\n"),
        ["5: not valid TOML: duplicate key"]
    );
}
