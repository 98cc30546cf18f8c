//! Accepted if and only if `serde_json` accepts it.

use proptest::prelude::*;
use ringest::validate::{ErrorCode, Format};

use super::{LIMITS, any_json, any_object, code, records};

/// What `serde_json` says: it validates UTF-8, surrogates and the range of numbers as well.
fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(text).is_ok()
}

/// `text` as the value of a record is accepted if and only if `serde_json` accepts it.
fn assert_as_serde_json(text: &[u8]) {
    for (before, after) in [
        ("{\"k\":", "}"),
        ("[{\"k\":", "},{}]"),
        ("{\"k\":[", ",1]}"),
    ] {
        let body = [before.as_bytes(), text, after.as_bytes()].concat();
        let accepted = records(LIMITS, &body, Format::Json).is_ok();
        // Text such as `1},{"k":2` reaches out of the record: what counts is the whole.
        let expected = is_json(&body) && objects_only(&body);
        assert_eq!(accepted, expected, "{}", String::from_utf8_lossy(&body));
    }
}

fn objects_only(body: &[u8]) -> bool {
    match serde_json::from_slice(body).expect("is JSON") {
        serde_json::Value::Object(_) => true,
        serde_json::Value::Array(elements) => elements.iter().all(serde_json::Value::is_object),
        _ => false,
    }
}

/// Values, one per line.
const GOOD: &str = r#"
0
-0
0.0
-0.0e-0
1E+2
1e2
1.5
123456789012345678901234567890
18446744073709551616
-9223372036854775809
1e308
1e-400
0e99999999999
""
"\u0000"
"\ud83d\uDE00"
"\\\/\b\f\n\r\t\""
"é "
true
false
null
[]
{}
[[]]
[{}]
  1
{"a":1,"a":2}
{"":0}
"#;

/// None of these is a value.
const BAD: &str = r#"

01
-01
00
1.
.5
-.5
+1
1e
1e+
1.e1
--1
-
0x10
1_0
NaN
Infinity
-Infinity
1e400
-1e400
nul
nulll
True
tru
truee
false1
undefined
[1,]
[,1]
[,]
[1 2]
[1
1]
[1}
{"a"}
{"a":}
{"a":1,}
{,}
{a:1}
{'a':1}
'a'
{1:2}
{"a" 1}
{"a":1 "b":2}
{"a":1,,"b":2}
{"a"::1}
"
"\"
"\a"
"\'"
"\x41"
"\u12"
"\u12g4"
"\u+123"
"\ud800"
"\ud800\u0041"
"\udc00"
"\ud800\ud800"
/* c */1
1 // c
#1
1;
\u0031
\1
1\
"a"\
`a`
1 1
{} {}
[1]]
{}}
true false
"a" "b"
"a""b"
"a"b
"#;

#[test]
fn strict_rfc_8259() {
    let lines = |table: &'static str| table[1..].lines();
    for text in lines(GOOD).chain([" \t\r\n1 \t\r\n", "\"\u{7f}\u{2028}\""]) {
        assert!(is_json(text.as_bytes()), "the table: {text:?}");
        assert_as_serde_json(text.as_bytes());
    }
    let control = [
        "\"\n\"", "\"\t\"", "\"\0\"", "\"\x1f\"", "1\0", "true\0", "\x0b1", "1\x0c",
    ];
    let space = ["\u{feff}1", "\u{a0}1", "\u{2028}1", "// c\n1"];
    for text in lines(BAD).chain(control).chain(space) {
        assert!(!is_json(text.as_bytes()), "the table: {text:?}");
        assert_as_serde_json(text.as_bytes());
    }
}

#[test]
fn utf8_is_checked_wherever_it_is() {
    // Stray, overlong, cut, surrogate, beyond U+10FFFF.
    let bad = "80 C080 C3 C328 E282 E08080 EDA080 F09F98 F4908080 F5808080 FF";
    for sequence in bad.split(' ') {
        let hex = u32::from_str_radix(sequence, 16).expect("hex");
        let sequence = &hex.to_be_bytes()[4 - sequence.len() / 2..];
        for filler in [0, 1, 30, 61, 62, 63, 64, 127] {
            let filler = "x".repeat(filler);
            for (before, after) in [
                ("{\"k\":\"", "\"}"),
                ("{\"", "\":1}"),
                ("{\"k\":1}", ""),
                ("{", "}"),
            ] {
                let body = [
                    before.as_bytes(),
                    filler.as_bytes(),
                    sequence,
                    after.as_bytes(),
                ]
                .concat();
                let code = code(LIMITS, &body, Format::Json);
                assert!(code.is_some(), "{body:?}");
                if before.starts_with("{\"") && !before.ends_with('}') {
                    assert_eq!(code, Some(ErrorCode::InvalidUtf8), "{body:?}");
                }
            }
        }
    }
}

/// simd-json classifies bytes by tables and bit tricks: no byte may be misclassified at any position.
#[test]
fn every_byte_at_every_position_as_serde_json() {
    let texts = [
        r#"{"a":[true,-10.5e+3,"x\u00e9\n"],"b":{"c":null},"d":false,"e":[{},[]]}"#,
        r#"[ {"a" : 0 } , {"b":"0123456789012345678901234567890123456789012345678901234567890123"} ]"#,
    ];
    for text in texts {
        for place in 0..=text.len() {
            for byte in 0..=u8::MAX {
                let mut inserted = text.as_bytes().to_vec();
                inserted.insert(place, byte);
                assert_same(&inserted);
                if place < text.len() {
                    let mut replaced = text.as_bytes().to_vec();
                    replaced[place] = byte;
                    assert_same(&replaced);
                }
            }
        }
    }
}

fn assert_same(body: &[u8]) {
    let expected = is_json(body) && objects_only(body);
    match records(LIMITS, body, Format::Json) {
        Ok(_) => assert!(expected, "accepted {}", String::from_utf8_lossy(body)),
        Err(rejection) => {
            let text = String::from_utf8_lossy(body);
            assert!(!expected, "refused {text}: {rejection:?}");
            assert_first_error(body, &rejection.errors[0]);
        }
    }
}

/// The offset of a syntax error is the end of the longest prefix that could begin a JSON text.
fn assert_first_error(body: &[u8], error: &ringest::validate::ValidationError) {
    let text = String::from_utf8_lossy(body);
    assert_ne!(error.message, "not JSON", "{text}");
    assert!(error.offset <= body.len(), "{text}: {error:?}");
    if error.code == ErrorCode::BadJson {
        let before = &body[..error.offset];
        let prefix = serde_json::from_slice::<serde_json::Value>(before).err();
        assert!(
            prefix.is_none_or(|error| error.is_eof()) || before.iter().all(u8::is_ascii_whitespace),
            "there is an earlier error before {} in {text}: {error:?}",
            error.offset,
        );
    }
}

#[test]
fn scalars_are_json_but_not_records() {
    for text in [
        "1",
        "\"a\"",
        "true",
        "null",
        " -1.5 ",
        "[1]",
        "[[]]",
        "[{},null]",
    ] {
        let code = code(LIMITS, text.as_bytes(), Format::Json);
        assert_eq!(code, Some(ErrorCode::NotAnObject), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_object_is_a_record(object in any_object(any_json())) {
        prop_assert!(is_json(object.as_bytes()), "the generator");
        let records = records(LIMITS, object.as_bytes(), Format::Json);
        prop_assert_eq!(records, Ok(vec![object.as_bytes()]));
    }

    #[test]
    fn a_mutated_text_as_serde_json(
        text in any_json(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..4),
    ) {
        let mut text = text.into_bytes();
        for (index, byte, edit) in edits {
            let structural = b"{}[]:,\"\\ 0-.eE\n"[usize::from(byte) % 15];
            match edit {
                0 if !text.is_empty() => { let at = index.index(text.len()); text[at] = byte; },
                1 if !text.is_empty() => { text.remove(index.index(text.len())); }
                2 => text.insert(index.index(text.len() + 1), structural),
                _ => text.truncate(index.index(text.len() + 1)),
            }
        }
        assert_same_or_scalar(&text);
    }

    #[test]
    fn any_bytes_as_serde_json(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_same_or_scalar(&bytes);
    }
}

fn assert_same_or_scalar(text: &[u8]) {
    assert_same(text);
    let element = [b"[{\"k\":", text, b"}]"].concat();
    assert_same(&element);
}
