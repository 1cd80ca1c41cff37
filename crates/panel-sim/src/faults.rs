//! Misbehaviour on demand: which faults an accepted `add` may meet, how often, and which one this
//! `add` meets.

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;

use super::{chance, money};

/// What can befall an `add`: it is accepted and charged, the order stands, and its answer goes
/// wrong. The last three befall requests of every kind instead, and nothing is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The connection ends without a byte of an answer.
    Drop,
    /// A gateway before the panel answers 502 with a page of HTML.
    BadGateway,
    /// A page of HTML stands where the answer should be, with status 200.
    Html,
    /// The right answer's whole length is said, half of it is sent, and the connection ends.
    Half,
    /// No answer ever comes; the connection stays open until whoever asked leaves, ten minutes at
    /// most.
    Hang,
    /// The right answer comes, three seconds late.
    Slow,
    /// The answer names an id that no order of ours has or will have; the order stands under its
    /// own.
    WrongId,
    /// The answer is stuck: it repeats the id that an `add` was answered with last; the order
    /// stands under its own. What comes before any other answer is answered rightly.
    Duplicate,
    /// The connection ends before the form is read: nothing is placed. What was asked is not known
    /// by then, so this one befalls questions too.
    Unread,
    /// Too many requests, whatever was asked: HTTP 429 with `Retry-After` (five seconds), and at
    /// notpanel's its headers.
    TooFast,
    /// The account is suspended, whatever was asked: HTTP 403.
    Suspended,
}

impl Fault {
    /// Every fault, in the order in which they are told.
    pub const ALL: [Self; 11] = [
        Self::Drop,
        Self::BadGateway,
        Self::Html,
        Self::Half,
        Self::Hang,
        Self::Slow,
        Self::WrongId,
        Self::Duplicate,
        Self::Unread,
        Self::TooFast,
        Self::Suspended,
    ];

    /// Those that befall requests of every kind.
    fn befalls_requests(self) -> bool {
        matches!(self, Self::Unread | Self::TooFast | Self::Suspended)
    }

    /// The name that a spec uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::BadGateway => "502",
            Self::Html => "html",
            Self::Half => "half",
            Self::Hang => "hang",
            Self::Slow => "slow",
            Self::WrongId => "wrong_id",
            Self::Duplicate => "duplicate",
            Self::Unread => "unread",
            Self::TooFast => "429",
            Self::Suspended => "403",
        }
    }
}

/// The habit's name in a spec.
const SKIM: &str = "skim";

/// Certainty; probabilities are whole parts of it, so that no float decides anything.
const PER_MILLE: u16 = 1_000;

/// The most of the next ones that one fault can be said to befall.
const NEXT_MAX: u32 = 1_000_000;

/// Keeps the draws for requests apart from those for adds.
const REQUEST_SALT: u64 = 0x756E_7265_6164;

/// How often a fault befalls what it can befall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Often {
    /// So many in a thousand, as chance has it.
    PerMille(u16),
    /// The next so many, for sure.
    Next(u32),
}

/// Which faults are in force, and how often each befalls. Written as `drop=0.1,502=0.05`; a name
/// alone is certain; `hang*3` befalls the next three and is over then, before any likelihood is
/// asked; the empty text is no fault at all.
///
/// Beside them a habit: `skim=1.5` takes so many percent more from our balance at every order than
/// the charge that is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    befalling: Vec<(Fault, Often)>,
    /// In hundredths of a percent.
    skim: u64,
}

/// Why a text is no spec of faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultsError {
    /// A name that no fault has.
    #[error("unknown fault `{0}`; known are: {known}, {SKIM}",
        known = Fault::ALL.map(Fault::name).join(", "))]
    Unknown(String),
    /// A fault that is named twice.
    #[error("fault `{0}` is named twice")]
    Twice(&'static str),
    /// A likelihood that is none.
    #[error("`{0}` is no likelihood: a number from 0 to 1 with at most three decimals")]
    Likelihood(String),
    /// A number of next ones that is none.
    #[error("`{0}` is no number of next ones: a whole number from 1 to {NEXT_MAX}")]
    Next(String),
    /// A percentage that is none.
    #[error("`{0}` is no percentage: a number from 0 to 100 with at most two decimals")]
    Percentage(String),
    /// An `add` meets one fault at most, so all of them together cannot be more than certain.
    #[error("the likelihoods add up to more than 1")]
    MoreThanCertain,
}

impl Faults {
    /// What it takes for an order that it says costs so much.
    pub(super) fn taken(&self, charge: Decimal) -> Option<Decimal> {
        charge.checked_add(money::share(charge, self.skim, 10_000)?)
    }

    /// The fault that the answer to the `n`-th `add` of this seed meets.
    pub(super) fn befalls_add(&mut self, seed: u64, n: u64) -> Option<Fault> {
        self.draw(seed, n, |fault| !fault.befalls_requests())
    }

    /// The fault that the `n`-th request of this seed meets, whatever it asks.
    pub(super) fn befalls_request(&mut self, seed: u64, n: u64) -> Option<Fault> {
        self.draw(seed ^ REQUEST_SALT, n, Fault::befalls_requests)
    }

    fn draw(&mut self, seed: u64, n: u64, can: impl Fn(Fault) -> bool) -> Option<Fault> {
        self.announced(&can).or_else(|| {
            let mut drawn = chance::below(u64::from(PER_MILLE), seed, n);
            for &(fault, often) in self.befalling.iter().filter(|(fault, _)| can(*fault)) {
                let Often::PerMille(per_mille) = often else {
                    continue;
                };

                match drawn.checked_sub(u64::from(per_mille)) {
                    Some(left) => drawn = left,
                    None => return Some(fault),
                }
            }

            None
        })
    }

    /// Takes one of those that were said to be the next; the last one takes its rule away.
    fn announced(&mut self, can: impl Fn(Fault) -> bool) -> Option<Fault> {
        let at = self
            .befalling
            .iter()
            .position(|(fault, often)| can(*fault) && matches!(often, Often::Next(_)))?;

        let (fault, often) = self.befalling[at];
        match often {
            Often::Next(left) if left > 1 => self.befalling[at].1 = Often::Next(left - 1),
            Often::Next(_) | Often::PerMille(_) => drop(self.befalling.remove(at)),
        }

        Some(fault)
    }
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(spec: &str) -> Result<Self, FaultsError> {
        let mut rules: Vec<(Fault, Often)> = Vec::new();
        let mut skim = None;

        for part in spec
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            if let Some(percent) = part
                .strip_prefix(SKIM)
                .map(str::trim_start)
                .and_then(|rest| rest.strip_prefix('='))
            {
                if skim.is_some() {
                    return Err(FaultsError::Twice(SKIM));
                }

                let percent = percent.trim();
                skim = Some(
                    hundredths(percent)
                        .ok_or_else(|| FaultsError::Percentage(percent.to_owned()))?,
                );

                continue;
            }

            let (fault, often) = rule(part)?;
            if rules.iter().any(|(known, _)| *known == fault) {
                return Err(FaultsError::Twice(fault.name()));
            }

            rules.push((fault, often));
        }

        let likelihood = |(_, often): &(Fault, Often)| match often {
            Often::PerMille(per_mille) => *per_mille,
            Often::Next(_) => 0,
        };

        // Each fault is named once, so the sum of so few small numbers cannot overflow.
        if rules.iter().map(likelihood).sum::<u16>() > PER_MILLE {
            return Err(FaultsError::MoreThanCertain);
        }

        Ok(Self {
            befalling: rules,
            skim: skim.unwrap_or(0),
        })
    }
}

/// One part of a spec: `drop`, `drop=0.1` or `drop*3`.
fn rule(part: &str) -> Result<(Fault, Often), FaultsError> {
    let (name, often) = part
        .find(['=', '*'])
        .map_or((part, "=1"), |at| part.split_at(at));

    let fault = Fault::ALL
        .into_iter()
        .find(|fault| fault.name() == name.trim());

    let fault = fault.ok_or_else(|| FaultsError::Unknown(name.trim().to_owned()))?;
    let (sign, number) = often.split_at(1);
    let number = number.trim();

    if sign == "=" {
        let per_mille =
            per_mille(number).ok_or_else(|| FaultsError::Likelihood(number.to_owned()))?;
        return Ok((fault, Often::PerMille(per_mille)));
    }

    let next = number
        .parse()
        .ok()
        .filter(|next| (1..=NEXT_MAX).contains(next));

    Ok((
        fault,
        Often::Next(next.ok_or_else(|| FaultsError::Next(number.to_owned()))?),
    ))
}

/// `1.5` is 150; nothing that is not a plain number from 0 to 100 with at most two decimals.
fn hundredths(percent: &str) -> Option<u64> {
    let (whole, fraction) = percent.split_once('.').unwrap_or((percent, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 2 || whole.len() > 3 {
        return None;
    }

    format!("{whole}{fraction:0<2}")
        .parse()
        .ok()
        .filter(|hundredths| *hundredths <= 10_000)
}

/// `0.05` is 50; nothing that is not a plain number from 0 to 1 with at most three decimals.
fn per_mille(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
        return None;
    }

    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    let value = whole
        .parse::<u16>()
        .ok()?
        .checked_mul(PER_MILLE)?
        .checked_add(thousandths)?;

    (value <= PER_MILLE).then_some(value)
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (fault, often)) in self.befalling.iter().enumerate() {
            let separator = if n == 0 { "" } else { "," };
            write!(f, "{separator}{}", fault.name())?;

            match *often {
                Often::Next(next) => write!(f, "*{next}")?,
                Often::PerMille(PER_MILLE) => {}
                Often::PerMille(0) => write!(f, "=0")?,
                Often::PerMille(part) => {
                    write!(f, "=0.{}", format!("{part:03}").trim_end_matches('0'))?;
                }
            }
        }

        if self.skim > 0 {
            let separator = if self.befalling.is_empty() { "" } else { "," };
            let percent = Decimal::new(i64::try_from(self.skim).unwrap_or(i64::MAX), 2).normalize();
            write!(f, "{separator}{SKIM}={percent}")?;
        }

        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "unknown fault `flood`; known are: drop, 502, html, half, hang, slow, \
                         wrong_id, duplicate, unread, 429, 403, skim";

    #[test]
    fn specs_are_read_and_shown() {
        for (given, shown) in [
            ("", ""),
            ("drop", "drop"),
            (" drop = 0.10 , 502=0.05,", "drop=0.1,502=0.05"),
            ("502=0.001", "502=0.001"),
            ("drop=1.0", "drop"),
            ("drop=0", "drop=0"),
            ("hang * 3,html=0.2,wrong_id*1", "hang*3,html=0.2,wrong_id*1"),
            ("skim=1", "skim=1"),
            ("skim = 0.25 ,drop", "drop,skim=0.25"),
            ("skim=0", ""),
        ] {
            let faults: Faults = given.parse().unwrap();
            assert_eq!(faults.to_string(), shown, "{given:?}");
            assert_eq!(shown.parse(), Ok(faults));
        }
    }

    #[test]
    fn a_wrong_spec_says_what_is_wrong() {
        let error = |spec: &str| spec.parse::<Faults>().unwrap_err();
        assert_eq!(error("flood").to_string(), KNOWN);
        assert_eq!(error("drop,drop=0"), FaultsError::Twice("drop"));
        assert_eq!(error("drop=0.6,502=0.5"), FaultsError::MoreThanCertain);

        for bad in [
            "", "-1", "1.001", "2", ".5", "0.0001", "1e-1", "half", "99999",
        ] {
            assert_eq!(
                error(&format!("drop={bad}")),
                FaultsError::Likelihood(bad.to_owned())
            );
        }

        for bad in ["", "-1", "100.01", "0.001", ".5", "much"] {
            assert_eq!(
                error(&format!("skim={bad}")),
                FaultsError::Percentage(bad.to_owned())
            );
        }

        assert_eq!(error("skim=1,skim=2"), FaultsError::Twice("skim"));
        assert_eq!(error("skim").to_string(), KNOWN.replace("flood", "skim"));

        for bad in ["", "0", "-1", "1.5", "1000001", "99999999999", "two"] {
            assert_eq!(
                error(&format!("drop*{bad}")),
                FaultsError::Next(bad.to_owned())
            );
        }

        assert_eq!(
            error("drop*0").to_string(),
            "`0` is no number of next ones: a whole number from 1 to 1000000"
        );
    }

    #[test]
    fn a_seed_tells_the_same_story_and_likelihoods_hold() {
        let faults: Faults = "drop=0.1,502=0.05".parse().unwrap();
        let story = |seed| {
            (0..10_000)
                .map(|n| faults.clone().befalls_add(seed, n))
                .collect::<Vec<_>>()
        };

        let told = story(7);
        assert_eq!(told, story(7));
        assert_ne!(told, story(8));
        let count = |fault| told.iter().filter(|met| **met == Some(fault)).count();
        assert!(
            (900..1_100).contains(&count(Fault::Drop)),
            "{}",
            count(Fault::Drop)
        );

        assert!(
            (430..570).contains(&count(Fault::BadGateway)),
            "{}",
            count(Fault::BadGateway)
        );

        assert!((0..100).all(|n| Faults::default().befalls_add(7, n).is_none()));
    }

    #[test]
    fn the_next_ones_meet_what_was_announced_and_then_chance_decides() {
        let mut faults: Faults = "502,hang*2,html*1".parse().unwrap();
        let met: Vec<_> = (0..4)
            .map(|n| faults.befalls_add(1, n).unwrap().name())
            .collect();

        assert_eq!(met, ["hang", "hang", "html", "502"]);
        assert_eq!(faults.to_string(), "502");
    }

    #[test]
    fn what_befalls_requests_of_every_kind_is_drawn_for_them_and_the_rest_for_adds() {
        let mut faults: Faults = "unread*1,drop*1,429*1".parse().unwrap();
        assert_eq!(faults.befalls_add(1, 0), Some(Fault::Drop));
        assert_eq!(
            (faults.befalls_add(1, 1), faults.befalls_request(1, 0)),
            (None, Some(Fault::Unread))
        );

        assert_eq!(
            (faults.befalls_request(1, 1), faults.befalls_request(1, 2)),
            (Some(Fault::TooFast), None)
        );

        assert_eq!(faults, Faults::default());
        let mut faults: Faults = "unread=0.2,drop=0.5,403=0.1".parse().unwrap();
        let met: Vec<_> = (0..10_000).map(|n| faults.befalls_request(7, n)).collect();
        let count = |fault| met.iter().filter(|met| **met == Some(fault)).count();
        assert!(
            (1_850..2_150).contains(&count(Fault::Unread)),
            "{}",
            count(Fault::Unread)
        );

        assert!(
            (900..1_100).contains(&count(Fault::Suspended)),
            "{}",
            count(Fault::Suspended)
        );
    }
}
