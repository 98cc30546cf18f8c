//! From what was seen of a place to its type.

use super::{formats::FORMATS, seen::Seen};
use crate::model::text;

/// Different texts of a `LowCardinality` at most, and how many times as many there must be of all.
const LOW_CARDINALITY: (usize, u64) = (50, 20);

/// Members from which on an object whose members are all alike may be a map.
const MAP_MEMBERS: usize = 20;

/// Types within one another, at most.
const DEPTH_MAX: usize = 8;

/// The type of a place, as a model writes it; else why there is none.
pub(super) type Guess = Result<String, &'static str>;

/// The members of so many objects with their guesses, in the order of their first appearance.
pub(super) fn guesses(members: &[(String, Seen)], objects: u64) -> Vec<(&str, &Seen, Guess)> {
    within(members, objects, 0)
}

fn within(members: &[(String, Seen)], objects: u64, depth: usize) -> Vec<(&str, &Seen, Guess)> {
    let guesses = members.iter().map(|(name, seen)| {
        let guess = match name.as_str() {
            "" => Err("a field needs a name"),
            _ => guess(seen, seen.times < objects, depth),
        };
        (name.as_str(), seen, guess)
    });
    guesses.collect()
}

/// Calls `note` with each place within a member, such as `user.tags[]`, about which its type does not say all.
pub(super) fn notes(path: &str, seen: &Seen, note: &mut impl FnMut(&str, String)) {
    notes_within(path, seen, 0, note);
}

fn notes_within(path: &str, seen: &Seen, depth: usize, note: &mut impl FnMut(&str, String)) {
    if seen.integers + seen.fractions > 0 && number(seen) == "Float64" && seen.rounded > 0 {
        let times = seen.rounded;
        let text =
            format!("{times} beyond 2^53, which Float64 rounds; Int256 or UInt256 keeps integers");
        note(path, text);
    }
    if let (Some(elements), true) = (&seen.elements, depth < DEPTH_MAX) {
        notes_within(&format!("{path}[]"), elements, depth + 1, note);
    }
    if seen.objects == 0 || !object(seen, depth).starts_with("Tuple(") {
        return;
    }
    for (name, member, guess) in within(&seen.members, seen.objects, depth + 1) {
        let path = format!("{path}.{}", text::key(name));
        match guess {
            Ok(_) => notes_within(&path, member, depth + 1, note),
            Err(reason) => note(&path, format!("no element of the Tuple: {reason}")),
        }
    }
}

fn guess(seen: &Seen, may_be_absent: bool, depth: usize) -> Guess {
    let numbers = seen.integers + seen.fractions;
    let kinds = [
        seen.booleans,
        numbers,
        seen.texts,
        seen.arrays,
        seen.objects,
    ];
    let type_ = match kinds.map(|it| it > 0) {
        [false, false, false, false, false] => return Err("only null was seen"),
        [true, false, false, false, false] => "Bool".to_owned(),
        [false, true, false, false, false] => number(seen).to_owned(),
        [false, false, true, false, false] => of_texts(seen),
        [false, false, false, true, false] => array(seen, depth)?,
        [false, false, false, false, true] => object(seen, depth),
        _ => return Err("values of different kinds were seen"),
    };
    Ok(if seen.nulls > 0 || may_be_absent {
        format!("Nullable({type_})")
    } else {
        type_
    })
}

fn number(seen: &Seen) -> &'static str {
    match (seen.fractions, seen.large, seen.negative) {
        (0, 0, _) => "Int64",
        (0, _, 0) => "UInt64",
        (0, _, _) => "Int128",
        _ => "Float64",
    }
}

fn of_texts(seen: &Seen) -> String {
    let format = seen.is_not.iter().position(|is_not| !is_not);
    let (most, times) = LOW_CARDINALITY;
    let few = seen.different.len() <= most;
    match format.map(|index| FORMATS[index]) {
        Some("DateTime") => match seen.digits {
            0 => "DateTime".to_owned(),
            digits => format!("DateTime64({})", digits.next_multiple_of(3).min(9)),
        },
        Some(format) => format.to_owned(),
        None if few && seen.texts >= times * seen.different.len() as u64 => {
            "LowCardinality(String)".to_owned()
        }
        None => "String".to_owned(),
    }
}

fn array(seen: &Seen, depth: usize) -> Guess {
    if depth == DEPTH_MAX {
        return Err("it is nested too deeply");
    }
    let elements = seen.elements.as_deref().filter(|it| it.times > 0);
    let elements = elements.ok_or("only empty arrays were seen")?;
    Ok(format!("Array({})", guess(elements, false, depth + 1)?))
}

fn object(seen: &Seen, depth: usize) -> String {
    if depth == DEPTH_MAX || seen.others.is_some() {
        return "JSON".to_owned();
    }
    let guesses = within(&seen.members, seen.objects, depth + 1);
    if let Some(value) = of_map(seen, &guesses) {
        return format!("Map(String, {value})");
    }
    let known = guesses
        .iter()
        .filter_map(|(name, _, guess)| Some((name, guess.as_ref().ok()?)));
    let elements: Vec<String> = known
        .map(|(name, type_)| format!("{} {type_}", text::name(name)))
        .collect();
    if elements.is_empty() {
        return "JSON".to_owned();
    }
    format!("Tuple({})", elements.join(", "))
}

/// The type of a map's values: where there are many members, of one type, and most objects lack most of them.
fn of_map(seen: &Seen, guesses: &[(&str, &Seen, Guess)]) -> Option<String> {
    let given: u64 = seen.members.iter().map(|(_, it)| it.times).sum();
    let is_sparse = given * 2 < seen.objects * seen.members.len() as u64;
    if seen.members.len() < MAP_MEMBERS || !is_sparse {
        return None;
    }
    let bare = |guess: &Guess| {
        let type_ = guess.as_ref().ok()?;
        let inner = type_.strip_prefix("Nullable(")?.strip_suffix(')')?;
        Some(inner.to_owned())
    };
    let mut types = guesses.iter().map(|(_, _, guess)| bare(guess));
    let first = types.next()??;
    if types.any(|it| it.as_ref() != Some(&first)) {
        return None;
    }
    let has_nulls = seen.members.iter().any(|(_, it)| it.nulls > 0);
    Some(if has_nulls {
        format!("Nullable({first})")
    } else {
        first
    })
}
