//! Errors about schemas that cannot be validated, and their positions.

use super::{super::*, read};

/// The errors of the property `v`, from its own pointer on.
fn errors_of(members: &str) -> Vec<String> {
    let text = format!(", \"properties\": {{\"v\": {{{members}}}}}");
    let errors = read(&text).expect_err(members);
    let own = |error: &String| {
        let start = "s.json:1: #/properties/v";
        error.strip_prefix(start).unwrap_or(error).to_owned()
    };
    errors.iter().map(own).collect()
}

/// Members of a schema, and the error about it.
const FAULTS: [(&str, &str); 43] = [
    (
        r#""type": "null""#,
        "/type: \"null\" is not allowed: \"string\", \"integer\", \"number\", \"boolean\", \"object\" or \"array\", or one of them and \"null\"",
    ),
    (
        r#""type": "text""#,
        "/type: \"text\" is not allowed: \"string\", \"integer\", \"number\", \"boolean\", \"object\" or \"array\", or one of them and \"null\"",
    ),
    (
        r#""type": ["string", "integer"]"#,
        "/type: [\"string\", \"integer\"] is not allowed: the name of a type, or one and \
             \"null\"",
    ),
    (
        r#""type": ["null"]"#,
        "/type: [\"null\"] is not allowed: the name of a type, or one and \"null\"",
    ),
    (
        r#""type": 3"#,
        "/type: 3 is not allowed: the name of a type, or one and \"null\"",
    ),
    (
        r#""minLength": 3"#,
        ": \"type\" is missing: without it these keywords are about some of all JSON values \
             only",
    ),
    (
        r#""type": "string", "maxLength": 3"#,
        "/maxLength: \"maxLength\" is not supported",
    ),
    (
        r#""type": "string", "pattern": "a""#,
        "/pattern: \"pattern\" is not supported",
    ),
    (
        r#""type": "string", "fromat": "date""#,
        "/fromat: \"fromat\" is not supported; did you mean \"format\"?",
    ),
    (
        r#""type": "string", "minimum": 3"#,
        "/minimum: \"minimum\" is not supported together with \"type\": \"string\"",
    ),
    (
        r#""type": "string", "format": "email""#,
        "/format: \"email\" is not allowed: \"date-time\", \"date\", \"uuid\", \"ipv4\" or \
             \"ipv6\"",
    ),
    (
        r#""type": "number", "minimum": 3"#,
        "/minimum: \"minimum\" is not supported together with \"type\": \"number\"",
    ),
    (
        r#""type": "integer", "minimum": 0.5"#,
        "/minimum: 0.5 is not allowed: a whole number",
    ),
    (
        r#""type": "integer", "exclusiveMinimum": true"#,
        "/exclusiveMinimum: true is not allowed: a whole number",
    ),
    (
        r#""type": "integer", "minimum": 3, "exclusiveMaximum": 3"#,
        ": minimum 3 is greater than maximum 2",
    ),
    (
        r#""type": "integer", "multipleOf": 3"#,
        "/multipleOf: \"multipleOf\" is not supported",
    ),
    (
        r#""enum": ["a", 1]"#,
        "/enum: [\"a\", 1] is not allowed: distinct strings, and null",
    ),
    (
        r#""enum": ["a", "a"]"#,
        "/enum: [\"a\", \"a\"] is not allowed: distinct strings, and null",
    ),
    (
        r#""enum": [null]"#,
        "/enum: [null] is not allowed: distinct strings, and null",
    ),
    (
        r#""const": 1"#,
        "/const: 1 is not allowed: distinct strings, and null",
    ),
    (
        r#""const": "a", "enum": ["a"]"#,
        "/enum: \"enum\" is not supported together with \"const\"",
    ),
    (
        r#""type": "integer", "enum": ["a"]"#,
        "/type: \"integer\" is not allowed: \"string\", for these are strings",
    ),
    (
        r#""type": "array", "items": false"#,
        "/items: false is not allowed: a schema is an object, or true",
    ),
    (
        r#""type": "array", "items": [true]"#,
        "/items: [true] is not allowed: a schema is an object, or true",
    ),
    (
        r#""type": "array", "uniqueItems": true"#,
        "/uniqueItems: \"uniqueItems\" is not supported; did you mean \"minItems\"?",
    ),
    (
        r#""type": "array", "minItems": 1"#,
        "/minItems: \"minItems\" is not supported together with \"type\": \"array\"",
    ),
    (
        r#""type": "array", "prefixItems": [true]"#,
        "/prefixItems: only together with \"items\": false",
    ),
    (
        r#""type": "array", "prefixItems": [true], "items": false, "minItems": 2"#,
        "/minItems: 2 is not allowed: 1, the number of \"prefixItems\"",
    ),
    (
        r#""type": "array", "prefixItems": [], "items": false"#,
        "/prefixItems: [] is not allowed: an array of schemas, at least one",
    ),
    (
        r#""type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "string"}"#,
        "/additionalProperties: {\"type\": \"string\"} is not allowed: true or false: a schema \
             is not supported together with \"properties\"",
    ),
    (
        r#""type": "object", "properties": {"": {}}"#,
        "/properties/: an empty name",
    ),
    (
        r#""type": "object", "properties": [1]"#,
        "/properties: [1] is not allowed: an object of schemas",
    ),
    (
        r#""type": "object", "properties": {"user": {}}, "required": ["usr"]"#,
        "/required: \"usr\" is not among the properties; did you mean \"user\"?",
    ),
    (
        r#""type": "object", "required": "a""#,
        "/required: \"a\" is not allowed: an array of names, each once",
    ),
    (
        r#""type": "object", "patternProperties": {}"#,
        "/patternProperties: \"patternProperties\" is not supported; did you mean \
             \"additionalProperties\"?",
    ),
    (
        r#""anyOf": [{"type": "string"}, {"type": "number"}]"#,
        "/anyOf: [{\"type\": \"string\"}, {\"type\": \"number\"}] is not allowed: only one \
             schema and { \"type\": \"null\" }",
    ),
    (
        r#""oneOf": [{"type": "string"}]"#,
        "/oneOf: [{\"type\": \"string\"}] is not allowed: only one schema and { \"type\": \
             \"null\" }",
    ),
    (
        r#""oneOf": [true, {"type": "null"}]"#,
        "/oneOf/0: true is not allowed: it already accepts null",
    ),
    (
        r#""anyOf": [{"type": "string"}, {"type": "null"}], "type": "string""#,
        "/type: \"type\" is not supported together with \"anyOf\"",
    ),
    (
        r##""$ref": "#/$defs/none""##,
        "/$ref: \"#/$defs/none\" is not allowed: no such definition in \"$defs\"",
    ),
    (
        r#""$ref": "other.json""#,
        "/$ref: \"other.json\" is not allowed: only \"#/$defs/NAME\" of the same document",
    ),
    (
        r##""$ref": "#/$defs/a/items""##,
        "/$ref: \"#/$defs/a/items\" is not allowed: only \"#/$defs/NAME\" of the same document",
    ),
    (
        r#""$id": "x:y", "type": "string""#,
        "/$id: \"$id\" is supported at the root only",
    ),
];

#[test]
fn unsupported_schemas_are_errors_with_their_position() {
    for (members, expected) in FAULTS {
        assert_eq!(errors_of(members), [expected], "{members}");
    }
}

#[test]
fn a_root_that_is_no_record_is_refused() {
    for (text, expected) in [
        (
            "{\n  \"type\": \"string\"}",
            "s.json:1: #: a record is an object with \"properties\", this is: string",
        ),
        (
            "{\"type\": [\"object\", \"null\"]}",
            "s.json:1: #: a record is an object with \"properties\", this is: object or null",
        ),
        (
            "{\"type\": \"object\",\n\"additionalProperties\": {\"type\": \"string\"}}",
            "s.json:1: #: a record is an object with \"properties\", this is: object of string",
        ),
        (
            "true",
            "s.json:1: #: a record is an object with \"properties\", this is: any JSON value",
        ),
        (
            "\n[]",
            "s.json:2: #: [] is not allowed: a schema is an object, or true",
        ),
        (
            "{\"type\": \"object\",\n\"$schema\": \"http://json-schema.org/draft-07/schema#\"}",
            "s.json:2: #/$schema: \"http://json-schema.org/draft-07/schema#\" is not allowed: \
             \"https://json-schema.org/draft/2020-12/schema\"",
        ),
        (
            "{\"type\": \"object\",\n\"$defs\": []}",
            "s.json:2: #/$defs: [] is not allowed: an object of schemas",
        ),
        (
            "{\"type\": \"object\",\n\"type\": \"object\"}",
            "s.json:2: not valid JSON: \"type\" is a duplicate",
        ),
        (
            "{\n\"type\": \"object\",\n}",
            "s.json:3: not valid JSON: key must be a string at line 3 column 1",
        ),
        (
            "",
            "s.json:1: not valid JSON: EOF while parsing a value at line 1 column 0",
        ),
    ] {
        let mut errors = Vec::new();
        assert_eq!(fields("s.json", text, &mut errors), None, "{text}");
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, [expected], "{text}");
    }
    let mut errors = Vec::new();
    assert_eq!(
        fields("s.json", "{\"type\": \"\\ud800\"}", &mut errors),
        None
    );
    assert!(
        errors[0].message.starts_with("not valid JSON: "),
        "{errors:?}"
    );
}

#[test]
fn everything_wrong_is_said_at_once_each_on_its_line() {
    let members = ",\n\"properties\": {\n\"a\": {\"type\": \"string\", \"minLength\": 1},\n\"b/c\": \
                   {\"type\": \"array\",\n\"items\": {\"type\": \"date\"}},\n\"d\": {\"$ref\": \
                   \"#/$defs/e\"},\n\"f\": {\"$ref\": \"#/$defs/e\"}},\n\"$defs\": {\"e\": {\"type\": \
                   \"boolean\",\n\"not\": {}}}";
    let errors = read(members).expect_err("wrong");
    let starts = [
        "s.json:3: #/properties/a/minLength: \"minLength\" is not supported",
        "s.json:5: #/properties/b~1c/items/type: \"date\" is not allowed: ",
        "s.json:9: #/$defs/e/not: \"not\" is not supported",
    ];
    for (error, start) in errors.iter().zip(starts) {
        assert!(error.starts_with(start), "{error}\n{start}");
    }
    assert_eq!(errors.len(), starts.len(), "{errors:#?}");
}

#[test]
fn recursion_and_growth_are_bounded() {
    let members = r##", "properties": {"v": {"$ref": "#/$defs/a"}}, "$defs": {
        "a": {"type": "array", "items": {"$ref": "#/$defs/b"}},
        "b": {"type": "array", "items": {"$ref": "#/$defs/a"}}}"##;
    let errors = read(members).expect_err("endless");
    assert_eq!(
        errors,
        [
            "s.json:3: #/$defs/b/items/$ref: \"a\" is recursive, through a and b: records of \
             unbounded depth cannot be validated"
        ]
    );

    // Twice as many types from definition to definition.
    let definition = |index: usize| {
        format!(
            r##""d{index}": {{"type": "object", "properties":
            {{"l": {{"$ref": "#/$defs/d{0}"}}, "r": {{"$ref": "#/$defs/d{0}"}}}}}}"##,
            index + 1
        )
    };
    let growing = |levels: usize| {
        let definitions: Vec<_> = (0..levels).map(definition).collect();
        format!(
            r##", "properties": {{"v": {{"$ref": "#/$defs/d0"}}}}, "$defs": {{{}, "d{levels}": true}}"##,
            definitions.join(",")
        )
    };
    assert!(read(&growing(10)).is_ok());
    let errors = read(&growing(25)).expect_err("too many");
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].contains("more than 10000 types, references followed"));

    let nested = |levels: usize| {
        let (open, close) = (
            r#"{"type": "array", "items": "#.repeat(levels),
            "}".repeat(levels),
        );
        format!(", \"properties\": {{\"v\": {open}{{\"type\": \"string\"}}{close}}}")
    };
    // The record itself is the first.
    assert!(read(&nested(Type::DEPTH_MAX - 2)).is_ok());
    let errors = read(&nested(Type::DEPTH_MAX - 1)).expect_err("too deep");
    assert!(
        errors[0].contains("more than 32 nested types"),
        "{errors:?}"
    );
    let errors = read(&nested(10_000)).expect_err("too deep");
    assert!(errors[0].contains("128 levels"), "{errors:?}");
}
