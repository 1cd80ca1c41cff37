//! `[[markup]]` and `[margin]`: what is put on top of a panel's rate, and what a sale must leave.

use crate::config::complaint::shown;
use crate::config::reader::{Later, Section};
use crate::domain::money::{MoneyError, Percent, Rate};
use crate::pricing::markup::{MarkupRule, Scope};

/// The longest pattern of a category.
const PATTERN_BYTES_MAX: usize = 255;
/// What `[margin] floor_percent` is when nothing is said.
const FLOOR_PERCENT: &str = "3";
/// No price is below nothing.
const PERCENT_MIN: &str = "-100";

/// The rules that could be read, in the order of the file.
pub(super) fn read_all(top: &mut Section<'_>) -> Vec<MarkupRule> {
    top.tables("markup").into_iter().map(read).collect()
}

/// The margin's floor; `None` after a complaint.
pub(super) fn margin_floor(top: &mut Section<'_>) -> Option<Percent> {
    let usual = Percent::parse(FLOOR_PERCENT).ok()?;
    let Some(mut section) = top.table("margin") else { return Some(usual) };
    let found = section.amount("floor_percent", Percent::parse);
    let absent = section.peek("floor_percent").is_none();
    if let Some(found) = found.filter(|found| {
        let hundred = Percent::parse("100");
        found.value < Percent::default() || hundred.is_ok_and(|hundred| found.value >= hundred)
    }) {
        section.complain("floor_percent", found.at, "must be at least \"0\" and below \"100\"");
    }
    section.finish();
    found.map(|found| found.value).or(absent.then_some(usual))
}

fn read(mut section: Section<'_>) -> MarkupRule {
    for scope in ["customer", "tier", "service", "provider"] {
        section.later(scope, Later::Absent);
    }
    let category = section.line("category", PATTERN_BYTES_MAX);
    let percent = section.amount("percent", Percent::parse);
    if let Some(percent) = percent.filter(|found| Percent::parse(PERCENT_MIN).is_ok_and(|min| found.value < min)) {
        section.complain(
            "percent",
            percent.at,
            &format!("must be at least \"{PERCENT_MIN}\": no price is below nothing"),
        );
    }
    let fixed = section.amount("fixed", Rate::parse);
    let rounding = rounding(&mut section);
    section.finish();
    MarkupRule {
        scope: category.map_or(Scope::All, |found| Scope::Category(found.value.to_owned())),
        percent: percent.map(|found| found.value).unwrap_or_default(),
        fixed: fixed.map(|found| found.value).unwrap_or_default(),
        rounding,
    }
}

/// `up:STEP`: prices only ever round up, so that no rule can sell below its own markup.
fn rounding(section: &mut Section<'_>) -> Option<Rate> {
    let found = section.text("rounding")?;
    let step = found.value.strip_prefix("up:").ok_or(MoneyError::Unreadable).and_then(Rate::parse);
    let step = step.ok().filter(|step| *step > Rate::default());
    if step.is_none() {
        let what = format!("is {}, must be \"up:\" and a step above zero, such as \"up:0.0001\"", shown(found.value));
        section.complain("rounding", found.at, &what);
    }
    step
}
