//! `[[import]]`: which panels' catalogs are sold as they come.

use std::collections::BTreeSet;

use crate::catalog::imports::ImportRule;
use crate::config::complaint::{did_you_mean, shown};
use crate::config::reader::Section;
use crate::domain::id::ProviderId;

/// The longest pattern.
const PATTERN_BYTES_MAX: usize = 255;
/// The most patterns in one list; every row of a catalog is tried on each.
const PATTERNS_MAX: usize = 200;
/// The last first id: as many as are ever given fit above it.
const IDS_FROM_MAX: i64 = 2_000_000_000;

/// The imports that could be read, in the order of the file; `providers` are the ids of all panels
/// of the file.
pub(super) fn read_all(top: &mut Section<'_>, providers: &BTreeSet<&str>) -> Vec<ImportRule> {
    top.tables("import")
        .into_iter()
        .filter_map(|section| read(section, providers))
        .collect()
}

fn read(mut section: Section<'_>, providers: &BTreeSet<&str>) -> Option<ImportRule> {
    section.require("provider", "\"smosale\"");
    section.require("ids_from", "20000");
    let provider = provider(&mut section, providers);
    let categories = patterns(&mut section, "categories");

    if categories.as_ref().is_some_and(Vec::is_empty) {
        section.complain_whole(
            "categories is empty and takes nothing; leave it out to take every category",
        );
    }

    let exclude = patterns(&mut section, "exclude");
    let ids_from = section.whole("ids_from", 1..=IDS_FROM_MAX);
    section.finish();

    Some(ImportRule {
        provider: provider?,
        categories: categories.unwrap_or_default(),
        exclude: exclude.unwrap_or_default(),
        ids_from: ids_from?,
    })
}

fn provider(section: &mut Section<'_>, providers: &BTreeSet<&str>) -> Option<ProviderId> {
    let found = section.text("provider")?;
    if !providers.contains(found.value) {
        let hint = did_you_mean(found.value, providers.iter().copied());
        let what = format!("unknown provider {}{hint}", shown(found.value));
        let what = if hint.is_empty() {
            format!("{what}; add a [[provider]] block of that id")
        } else {
            what
        };

        section.complain("provider", found.at, &what);
        return None;
    }

    Some(ProviderId(found.value.to_owned()))
}

/// `None` where the list is not there, or is wrong and was complained about.
fn patterns(section: &mut Section<'_>, key: &'static str) -> Option<Vec<String>> {
    let found = section.texts(key)?;
    if found.len() > PATTERNS_MAX {
        section.complain_whole(&format!(
            "{key} has {} patterns, at most {PATTERNS_MAX}",
            found.len()
        ));
    }

    let right = |text: &str| {
        !text.trim().is_empty()
            && text.len() <= PATTERN_BYTES_MAX
            && !text.chars().any(char::is_control)
    };

    for wrong in found.iter().filter(|pattern| !right(pattern.value)) {
        let what = format!(
            "holds {}, each pattern must be 1 to {PATTERN_BYTES_MAX} bytes of printable text, \
             such as \"Telegram*\"",
            shown(wrong.value)
        );

        section.complain(key, wrong.at, &what);
    }

    Some(
        found
            .into_iter()
            .map(|pattern| pattern.value.to_owned())
            .collect(),
    )
}
