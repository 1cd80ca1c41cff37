//! What is sold: service types, services of our catalog, their routes; and what a panel says it
//! sells.

use crate::domain::choice::Routing;
use crate::domain::id::{ProviderId, ServiceId};
use crate::domain::money::{Money, MoneyError, Rate};
use crate::domain::wish::Parameter;

/// The shape of an order: which parameters it takes and what its price counts. Each is named as the
/// protocol names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(
    missing_docs,
    reason = "the names are the protocol's; `counted` and `parameters` say the rest"
)]
pub enum ServiceType {
    Default,
    Package,
    CustomComments,
    CustomCommentsPackage,
    Mentions,
    MentionsWithHashtags,
    MentionsCustomList,
    MentionsHashtag,
    MentionsUserFollowers,
    MentionsMediaLikers,
    CommentLikes,
    CommentReplies,
    Poll,
    InvitesFromGroups,
    Seo,
    WebTraffic,
}

/// What the units of an order are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// As many as the customer says.
    Quantity,
    /// As many as there are lines in this list.
    Lines(Parameter),
    /// One package.
    Package,
}

/// Other spellings, folded: as panels have them in their catalogs.
const OTHER_SPELLINGS: [(&str, ServiceType); 2] = [
    ("mentionsusersfollowers", ServiceType::MentionsUserFollowers),
    ("mentionshastag", ServiceType::MentionsHashtag),
];

impl ServiceType {
    /// Every type that is sold.
    pub const ALL: [Self; 16] = [
        Self::Default,
        Self::Package,
        Self::CustomComments,
        Self::CustomCommentsPackage,
        Self::Mentions,
        Self::MentionsWithHashtags,
        Self::MentionsCustomList,
        Self::MentionsHashtag,
        Self::MentionsUserFollowers,
        Self::MentionsMediaLikers,
        Self::CommentLikes,
        Self::CommentReplies,
        Self::Poll,
        Self::InvitesFromGroups,
        Self::Seo,
        Self::WebTraffic,
    ];

    /// The protocol's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "Default",
            Self::Package => "Package",
            Self::CustomComments => "Custom Comments",
            Self::CustomCommentsPackage => "Custom Comments Package",
            Self::Mentions => "Mentions",
            Self::MentionsWithHashtags => "Mentions with Hashtags",
            Self::MentionsCustomList => "Mentions Custom List",
            Self::MentionsHashtag => "Mentions Hashtag",
            Self::MentionsUserFollowers => "Mentions User Followers",
            Self::MentionsMediaLikers => "Mentions Media Likers",
            Self::CommentLikes => "Comment Likes",
            Self::CommentReplies => "Comment Replies",
            Self::Poll => "Poll",
            Self::InvitesFromGroups => "Invites from Groups",
            Self::Seo => "SEO",
            Self::WebTraffic => "Web Traffic",
        }
    }

    /// The type of that name, whatever its case and with blanks or underscores between the words.
    pub fn read(text: &str) -> Option<Self> {
        fn letters(text: &str) -> impl Iterator<Item = char> {
            text.chars()
                .filter(|c| !c.is_whitespace() && *c != '_')
                .flat_map(char::to_lowercase)
        }

        let is = |name: &str| letters(name).eq(letters(text));
        let other = || {
            OTHER_SPELLINGS
                .into_iter()
                .find(|(spelt, _)| is(spelt))
                .map(|(_, kind)| kind)
        };

        Self::ALL
            .into_iter()
            .find(|kind| is(kind.name()))
            .or_else(other)
    }

    /// What its units are.
    pub fn counted(self) -> Counted {
        match self {
            Self::Package | Self::CustomCommentsPackage => Counted::Package,
            Self::CustomComments | Self::CommentReplies => Counted::Lines(Parameter::Comments),
            Self::MentionsCustomList => Counted::Lines(Parameter::Usernames),
            Self::Default
            | Self::Mentions
            | Self::MentionsWithHashtags
            | Self::MentionsHashtag
            | Self::MentionsUserFollowers
            | Self::MentionsMediaLikers
            | Self::CommentLikes
            | Self::Poll
            | Self::InvitesFromGroups
            | Self::Seo
            | Self::WebTraffic => Counted::Quantity,
        }
    }

    /// What it needs beside link and quantity, in the order in which it is asked for; some only
    /// beside others ([`Parameter::is_asked_beside`]).
    pub fn parameters(self) -> &'static [Parameter] {
        match self {
            Self::Default | Self::Package => &[],
            Self::CustomComments | Self::CustomCommentsPackage => &[Parameter::Comments],
            Self::Mentions | Self::MentionsCustomList => &[Parameter::Usernames],
            Self::MentionsWithHashtags => &[Parameter::Usernames, Parameter::Hashtags],
            Self::MentionsHashtag => &[Parameter::Hashtag],
            Self::MentionsUserFollowers | Self::CommentLikes => &[Parameter::Username],
            Self::MentionsMediaLikers => &[Parameter::Media],
            Self::CommentReplies => &[Parameter::Username, Parameter::Comments],
            Self::Poll => &[Parameter::AnswerNumber],
            Self::InvitesFromGroups => &[Parameter::Groups],
            Self::Seo => &[Parameter::Keywords],
            Self::WebTraffic => &[
                Parameter::Country,
                Parameter::Device,
                Parameter::TypeOfTraffic,
                Parameter::GoogleKeyword,
                Parameter::ReferringUrl,
            ],
        }
    }

    /// Whether one package is sold and not a number of units.
    pub fn is_package(self) -> bool {
        self.counted() == Counted::Package
    }

    /// Whether the customer says how many.
    pub fn takes_quantity(self) -> bool {
        self.counted() == Counted::Quantity
    }
}

/// What one package costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PackageBilling {
    /// The rate, once.
    #[default]
    Rate,
    /// The rate for the service's minimum: `rate × min / 1000`.
    Min,
}

/// How many units an order is billed for, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// So many units of the rate per 1,000.
    Counted(u64),
    /// One package at the rate.
    Package,
}

impl Units {
    /// What these units cost at `rate`, rounded up.
    pub fn at(self, rate: Rate) -> Result<Money, MoneyError> {
        match self {
            Self::Counted(units) => rate.for_units(units),
            Self::Package => Ok(rate.for_package()),
        }
    }
}

/// One way to have a service delivered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// The panel.
    pub provider: ProviderId,
    /// The panel's own id of the service.
    pub service: String,
}

/// A service as the operator wrote it; what is `None` is taken from the first route's panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRule {
    /// Our id of it.
    pub id: ServiceId,
    /// Shown name.
    pub name: Option<String>,
    /// Its type.
    pub kind: Option<ServiceType>,
    /// Shown category.
    pub category: Option<String>,
    /// Whether refills are offered.
    pub refill: Option<bool>,
    /// Whether cancels are offered.
    pub cancel: Option<bool>,
    /// Fewest units at once.
    pub min: Option<u64>,
    /// Most units at once.
    pub max: Option<u64>,
    /// In the order of the file; never empty.
    pub routes: Vec<Route>,
    /// How one of them is chosen.
    pub routing: Routing,
    /// A fixed price instead of a marked-up cost.
    pub rate: Option<Rate>,
    /// What a package costs.
    pub package_billing: PackageBilling,
    /// How many hours an order of it may stand still before a person is told; as its panel's block
    /// says where `None`.
    pub stuck_after_h: Option<u32>,
}

impl ServiceRule {
    /// A service of which everything is taken from the one panel that delivers it.
    pub fn as_it_comes(id: ServiceId, route: Route) -> Self {
        Self {
            id,
            name: None,
            kind: None,
            category: None,
            refill: None,
            cancel: None,
            min: None,
            max: None,
            routes: vec![route],
            rate: None,
            routing: Routing::default(),
            package_billing: PackageBilling::default(),
            stuck_after_h: None,
        }
    }
}

/// A row of a panel's catalog, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanelService {
    /// The panel's id, opaque text.
    pub service: String,
    /// Its name there.
    pub name: String,
    /// Its type as the panel spells it.
    pub kind: String,
    /// Its category there.
    pub category: String,
    /// The rate as it was sent, up to 11 decimals and more.
    pub rate_text: String,
    /// The rate rounded up to our scale; `None` where it could not be read, and then nothing is
    /// bought there.
    pub rate: Option<Rate>,
    /// The same in the panel's own currency.
    pub own_rate: Option<Rate>,
    /// Fewest units the panel takes.
    pub min: u64,
    /// Most units the panel takes.
    pub max: u64,
    /// Whether the panel refills it.
    pub refill: bool,
    /// Whether the panel cancels it.
    pub cancel: bool,
    /// Whether the panel drip-feeds it.
    pub dripfeed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_are_read_as_panels_spell_them() {
        for (spelt, kind) in [
            ("Default", ServiceType::Default),
            ("default", ServiceType::Default),
            ("custom_comments", ServiceType::CustomComments),
            (
                "Custom Comments Package",
                ServiceType::CustomCommentsPackage,
            ),
            ("POLL", ServiceType::Poll),
            (
                "Mentions Users Followers",
                ServiceType::MentionsUserFollowers,
            ),
            (
                "mentions_user_followers",
                ServiceType::MentionsUserFollowers,
            ),
            ("Mentions Hastag", ServiceType::MentionsHashtag),
            ("invites_from_groups", ServiceType::InvitesFromGroups),
            ("seo", ServiceType::Seo),
        ] {
            assert_eq!(ServiceType::read(spelt), Some(kind), "{spelt}");
        }

        for kind in ServiceType::ALL {
            assert_eq!(ServiceType::read(kind.name()), Some(kind));
        }

        assert_eq!(ServiceType::read("Subscriptions"), None);
        assert_eq!(ServiceType::read(""), None);
    }
}
