//! Types of services as this panel knows them: what an order of each must say, and what it is
//! charged for.

use super::details::{Details, Parameter};

/// A type.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its name in the documents.
    name: &'static str,
    /// Other spellings that panels have.
    also: &'static [&'static str],
    pub(super) counts: Counts,
    /// What an order must say beside link and quantity, in the order in which panels complain.
    pub(super) asks: &'static [Parameter],
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    /// As many as are asked for.
    Quantity,
    /// As many as there are lines here.
    Lines(Parameter),
    /// One package, at the rate.
    Package,
}

/// Every type that is sold.
static KINDS: [Kind; 16] = {
    use Counts::{Lines, Package, Quantity};
    use Parameter::{
        AnswerNumber, Comments, Country, Device, GoogleKeyword, Groups, Hashtag, Hashtags,
        Keywords, Media, ReferringUrl, TypeOfTraffic, Username, Usernames,
    };
    [
        kind("Default", Quantity, &[]),
        kind("Package", Package, &[]),
        kind("Custom Comments", Lines(Comments), &[Comments]),
        kind("Custom Comments Package", Package, &[Comments]),
        kind("Mentions", Quantity, &[Usernames]),
        kind("Mentions with Hashtags", Quantity, &[Usernames, Hashtags]),
        kind("Mentions Custom List", Lines(Usernames), &[Usernames]),
        Kind {
            also: &["Mentions Hastag"],
            ..kind("Mentions Hashtag", Quantity, &[Hashtag])
        },
        Kind {
            also: &["Mentions Users Followers"],
            ..kind("Mentions User Followers", Quantity, &[Username])
        },
        kind("Mentions Media Likers", Quantity, &[Media]),
        kind("Comment Likes", Quantity, &[Username]),
        kind("Comment Replies", Lines(Comments), &[Username, Comments]),
        kind("Poll", Quantity, &[AnswerNumber]),
        kind("Invites from Groups", Quantity, &[Groups]),
        kind("SEO", Quantity, &[Keywords]),
        kind(
            "Web Traffic",
            Quantity,
            &[Country, Device, TypeOfTraffic, GoogleKeyword, ReferringUrl],
        ),
    ]
};

const fn kind(name: &'static str, counts: Counts, asks: &'static [Parameter]) -> Kind {
    Kind {
        name,
        also: &[],
        counts,
        asks,
    }
}

impl Kind {
    /// The type of that name, whatever its case and with blanks or underscores between the words.
    pub(super) fn read(spelt: &str) -> Option<&'static Self> {
        let letters = folded(spelt);
        let is = |name: &&str| folded(name) == letters;
        KINDS
            .iter()
            .find(|kind| is(&kind.name) || kind.also.iter().any(is))
    }

    pub(super) fn is_package(&self) -> bool {
        self.counts == Counts::Package
    }

    /// What an order of this type needs, beside what it says already: where visitors come from
    /// decides what else.
    pub(super) fn needs(&self, said: &Details) -> impl Iterator<Item = Parameter> {
        let visitors_come_by = |way| said.text(Parameter::TypeOfTraffic) == Some(way);
        let (by_search, by_link) = (visitors_come_by("1"), visitors_come_by("2"));
        let needed = move |parameter: &Parameter| match parameter {
            Parameter::GoogleKeyword => by_search,
            Parameter::ReferringUrl => by_link,
            Parameter::Comments
            | Parameter::AnswerNumber
            | Parameter::Usernames
            | Parameter::Hashtags
            | Parameter::Hashtag
            | Parameter::Username
            | Parameter::Media
            | Parameter::Groups
            | Parameter::Keywords
            | Parameter::Country
            | Parameter::Device
            | Parameter::TypeOfTraffic => true,
        };

        self.asks.iter().copied().filter(needed)
    }
}

fn folded(name: &str) -> String {
    name.chars()
        .filter(|c| !c.is_whitespace() && *c != '_')
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_panels_spell_them() {
        for (spelt, name) in [
            ("DEFAULT", "Default"),
            ("custom_comments", "Custom Comments"),
            ("Mentions Hastag", "Mentions Hashtag"),
            ("mentions users followers", "Mentions User Followers"),
        ] {
            assert_eq!(Kind::read(spelt).unwrap().name, name);
        }

        assert!(
            KINDS
                .iter()
                .all(|kind| Kind::read(kind.name).is_some_and(|read| read.name == kind.name))
        );

        assert!(Kind::read("Subscriptions").is_none() && Kind::read("").is_none());
    }
}
