//! Records that a number makes, so that reading a topic back shows each that was lost, changed,
//! doubled or invented.

use std::collections::BTreeMap;

/// Record number `n`: valid JSON of about 60 to 560 bytes with spaces, an escape and UTF-8 inside,
/// none of which may change on its way.
pub(crate) fn numbered(n: usize) -> Vec<u8> {
    let padding = "x".repeat(n * 7919 % 500);
    format!(r#"{{"n":{n}, "text" : "caf\u00e9 \"é\" 🦀", "pad":"{padding}"}}"#).into_bytes()
}

/// How often each number is among these records. Panics at one that [`numbered`] never made.
pub(crate) fn tally(records: &[Vec<u8>]) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        let number = number(record).filter(|number| numbered(*number) == *record);
        let number = number
            .unwrap_or_else(|| panic!("changed or invented: {}", String::from_utf8_lossy(record)));
        *counts.entry(number).or_default() += 1;
    }
    counts
}

/// Panics unless these are the records 0 to `count - 1`, each once, in any order.
pub(crate) fn assert_all_once(records: &[Vec<u8>], count: usize) {
    let counts = tally(records);
    let lost: Vec<usize> = (0..count).filter(|n| !counts.contains_key(n)).collect();
    let doubled: Vec<usize> = counts
        .iter()
        .filter(|(_, times)| **times > 1)
        .map(|(n, _)| *n)
        .collect();
    let invented: Vec<usize> = counts.range(count..).map(|(n, _)| *n).collect();
    assert!(
        lost.is_empty() && doubled.is_empty() && invented.is_empty(),
        "of {count} records lost {}: {:?}…, doubled {}: {:?}…, invented {invented:?}",
        lost.len(),
        &lost[..lost.len().min(20)],
        doubled.len(),
        &doubled[..doubled.len().min(20)],
    );
}

/// A JSON array of these records.
pub(crate) fn array(records: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let records: Vec<Vec<u8>> = records.into_iter().collect();
    let mut array = vec![b'['];
    array.extend(records.join(&b','));
    array.push(b']');
    array
}

fn number(record: &[u8]) -> Option<usize> {
    let rest = record.strip_prefix(br#"{"n":"#)?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}
