//! Links of the documentation: files and headings that exist.

use std::{collections::BTreeSet, fs, path::Path};

use super::{
    super::examples::{Page, pages},
    ROOT,
};

/// The fragments that GitHub makes of headings.
fn anchors(page: &Page) -> BTreeSet<String> {
    let headings = page.text.lines().filter(|line| line.starts_with('#'));
    let anchors = headings.map(|line| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text
            .chars()
            .filter(|it| it.is_alphanumeric() || " -_".contains(*it));
        kept.map(|it| if it == ' ' { '-' } else { it }).collect()
    });
    anchors.collect()
}

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    let mut links = 0;
    for page in &pages {
        let directory = Path::new(&page.name).parent().expect("a file");
        for link in page
            .text
            .split("](")
            .skip(1)
            .filter_map(|it| it.split(')').next())
        {
            if link.starts_with("https://") {
                continue;
            }
            links += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = if path.is_empty() {
                Path::new(&page.name).to_owned()
            } else {
                directory.join(path)
            };
            let target = Path::new(ROOT).join(&path);
            assert!(target.exists(), "{}: {link}: no such file", page.name);
            if !anchor.is_empty() {
                let target = fs::canonicalize(target).expect("it exists");
                let same = |it: &&Page| {
                    fs::canonicalize(Path::new(ROOT).join(&it.name)).is_ok_and(|it| it == target)
                };
                let target = pages.iter().find(same).expect("a page");
                assert!(
                    anchors(target).contains(anchor),
                    "{}: {link}: no such heading",
                    page.name
                );
            }
        }
    }
    assert!(links > 20, "are they found?");
}
