//! Forms of each question and dialect, and what a type of order takes.

use super::*;
use std::collections::BTreeMap;

use uuid::Uuid;

use crate::domain::id::{LegId, OrderId, ProviderId, PublicId, ServiceId};
use crate::domain::money::{Money, Rate};
use crate::domain::provider::PanelDialect;
use crate::domain::service::{Route, ServiceType};
use crate::domain::wish::{Detail, Parameter};
use crate::upstream::dialect::{Ask, SpokenDialect};

/// How notpanel's adds end.
const NAME: &str = "&request_id=pg-00000000000000000000000001-2";

/// Lists with `|` between their lines.
type Told = &'static [(Parameter, &'static str)];

fn leg(kind: ServiceType, details: Told) -> LeasedLeg {
    let lines = |text: &str| text.split('|').map(ToOwned::to_owned).collect();
    let detail = |text: &str, list| {
        if list {
            Detail::Lines(lines(text))
        } else {
            Detail::Text(text.to_owned())
        }
    };

    LeasedLeg {
        leg: LegId(1),
        order: OrderId(1),
        public: PublicId(Uuid::from_u128(1)),
        n: 2,
        attempt: 1,
        unsent: 0,
        route: Route {
            provider: ProviderId("p".into()),
            service: "17".into(),
        },
        kind,
        link: "https://e.x/?a=1&b=2".into(),
        units: 100,
        details: details
            .iter()
            .map(|(parameter, text)| (*parameter, detail(text, parameter.is_list())))
            .collect(),
        cost: Money::ZERO,
        sold_as: ServiceId(1),
        charge: Money::ZERO,
        quoted_cost: Money::ZERO,
        quoted_rate: Rate::default(),
    }
}

fn written(dialect: PanelDialect, ask: Ask<'_>) -> String {
    let form = SpokenDialect::new(dialect, BTreeMap::new()).form(ask);
    form.map(|form| serde_urlencoded::to_string(form).unwrap())
        .unwrap_or_default()
}

#[test]
fn an_add_says_what_its_type_takes_and_nothing_else() {
    use Parameter::*;
    let start = "action=add&service=17&link=https%3A%2F%2Fe.x%2F%3Fa%3D1%26b%3D2";

    let cases: [(ServiceType, Told, &str); 16] = [
        (ServiceType::Default, &[], "&quantity=100"),
        (ServiceType::Package, &[], ""),
        (
            ServiceType::CustomComments,
            &[(Comments, "so good|+1, да")],
            "&comments=so+good%0A%2B1%2C+%D0%B4%D0%B0",
        ),
        (
            ServiceType::CustomCommentsPackage,
            &[(Comments, "a")],
            "&comments=a",
        ),
        (
            ServiceType::Mentions,
            &[(Usernames, "a|b")],
            "&quantity=100&usernames=a%0Ab",
        ),
        (
            ServiceType::MentionsWithHashtags,
            &[(Usernames, "a|b"), (Hashtags, "c|d")],
            "&quantity=100&usernames=a%0Ab&hashtags=c%0Ad",
        ),
        (
            ServiceType::MentionsCustomList,
            &[(Usernames, "a|b")],
            "&usernames=a%0Ab",
        ),
        (
            ServiceType::MentionsHashtag,
            &[(Hashtag, "#c")],
            "&quantity=100&hashtag=%23c",
        ),
        (
            ServiceType::MentionsUserFollowers,
            &[(Username, "a")],
            "&quantity=100&username=a",
        ),
        (
            ServiceType::MentionsMediaLikers,
            &[(Media, "m")],
            "&quantity=100&media=m",
        ),
        (
            ServiceType::CommentLikes,
            &[(Username, "a")],
            "&quantity=100&username=a",
        ),
        (
            ServiceType::CommentReplies,
            &[(Username, "a"), (Comments, "b|c")],
            "&comments=b%0Ac&username=a",
        ),
        (
            ServiceType::Poll,
            &[(AnswerNumber, "3")],
            "&quantity=100&answer_number=3",
        ),
        (
            ServiceType::InvitesFromGroups,
            &[(Groups, "g|h")],
            "&quantity=100&groups=g%0Ah",
        ),
        (
            ServiceType::Seo,
            &[(Keywords, "k")],
            "&quantity=100&keywords=k",
        ),
        (
            ServiceType::WebTraffic,
            &[
                (Country, "WW"),
                (Device, "5"),
                (TypeOfTraffic, "2"),
                (ReferringUrl, "r"),
            ],
            "&quantity=100&country=WW&device=5&type_of_traffic=2&referring_url=r",
        ),
    ];

    for (kind, details, rest) in cases {
        for dialect in PanelDialect::ALL {
            let named = if dialect == PanelDialect::Notpanel {
                NAME
            } else {
                ""
            };

            let add = written(dialect, Ask::Add(&leg(kind, details)));
            assert_eq!(add, format!("{start}{rest}{named}"), "{dialect:?} {kind:?}");
        }
    }
}

#[test]
fn the_name_of_an_add_is_its_legs_at_every_attempt() {
    let first = leg(ServiceType::Default, &[]);
    let of = |leg: &LeasedLeg| {
        SpokenDialect::new(PanelDialect::Notpanel, BTreeMap::new())
            .request_id(leg)
            .unwrap()
    };

    assert_eq!(of(&first), &NAME["&request_id=".len()..]);
    assert_eq!(
        of(&LeasedLeg {
            attempt: 7,
            leg: LegId(9),
            ..first.clone()
        }),
        of(&first)
    );

    assert_ne!(
        of(&LeasedLeg {
            n: 3,
            ..first.clone()
        }),
        of(&first)
    );

    assert_ne!(
        of(&LeasedLeg {
            public: PublicId(Uuid::from_u128(2)),
            ..first.clone()
        }),
        of(&first)
    );

    let last = LeasedLeg {
        public: PublicId(Uuid::from_u128(u128::MAX)),
        n: i32::MAX,
        ..first
    };

    assert!(of(&last).len() <= 128, "what panels take at most");
}

#[test]
fn one_thing_is_asked_for_by_itself_and_several_together() {
    let orders = ["1", "10", "ord_1"].map(|id| PanelOrder(id.into()));
    let refills = ["7", "ref_8"].map(|id| PanelRefill(id.into()));

    for dialect in PanelDialect::ALL {
        let written = |ask| written(dialect, ask);
        assert_eq!(written(Ask::Status(&orders[..1])), "action=status&order=1");
        assert_eq!(
            written(Ask::Status(&orders)),
            "action=status&orders=1%2C10%2Cord_1"
        );

        assert_eq!(written(Ask::Cancel(&orders[..1])), "action=cancel&orders=1");
        assert_eq!(written(Ask::Services { from: 0 }), "action=services");
        assert_eq!(
            written(Ask::Services { from: 500 }),
            "action=services&offset=500"
        );

        assert_eq!(written(Ask::Balance), "action=balance");
    }

    for dialect in [PanelDialect::Classic, PanelDialect::Notpanel] {
        assert_eq!(
            written(dialect, Ask::Refill(&orders[0])),
            "action=refill&order=1"
        );

        assert_eq!(
            written(dialect, Ask::RefillStatus(&refills[..1])),
            "action=refill_status&refill=7"
        );

        assert_eq!(
            written(dialect, Ask::RefillStatus(&refills)),
            "action=refill_status&refills=7%2Cref_8"
        );
    }

    let dialect = SpokenDialect::new(PanelDialect::Paynow, BTreeMap::new());
    assert!(
        dialect.form(Ask::Refill(&orders[0])).is_none()
            && dialect.form(Ask::RefillStatus(&refills)).is_none()
    );
}
