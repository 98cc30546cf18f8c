//! The freshness lifetime that response headers declare.

use std::time::{Duration, SystemTime};

use ureq::http::{
    HeaderMap,
    header::{AGE, CACHE_CONTROL, DATE, EXPIRES},
};

/// The freshness lifetime minus the age (RFC 9111 sections 4.2.1 and 4.2.3): `max-age` if present, else
/// from `Date` to `Expires`. An invalid `Expires` is in the past.
///
/// `None` if not declared. `no-store` and `no-cache` are ignored: they do not say when the keys will
/// change, and the keys have to be stored.
pub(super) fn freshness(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let lifetime = max_age(headers).or_else(|| until_expiry(headers, now))?;
    let age = text(headers, AGE).and_then(seconds).unwrap_or_default();
    Some(lifetime.saturating_sub(age))
}

/// Of several, the shortest (RFC 9111 section 4.2.1 leaves it open); an invalid one is 0.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(CACHE_CONTROL).iter();
    let directives = fields.filter_map(|field| field.to_str().ok());
    directives
        .flat_map(|field| field.split(','))
        .filter_map(|directive| {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let is_it = name.trim().eq_ignore_ascii_case("max-age");
            // Token and quoted-string are both allowed (section 5.2).
            is_it.then(|| seconds(value.trim().trim_matches('"')).unwrap_or_default())
        })
        .min()
}

fn until_expiry(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let expires = text(headers, EXPIRES)?;
    let date = text(headers, DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let expires = httpdate::parse_http_date(expires).ok();
    let left = expires.and_then(|it| it.duration_since(date.unwrap_or(now)).ok());
    Some(left.unwrap_or_default())
}

fn text(headers: &HeaderMap, name: ureq::http::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// A `delta-seconds`, saturating (section 1.2.2).
fn seconds(text: &str) -> Option<Duration> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetime_from_headers() {
        const SENT: &str = "date: Sun, 06 Nov 1994 08:49:37 GMT";
        let expires = |second: u64| format!("expires: Sun, 06 Nov 1994 08:49:{second} GMT");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        for (lines, seconds) in [
            (vec![], None),
            (vec!["cache-control: no-cache, no-store"], None),
            (vec!["cache-control: max-age"], Some(0)),
            (vec!["cache-control: x-max-age=1"], None),
            (vec!["cache-control: max-age=60"], Some(60)),
            (vec!["cache-control: public,Max-Age=\"60\", a=b"], Some(60)),
            (vec!["cache-control: max-age=-1"], Some(0)),
            (vec!["cache-control: max-age=x"], Some(0)),
            (
                vec!["cache-control: max-age=99999999999999999999"],
                Some(u64::MAX),
            ),
            (
                vec!["cache-control: max-age=60", "cache-control: max-age=30"],
                Some(30),
            ),
            (vec!["cache-control: max-age=60", "age: 20"], Some(40)),
            (vec!["cache-control: max-age=60", "age: 90"], Some(0)),
            (vec!["cache-control: max-age=60", "expires: 0"], Some(60)),
            (vec!["expires: 0"], Some(0)),
            (vec![SENT, &expires(57)], Some(20)),
            (vec![SENT, &expires(57), "age: 5"], Some(15)),
            (vec![SENT, &expires(37)], Some(0)),
            (vec![SENT, &expires(30)], Some(0)),
            // The local clock, if there is no `Date`.
            (vec![&expires(40)], Some(10)),
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                let (name, value) = line.split_once(": ").expect("a field");
                let name: ureq::http::HeaderName = name.parse().expect("a name");
                headers.append(name, value.parse().expect("a value"));
            }
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(freshness(&headers, now), expected, "{lines:?}");
        }
    }
}
