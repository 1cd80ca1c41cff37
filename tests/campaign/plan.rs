//! What a campaign is: its size, from the command line, and everything that its seed decides.

use std::time::Duration;

use anyhow::{Context, bail};

use crate::amount::{self, Amount};

/// The kinds of fault and their parts in a hundred of all faults. All but the last three leave the
/// gateway without the answer; a slow one comes in time, and the other two are lies.
const FAULTS: [(&str, u32); 9] = [
    ("drop", 24),
    ("502", 14),
    ("html", 12),
    ("half", 12),
    ("hang", 10),
    ("unread", 12),
    ("slow", 8),
    ("wrong_id", 4),
    ("duplicate", 4),
];

/// Customers who buy.
pub const CUSTOMERS: usize = 4;
/// Of so many orders one is sent without a `request_id`, once.
const WITHOUT_REQUEST_ID: u64 = 8;
/// Of so many starts of a gateway one is on a machine whose clock is off by so many seconds at
/// most.
const SKEWED_ONE_IN: u64 = 3;
const SKEW_S_MAX: u64 = 20;
/// Of so many such starts one is off by an hour, and refused.
const FAR_OFF_ONE_IN: u64 = 8;
/// Of so many starts of a gateway one has a log that fails.
const LOG_FAILS_ONE_IN: u64 = 2;
/// Of so many events one takes all gateways at once.
const ALL_AT_ONCE: u64 = 6;
/// The longest that a strike waits for customers, when none come.
pub const BUYING_MAX: Duration = Duration::from_millis(2_500);
/// The longest that a strike waits for a gateway to send: a killed one's lease must run out and be
/// taken over first.
pub const SENDING_MAX: Duration = Duration::from_secs(15);

/// A service that the gateway sells, and what becomes of it at either panel.
#[derive(Debug)]
pub struct Sold {
    pub id: u32,
    pub panel_service: u32,
    /// Our fixed price, with digits that make every rounding show.
    pub rate: &'static str,
    pub package: bool,
    /// Which panel is asked first; the other is the way out.
    pub panels: [&'static str; 2],
}

const fn sold(
    id: u32,
    panel_service: u32,
    rate: &'static str,
    package: bool,
    panels: [&'static str; 2],
) -> Sold {
    Sold {
        id,
        panel_service,
        rate,
        package,
        panels,
    }
}

/// Completed, partial and canceled orders and packages, each at both panels first.
pub const SOLD: [Sold; 8] = [
    sold(1, 1, "1.23456789", false, ["a", "b"]),
    sold(2, 1, "1.23456789", false, ["b", "a"]),
    sold(3, 6, "0.98765431", false, ["a", "b"]),
    sold(4, 6, "0.98765431", false, ["b", "a"]),
    sold(5, 7, "0.87654323", false, ["a", "b"]),
    sold(6, 7, "0.87654323", false, ["b", "a"]),
    sold(7, 2, "1.98765433", true, ["a", "b"]),
    sold(8, 2, "1.98765433", true, ["b", "a"]),
];

/// The size of a campaign and its seed.
#[derive(Debug)]
pub struct Plan {
    pub orders: u32,
    pub kills: u32,
    pub database_kills: u32,
    pub freezes: u32,
    /// Broken ways to the database, of either kind.
    pub cuts: u32,
    /// Ways to the database that swallow everything until a person is told.
    pub silences: u32,
    /// Crowds of connections at a gateway's door until a person is told.
    pub crowds: u32,
    /// Rounds in which workers panic.
    pub panics: u32,
    pub nodes: u32,
    /// How many `add`s of a thousand end without their answer.
    pub faults_per_mille: u32,
    pub seed: u64,
    /// Leaves the scratch folder, with the logs and the database, where it is.
    pub keep: bool,
}

/// What the arguments ask for.
pub enum Asked {
    Run(Plan),
    /// Nothing is to be run, and why.
    Nothing(String),
}

/// What cargo may pass on to every test binary: words that take no value, and words that take one.
const HARNESS_BARE: [&str; 11] = [
    "--nocapture",
    "--no-capture",
    "--quiet",
    "-q",
    "--exact",
    "--include-ignored",
    "--show-output",
    "--test",
    "--bench",
    "--report-time",
    "--shuffle",
];
const HARNESS_WITH_VALUE: [&str; 7] = [
    "--test-threads",
    "--skip",
    "--format",
    "--color",
    "--logfile",
    "--shuffle-seed",
    "-Z",
];

/// Reads the arguments: our own flags, and what a harness would understand.
pub fn read(args: impl Iterator<Item = String>) -> anyhow::Result<Asked> {
    let mut plan = Plan {
        orders: 400,
        kills: 10,
        database_kills: 2,
        freezes: 2,
        cuts: 4,
        silences: 1,
        crowds: 1,
        panics: 1,
        nodes: 2,
        faults_per_mille: 250,
        seed: 7,
        keep: false,
    };

    let mut args = args.peekable();
    let (mut filters, mut skipped) = (Vec::new(), Vec::new());
    let (mut list, mut ignored) = (false, false);

    while let Some(arg) = args.next() {
        let (flag, mut value) = match arg.split_once('=') {
            Some((flag, value)) if flag.starts_with('-') => {
                (flag.to_owned(), Some(value.to_owned()))
            }
            Some(_) | None => (arg, None),
        };

        let mut take = || {
            value
                .take()
                .or_else(|| args.next())
                .with_context(|| format!("{flag} wants a value"))
        };

        match flag.as_str() {
            "--orders" => plan.orders = number(&flag, &take()?, 1, 100_000)?,
            "--kills" => plan.kills = number(&flag, &take()?, 0, 10_000)?,
            "--database-kills" => plan.database_kills = number(&flag, &take()?, 0, 1_000)?,
            "--freezes" => plan.freezes = number(&flag, &take()?, 0, 1_000)?,
            "--cuts" => plan.cuts = number(&flag, &take()?, 0, 1_000)?,
            "--silences" => plan.silences = number(&flag, &take()?, 0, 1_000)?,
            "--crowds" => plan.crowds = number(&flag, &take()?, 0, 1_000)?,
            "--panics" => plan.panics = number(&flag, &take()?, 0, 1_000)?,
            "--nodes" => plan.nodes = number(&flag, &take()?, 1, 6)?,
            "--faults" => plan.faults_per_mille = per_mille(&take()?)?,
            "--seed" => plan.seed = take()?.parse().context("--seed wants a whole number")?,
            "--keep" => plan.keep = true,
            "--list" => list = true,
            "--ignored" => ignored = true,
            "--skip" => skipped.push(take()?),
            bare if HARNESS_BARE.contains(&bare) => {}
            valued if HARNESS_WITH_VALUE.contains(&valued) => drop(take()?),
            filter if !filter.starts_with('-') => filters.push(filter.to_owned()),
            unknown => bail!(
                "{unknown} is no flag; there are --orders, --kills, --database-kills, --freezes, \
                 --cuts, --silences, --crowds, --panics, --nodes, --faults, --seed, --keep"
            ),
        }
    }

    let named = |words: &[String]| words.iter().any(|word| "campaign".contains(word.as_str()));
    if ignored || named(&skipped) || !filters.is_empty() && !named(&filters) {
        return Ok(Asked::Nothing("0 tests".to_owned()));
    }

    Ok(if list {
        Asked::Nothing("campaign: test".to_owned())
    } else {
        Asked::Run(plan)
    })
}

fn number(flag: &str, text: &str, min: u32, max: u32) -> anyhow::Result<u32> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (min..=max).contains(number));
    number.with_context(|| format!("{flag} wants a whole number from {min} to {max}, not {text:?}"))
}

/// `0.25` is 250.
fn per_mille(text: &str) -> anyhow::Result<u32> {
    let read = amount::read(text)
        .ok()
        .map(|amount| amount / 100_000)
        .filter(|read| (0..=1_000).contains(read));

    let read = read.with_context(|| format!("--faults wants a part from 0 to 1, not {text:?}"))?;
    Ok(u32::try_from(read)?)
}

/// Chance that repeats: splitmix64, one stream per use.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    pub fn of(seed: u64, stream: u64) -> Self {
        let mut chance = Self(seed ^ stream.rotate_left(32));
        // Neighbouring streams begin far apart.
        Self(chance.number())
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below the bound, which is at least one.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }

    /// Once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// One thing that a customer wants, once.
#[derive(Clone, Debug)]
pub struct Wish {
    pub customer: usize,
    pub service: &'static Sold,
    pub units: u64,
    /// Every wish has a link of its own: the panels' books tell orders apart by it.
    pub link: String,
    pub request_id: Option<String>,
}

impl Wish {
    /// What it costs by the printed price.
    pub fn charge(&self) -> Amount {
        let rate = amount::read(self.service.rate).expect("a rate of the table above");
        if self.service.package {
            rate
        } else {
            amount::charge(rate, self.units)
        }
    }
}

/// Who is struck, and how.
#[derive(Clone, Copy, Debug)]
pub enum Strike {
    /// Killed.
    Node(usize),
    AllNodes,
    Database,
    /// Stopped in its tracks for longer than its leases last, decided over by others, and let go
    /// on.
    Freeze(usize),
    /// All ways to the database are cut.
    Cut,
    /// A statement that buys is kept back, and whoever sent it is cut off; the database hears of it
    /// later.
    KeepBack,
    /// All ways to the database swallow what is said, and those who come find none.
    Swallow,
    /// A gateway's door is besieged by connections that say nothing.
    Crowd(usize),
    /// Workers of a gateway panic, one kind after the other.
    Panics,
}

/// Where a gateway's log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// Into a file.
    File,
    /// Into a pipe that nobody reads any more.
    Closed,
    /// Onto a disk that is full.
    Full,
}

/// What a gateway's process is given at one of its starts.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// By how many seconds the clock of its machine is off.
    pub skew_s: i64,
    pub log: Log,
}

/// When: counted from the strike before, so that the seed and not the machine's speed decides.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// When so many requests of customers are under way or answered.
    Buying(u64),
    /// When so many `add`s have come to the panels.
    Sending(u64),
    /// At some time.
    Blind(Duration),
}

impl Plan {
    /// Everything that is wanted, in order.
    pub fn wishes(&self) -> Vec<Wish> {
        (0..self.orders).map(|n| self.wish(n)).collect()
    }

    fn wish(&self, n: u32) -> Wish {
        let mut chance = Chance::of(self.seed, 1_000_000 + u64::from(n));
        let customer = index(&mut chance, CUSTOMERS);
        let service = &SOLD[index(&mut chance, SOLD.len())];

        let units = if service.package {
            1
        } else {
            10 + chance.below(990)
        };

        let request_id =
            (!chance.one_in(WITHOUT_REQUEST_ID)).then(|| format!("wish-{n}-of-seed-{}", self.seed));

        Wish {
            customer,
            service,
            units,
            link: format!("https://example.org/{n}"),
            request_id,
        }
    }

    /// Every strike and its moment, in order.
    pub fn strikes(&self) -> Vec<(Strike, Moment)> {
        let mut chance = Chance::of(self.seed, 1);
        let mut strikes = Vec::new();
        let mut left = self.kills;

        while left > 0 {
            if self.nodes > 1 && left >= self.nodes && chance.one_in(ALL_AT_ONCE) {
                strikes.push(Strike::AllNodes);
                left -= self.nodes;
            } else {
                strikes.push(Strike::Node(index(&mut chance, self.nodes as usize)));
                left -= 1;
            }
        }

        let nodes = self.nodes as usize;
        let mut others = vec![Strike::Database; self.database_kills as usize];
        others.extend((0..self.freezes).map(|_| Strike::Freeze(index(&mut chance, nodes))));

        others.extend((0..self.cuts).map(|n| {
            if n % 2 == 0 {
                Strike::KeepBack
            } else {
                Strike::Cut
            }
        }));

        others.extend(vec![Strike::Swallow; self.silences as usize]);
        others.extend((0..self.crowds).map(|_| Strike::Crowd(index(&mut chance, nodes))));
        others.extend(vec![Strike::Panics; self.panics as usize]);

        for strike in others {
            strikes.insert(index(&mut chance, strikes.len() + 1), strike);
        }

        let many = (u64::from(self.orders) / (strikes.len() as u64).max(1) / 2).max(1);
        strikes
            .into_iter()
            .map(|strike| (strike, moment(&mut chance, many)))
            .collect()
    }

    /// What a gateway is given at one of its starts.
    pub fn start(&self, node: usize, start: u64) -> Start {
        let mut chance = Chance::of(self.seed, 20_000_000 + 1_000_000 * node as u64 + start);
        let log = match chance.below(LOG_FAILS_ONE_IN * 2) {
            0 => Log::Closed,
            1 => Log::Full,
            _ => Log::File,
        };

        Start {
            skew_s: self.skew_s(node, start),
            log,
        }
    }

    fn skew_s(&self, node: usize, start: u64) -> i64 {
        let mut chance = Chance::of(self.seed, 10_000 + 1_000 * node as u64 + start);
        if !chance.one_in(SKEWED_ONE_IN) {
            return 0;
        }

        let size = if chance.one_in(FAR_OFF_ONE_IN) {
            3_600
        } else {
            3 + chance.below(SKEW_S_MAX - 3)
        };

        let size = i64::try_from(size).expect("an hour at most");
        if chance.one_in(2) { size } else { -size }
    }

    /// The faults of a panel as it reads them.
    pub fn faults(&self) -> String {
        let part = |(name, of_hundred): (&str, u32)| {
            let per_mille = self.faults_per_mille * of_hundred / 100;
            format!("{name}={}.{:03}", per_mille / 1_000, per_mille % 1_000)
        };
        FAULTS.map(part).join(",")
    }
}

fn moment(chance: &mut Chance, many: u64) -> Moment {
    match chance.below(6) {
        0 | 1 => Moment::Sending(1 + chance.below(many)),
        2..5 => Moment::Buying(1 + chance.below(many)),
        _ => Moment::Blind(Duration::from_millis(chance.below(1_500))),
    }
}

fn index(chance: &mut Chance, len: usize) -> usize {
    usize::try_from(chance.below(len as u64)).expect("below a length")
}
