//! `exp`, `nbf`, `iat` (RFC 7519 sections 4.1.4 to 4.1.6) that stay on their side while the table is
//! gone through; what changes sides has its own tests.

use crate::auth::{
    case::{
        Cases,
        Expected::{Accepted, Denied, Open},
    },
    issuers::{ED, HS, full},
    token::now,
};

pub(crate) fn add(cases: &mut Cases) {
    expiry(cases);
    not_before(cases);
    issued_at(cases);
    leeway(cases);
}

fn expiry(cases: &mut Cases) {
    let now = now();
    let (past, future) = (now - 3_600, now + 3_600);
    let bad = [
        ("an hour ago", past.to_string()),
        ("a second ago", (now - 1).to_string()),
        ("this second", now.to_string()),
        ("a second ago and a half", format!("{}.5", now - 2)),
        ("0", "0".to_owned()),
        ("-0", "-0".to_owned()),
        ("1", "1".to_owned()),
        ("-1", "-1".to_owned()),
        ("in the future, negative", format!("-{future}")),
        ("-1e308", "-1e308".to_owned()),
        ("-(2^63)", i64::MIN.to_string()),
        ("1e-400", "1e-400".to_owned()),
        ("an hour ago, as a float", format!("{past}.0")),
        ("an hour ago, with an exponent", format!("{past}e0")),
        ("null", "null".to_owned()),
        ("true", "true".to_owned()),
        ("a string", format!("\"{future}\"")),
        ("an ISO date", r#""2999-01-01T00:00:00Z""#.to_owned()),
        ("an empty string", r#""""#.to_owned()),
        ("a string that is never", r#""never""#.to_owned()),
        ("an array", format!("[{future}]")),
        ("an empty array", "[]".to_owned()),
        ("an object", format!(r#"{{"exp":{future}}}"#)),
        ("a number with a plus", format!("+{future}")),
        ("a hexadecimal number", format!("0x{future:x}")),
        ("Infinity", "Infinity".to_owned()),
    ];
    for (name, exp) in bad {
        cases.jwt(
            &format!("exp: {name}"),
            &ED.jwt().claim("exp", &exp),
            Denied,
        );
    }
    cases.jwt("no exp", &ED.jwt().without_claim("exp"), Denied);
    let other = ED
        .jwt()
        .without_claim("exp")
        .claim("EXP", &future.to_string());
    cases.jwt("EXP for exp", &other, Denied);
    let header = ED
        .jwt()
        .without_claim("exp")
        .header("exp", &future.to_string());
    cases.jwt("exp in the header alone", &header, Denied);
    let good = [
        ("a minute ahead", (now + 600).to_string()),
        ("an hour ahead and a half second", format!("{future}.5")),
        ("an hour ahead, with an exponent", format!("{future}e0")),
        ("the year 9999", "253402300799".to_owned()),
    ];
    for (name, exp) in good {
        cases.jwt(
            &format!("exp: {name}"),
            &ED.jwt().claim("exp", &exp),
            Accepted,
        );
    }
    // As numbers they are in the future; few can represent them.
    for exp in [
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551",
        "18446744073709552",
        "18446744073709551615",
        "18446744073709551616",
        "1e19",
        "1e300",
        "1e308",
        "1e309",
        "340282366920938463463374607431768211456",
    ] {
        cases.jwt(&format!("exp: {exp}"), &ED.jwt().claim("exp", exp), Open);
    }
    let digits = "9".repeat(1_000);
    cases.jwt(
        "exp: a thousand digits",
        &ED.jwt().claim("exp", &digits),
        Open,
    );
    let fraction = format!("{past}.{digits}");
    cases.jwt(
        "exp: an hour ago and many digits",
        &ED.jwt().claim("exp", &fraction),
        Denied,
    );
}

fn not_before(cases: &mut Cases) {
    let now = now();
    let future = now + 3_600;
    let bad = [
        ("an hour ahead", future.to_string()),
        ("ten minutes ahead", (now + 600).to_string()),
        ("an hour ahead, as a float", format!("{future}.5")),
        ("an hour ahead, with an exponent", format!("{future}e0")),
        ("the year 9999", "253402300799".to_owned()),
        ("1e308", "1e308".to_owned()),
        ("2^64", "18446744073709551616".to_owned()),
        ("null", "null".to_owned()),
        ("false", "false".to_owned()),
        ("a string", "\"0\"".to_owned()),
        ("an empty string", "\"\"".to_owned()),
        ("an array", "[0]".to_owned()),
        ("an object", "{}".to_owned()),
    ];
    for (name, nbf) in bad {
        cases.jwt(
            &format!("nbf: {name}"),
            &HS.jwt().claim("nbf", &nbf),
            Denied,
        );
    }
    let good = [
        ("an hour ago", (now - 3_600).to_string()),
        ("now", now.to_string()),
        ("a float of the past", format!("{}.25", now - 5)),
        ("0", "0".to_owned()),
    ];
    for (name, nbf) in good {
        cases.jwt(
            &format!("nbf: {name}"),
            &HS.jwt().claim("nbf", &nbf),
            Accepted,
        );
    }
    for nbf in ["-1", "-1e308", "-9223372036854775808", "1e-400"] {
        cases.jwt(&format!("nbf: {nbf}"), &HS.jwt().claim("nbf", nbf), Open);
    }
    let empty = HS.jwt().claim("nbf", &(now + 3_600).to_string());
    let empty = empty.claim("exp", &(now + 1_800).to_string());
    cases.jwt("nbf after exp", &empty, Denied);
}

/// It says how old a token is (RFC 7519 section 4.1.6); nothing says that it must be past.
fn issued_at(cases: &mut Cases) {
    let now = now();
    cases.jwt(
        "iat: now",
        &HS.jwt().claim("iat", &now.to_string()),
        Accepted,
    );
    cases.jwt(
        "iat: a year ago",
        &HS.jwt().claim("iat", "1600000000"),
        Accepted,
    );
    let future = (now + 3_600).to_string();
    for iat in [
        future.as_str(),
        "-1",
        "1e308",
        "null",
        "true",
        "\"1\"",
        "[]",
        "{}",
    ] {
        let name = if iat == future { "an hour ahead" } else { iat };
        cases.jwt(&format!("iat: {name}"), &HS.jwt().claim("iat", iat), Open);
    }
}

/// A minute, for one issuer.
fn leeway(cases: &mut Cases) {
    let now = now();
    let at = |seconds: i64| now.saturating_add_signed(seconds).to_string();
    cases.jwt(
        "leeway: expired a minute ago",
        &full().claim("exp", &at(-60)),
        Denied,
    );
    cases.jwt(
        "leeway: expired an hour ago",
        &full().claim("exp", &at(-3_600)),
        Denied,
    );
    cases.jwt(
        "leeway: good in half a minute",
        &full().claim("nbf", &at(30)),
        Accepted,
    );
    cases.jwt(
        "leeway: good in ten minutes",
        &full().claim("nbf", &at(600)),
        Denied,
    );
    cases.jwt("leeway: exp 0", &full().claim("exp", "0"), Denied);
    cases.jwt("leeway: exp -59", &full().claim("exp", "-59"), Denied);
    cases.jwt(
        "leeway: exp 2^64 - 1",
        &full().claim("exp", "18446744073709551615"),
        Open,
    );
    cases.jwt(
        "leeway: nbf 5, below the leeway",
        &full().claim("nbf", "5"),
        Accepted,
    );
}
