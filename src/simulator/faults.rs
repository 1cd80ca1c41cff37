//! Misbehaviour on demand: which faults an accepted `add` may meet, how often, and which one this `add` meets.

use std::{fmt, str::FromStr};

use super::chance;

/// What can befall an `add` that the panel has accepted and charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The connection ends without a byte of an answer.
    Drop,
    /// A gateway before the panel answers 502 with a page of HTML.
    BadGateway,
}

impl Fault {
    /// Every fault, in the order in which a draw looks at them.
    pub const ALL: [Self; 2] = [Self::Drop, Self::BadGateway];

    /// The name that a spec uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::BadGateway => "502",
        }
    }
}

/// Certainty; probabilities are whole parts of it, so that no float decides anything.
const PER_MILLE: u16 = 1_000;

/// Which faults are in force, and how likely each is. Written as `drop=0.1,502=0.05`; a name alone is certain; the
/// empty text is no fault at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<(Fault, u16)>);

/// Why a text is no spec of faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultsError {
    /// A name that no fault has.
    #[error("unknown fault `{0}`; known are: {known}", known = Fault::ALL.map(Fault::name).join(", "))]
    Unknown(String),
    /// A fault that is named twice.
    #[error("fault `{0}` is named twice")]
    Twice(&'static str),
    /// A likelihood that is none.
    #[error("`{0}` is no likelihood: a number from 0 to 1 with at most three decimals")]
    Likelihood(String),
    /// An `add` meets one fault at most, so all of them together cannot be more than certain.
    #[error("the likelihoods add up to more than 1")]
    MoreThanCertain,
}

impl Faults {
    /// The fault that the `n`-th `add` of this seed meets.
    pub(super) fn draw(&self, seed: u64, n: u64) -> Option<Fault> {
        let mut drawn = chance::below(u64::from(PER_MILLE), seed, n);
        for &(fault, per_mille) in &self.0 {
            match drawn.checked_sub(u64::from(per_mille)) {
                Some(left) => drawn = left,
                None => return Some(fault),
            }
        }
        None
    }
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(spec: &str) -> Result<Self, FaultsError> {
        let mut rules: Vec<(Fault, u16)> = Vec::new();
        for part in spec.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, likelihood) = part.split_once('=').map_or((part, "1"), |(n, l)| (n.trim(), l.trim()));
            let fault = Fault::ALL.into_iter().find(|fault| fault.name() == name);
            let fault = fault.ok_or_else(|| FaultsError::Unknown(name.to_owned()))?;
            if rules.iter().any(|(known, _)| *known == fault) {
                return Err(FaultsError::Twice(fault.name()));
            }
            let per_mille = per_mille(likelihood).ok_or_else(|| FaultsError::Likelihood(likelihood.to_owned()))?;
            rules.push((fault, per_mille));
        }
        // Each fault is named once, so the sum of so few small numbers cannot overflow.
        if rules.iter().map(|(_, per_mille)| per_mille).sum::<u16>() > PER_MILLE {
            return Err(FaultsError::MoreThanCertain);
        }
        Ok(Self(rules))
    }
}

/// `0.05` is 50; nothing that is not a plain number from 0 to 1 with at most three decimals.
fn per_mille(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    let value = whole.parse::<u16>().ok()?.checked_mul(PER_MILLE)?.checked_add(thousandths)?;
    (value <= PER_MILLE).then_some(value)
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (fault, per_mille)) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "," };
            write!(f, "{separator}{}", fault.name())?;
            match *per_mille {
                PER_MILLE => {}
                0 => write!(f, "=0")?,
                part => write!(f, "=0.{}", format!("{part:03}").trim_end_matches('0'))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_read_and_shown() {
        for (given, shown) in [
            ("", ""),
            ("drop", "drop"),
            (" drop = 0.10 , 502=0.05,", "drop=0.1,502=0.05"),
            ("502=0.001", "502=0.001"),
            ("drop=1.0", "drop"),
            ("drop=0", "drop=0"),
        ] {
            let faults: Faults = given.parse().unwrap();
            assert_eq!(faults.to_string(), shown, "{given:?}");
            assert_eq!(shown.parse(), Ok(faults));
        }
    }

    #[test]
    fn a_wrong_spec_says_what_is_wrong() {
        let error = |spec: &str| spec.parse::<Faults>().unwrap_err();
        assert_eq!(error("flood").to_string(), "unknown fault `flood`; known are: drop, 502");
        assert_eq!(error("drop,drop=0"), FaultsError::Twice("drop"));
        assert_eq!(error("drop=0.6,502=0.5"), FaultsError::MoreThanCertain);
        for bad in ["", "-1", "1.001", "2", ".5", "0.0001", "1e-1", "half", "99999"] {
            assert_eq!(error(&format!("drop={bad}")), FaultsError::Likelihood(bad.to_owned()));
        }
    }

    #[test]
    fn a_seed_tells_the_same_story_and_likelihoods_hold() {
        let faults: Faults = "drop=0.1,502=0.05".parse().unwrap();
        let story = |seed| (0..10_000).map(|n| faults.draw(seed, n)).collect::<Vec<_>>();
        let told = story(7);
        assert_eq!(told, story(7));
        assert_ne!(told, story(8));
        let count = |fault| told.iter().filter(|met| **met == Some(fault)).count();
        assert!((900..1_100).contains(&count(Fault::Drop)), "{}", count(Fault::Drop));
        assert!((430..570).contains(&count(Fault::BadGateway)), "{}", count(Fault::BadGateway));
        assert!((0..100).all(|n| Faults::default().draw(7, n).is_none()));
    }
}
