//! Live edits of 5,000 services with five routes each, while customers ask and buy: how long until
//! a gateway sells by an edit, and how long its requests take meanwhile.
//!
//! `cargo bench --bench reload` prints a table and writes `target/tmp/reload.json`. It needs
//! PostgreSQL's programs (as `panelgate serve` does without a database of its own) and takes about
//! a minute and a half.
//!
//! The gateway is a real one: its door, its workers and its file watch over a private server that
//! writes to the disc. Customers and panels share the machine with it, each on a thread of their
//! own. The clock of an edit starts when the watch finds that the file stood still and judges it;
//! it ends when requests are sold to by it. The file is read before, while it must stand still:
//! that has a column of its own, and `work` is both.

mod edits;
mod ground;
mod load;
mod marks;
mod report;

use std::time::{Duration, Instant};

use crate::edits::{Edit, Kind};
use crate::ground::{Ground, Node};
use crate::load::Load;
use crate::marks::{Marks, Step};
use crate::report::{Report, Timing};

/// Edits of one gateway alone, and of one of two.
const EDITS: usize = 24;
const EDITS_OF_TWO: usize = 12;
/// Times that all catalogs are read anew.
const READINGS: usize = 4;
/// Requests are counted as answered outside of reloads once they begin so long after one.
const REST: Duration = Duration::from_millis(700);
/// An edit that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// How exactly the end is seen.
const LOOK_EVERY: Duration = Duration::from_micros(500);

fn main() -> anyhow::Result<()> {
    let marks = Marks::watch();
    let ground = Ground::prepare()?;
    let first = ground.open("one", &ground.first)?;
    let load = Load::begin(&ground, first.url()?);
    std::thread::sleep(REST);
    let mut alone = Vec::new();

    for edit in edits::some(&ground.first, EDITS) {
        alone.push(timed(&edit, &first, None, &marks)?);
        std::thread::sleep(REST);
    }

    let mut readings = Vec::new();
    for nth in 0..READINGS {
        readings.push(ground.read_catalogs(&first, nth)?);
        std::thread::sleep(REST);
    }

    // With a file that was in force before: the second gateway serves what is in force now.
    let second = ground.open("two", &ground.first)?;
    let mut both = Vec::new();

    for edit in edits::some(&ground.first, EDITS_OF_TWO)
        .iter()
        .filter(|edit| edit.kind != Kind::Broken)
    {
        both.push(timed(edit, &first, Some(&second), &marks)?);
        std::thread::sleep(REST);
    }

    let answers = load.end();
    let bought = answers.iter().filter(|answer| answer.bought).count();
    let failed = answers.iter().filter(|answer| !answer.good).count();

    let report = Report {
        alone,
        both,
        readings,
        answers,
        file_bytes: ground.first.len(),
        about: ground.about()?,
    };

    let parity = (ground.orders()?, bought);
    ground.close([first, second]);
    report.print(parity)?;
    anyhow::ensure!(failed == 0, "{failed} requests failed");

    anyhow::ensure!(
        parity.0 == parity.1,
        "{} orders are kept, and {} were answered",
        parity.0,
        parity.1
    );

    Ok(())
}

/// Saves an edit as an editor does, and follows it until it is sold by, or refused.
fn timed(edit: &Edit, node: &Node, second: Option<&Node>, marks: &Marks) -> anyhow::Result<Timing> {
    marks.forget();
    let saved = Instant::now();
    node.save(&edit.text)?;
    let hash = panelgate::config::hash(edit.text.as_bytes());

    let wait = |until: &dyn Fn() -> bool| {
        while !until() {
            anyhow::ensure!(
                saved.elapsed() < PATIENCE,
                "{:?} is not in force after {PATIENCE:?}",
                edit.kind
            );

            std::thread::sleep(LOOK_EVERY);
        }

        Ok(Instant::now())
    };

    let end = match edit.kind {
        Kind::Broken => wait(&|| marks.at(Step::PutAside).is_some())?,
        Kind::Price | Kind::Markup | Kind::Route => wait(&|| node.sells_by() == hash)?,
    };

    let second = second
        .map(|second| wait(&|| second.sells_by() == hash))
        .transpose()?;

    let judged = marks.at(Step::Judged).unwrap_or(saved);
    Ok(Timing {
        kind: edit.kind,
        saved,
        judged,
        opened: marks.at(Step::Opened),
        read: marks.at(Step::Read),
        planned: marks.at(Step::Planned),
        published: marks.at(Step::Published),
        end,
        second,
    })
}
