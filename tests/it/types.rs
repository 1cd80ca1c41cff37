//! Every type of service: what it needs, what is billed, and that the panel is told exactly that.

use std::fmt::Write;

use panelgate::catalog::Service;
use panelgate::domain::service::ServiceType;

use crate::world::{Plan, World};

const LINK: &str = "https://example.org/types";

/// Services of the panel, enough of them for each type to be there with a small minimum.
const SERVICES: u32 = 1_000;

/// What an order of each type says, beside service and link: everything that it needs, and
/// something that it ignores.
pub const ORDERS: [(ServiceType, &[(&str, &str)]); 19] = [
    (
        ServiceType::Default,
        &[("quantity", "20"), ("usernames", "ignored")],
    ),
    (ServiceType::Package, &[("quantity", "ignored")]),
    (
        ServiceType::CustomComments,
        &[
            ("quantity", "ignored"),
            (
                "comments",
                "one, two\r\n\n three \u{2028}1\u{b}2\u{c}\u{85}3",
            ),
        ],
    ),
    (
        ServiceType::CustomCommentsPackage,
        &[("comments", "one\ntwo")],
    ),
    (
        ServiceType::Mentions,
        &[("quantity", "21"), ("usernames", "ann\r\nbob")],
    ),
    (
        ServiceType::MentionsWithHashtags,
        &[
            ("quantity", "22"),
            ("usernames", "ann\nbob"),
            ("hashtags", "#a\n#b"),
        ],
    ),
    (
        ServiceType::MentionsCustomList,
        &[("usernames", "ann\nbob\ncid\ndan\neve\nfay")],
    ),
    (
        ServiceType::MentionsHashtag,
        &[("quantity", "23"), ("hashtag", "#a")],
    ),
    (
        ServiceType::MentionsUserFollowers,
        &[("quantity", "24"), ("username", "ann")],
    ),
    (
        ServiceType::MentionsMediaLikers,
        &[
            ("quantity", "25"),
            ("media", "https://example.org/p/1?a=1&b=2"),
        ],
    ),
    (
        ServiceType::CommentLikes,
        &[("quantity", "26"), ("username", "ann")],
    ),
    (
        ServiceType::CommentReplies,
        &[
            ("username", "ann"),
            ("comments", "one\ntwo\nthree\nfour\nfive"),
        ],
    ),
    (
        ServiceType::Poll,
        &[("quantity", "27"), ("answer_number", "3")],
    ),
    (
        ServiceType::InvitesFromGroups,
        &[("quantity", "28"), ("groups", "g1\ng2")],
    ),
    (
        ServiceType::Seo,
        &[
            ("quantity", "29"),
            ("keywords", "first, still first\nsecond"),
        ],
    ),
    (
        ServiceType::WebTraffic,
        &[
            ("quantity", "30"),
            ("country", "WW"),
            ("device", "1"),
            ("type_of_traffic", "1"),
            ("google_keyword", "shoes"),
            ("referring_url", "ignored"),
        ],
    ),
    (
        ServiceType::WebTraffic,
        &[
            ("quantity", "31"),
            ("country", "US"),
            ("device", "5"),
            ("type_of_traffic", "2"),
            ("referring_url", "https://example.org/from"),
        ],
    ),
    (
        ServiceType::WebTraffic,
        &[
            ("quantity", "32"),
            ("country", "DE"),
            ("device", "3"),
            ("type_of_traffic", "3"),
            ("google_keyword", "no"),
        ],
    ),
    (
        ServiceType::Default,
        &[("quantity", "33"), ("runs", "0"), ("interval", "0")],
    ),
];

/// A world that sells everything of a large panel.
async fn world() -> World {
    let services = (1..=SERVICES).fold(String::new(), |mut text, id| {
        write!(
            text,
            "[[service]]\nid = {id}\nroutes = [{{ provider = \"a\", service = \"{id}\" }}]\n"
        )
        .unwrap();

        text
    });

    World::build(Plan {
        services_extra: SERVICES - 10,
        services,
        ..Plan::default()
    })
    .await
}

/// The first service of a type that takes five at once.
fn one_of(world: &World, kind: ServiceType) -> Service {
    let now = world.house.catalog.now();
    let fits =
        |sold: &Service| sold.kind == kind && (kind.is_package() || (2..=5).contains(&sold.min));

    now.sold
        .values()
        .find(|sold| fits(sold))
        .unwrap_or_else(|| panic!("no {kind:?}"))
        .as_ref()
        .clone()
}

async fn add(world: &World, sold: &Service, fields: &[(&str, &str)]) -> String {
    let service = sold.id.to_string();
    let order = [
        ("action", "add"),
        ("service", service.as_str()),
        ("link", LINK),
    ];

    world.ask(&[&order[..], fields].concat()).await
}

#[tokio::test]
async fn each_reaches_the_panel_as_it_was_ordered_and_is_billed_by_its_units() {
    let world = world().await;
    let mut told = String::new();

    for (kind, fields) in ORDERS {
        let sold = one_of(&world, kind);
        let answer = add(&world, &sold, fields).await;
        assert!(answer.starts_with(r#"{"order":"#), "{kind:?}: {answer}");
        world.work().await;
        let orders = world.panel().orders();
        let order = orders.last().unwrap();
        assert_eq!(
            (order.link.as_str(), order.service.as_str()),
            (LINK, sold.id.to_string().as_str())
        );

        let charge: String =
            sqlx::query_scalar("select charge::text from orders order by id desc limit 1")
                .fetch_one(&world.pool().await)
                .await
                .unwrap();

        let expected = sold.billed(order.quantity).at(sold.price.rate).unwrap();
        assert_eq!(
            panelgate::domain::money::Money::parse(&charge).unwrap(),
            expected,
            "{kind:?}"
        );

        let details: Vec<_> = order
            .details
            .told()
            .map(|(name, text)| format!(" {name}={text:?}"))
            .collect();

        writeln!(
            told,
            "{}: x{}{}",
            kind.name(),
            order.quantity,
            details.concat()
        )
        .unwrap();
    }

    insta::assert_snapshot!(told, @r##"
    Default: x20
    Package: x1
    Custom Comments: x5 comments="one, two\nthree\n1\n2\n3"
    Custom Comments Package: x1 comments="one\ntwo"
    Mentions: x21 usernames="ann\nbob"
    Mentions with Hashtags: x22 usernames="ann\nbob" hashtags="#a\n#b"
    Mentions Custom List: x6 usernames="ann\nbob\ncid\ndan\neve\nfay"
    Mentions Hashtag: x23 hashtag="#a"
    Mentions User Followers: x24 username="ann"
    Mentions Media Likers: x25 media="https://example.org/p/1?a=1&b=2"
    Comment Likes: x26 username="ann"
    Comment Replies: x5 comments="one\ntwo\nthree\nfour\nfive" username="ann"
    Poll: x27 answer_number="3"
    Invites from Groups: x28 groups="g1\ng2"
    SEO: x29 keywords="first, still first\nsecond"
    Web Traffic: x30 country="WW" device="1" type_of_traffic="1" google_keyword="shoes"
    Web Traffic: x31 country="US" device="5" type_of_traffic="2" referring_url="https://example.org/from"
    Web Traffic: x32 country="DE" device="3" type_of_traffic="3"
    Default: x33
    "##);

    world.pass(1, 10).await;
    let open: i64 = sqlx::query_scalar("select count(*) from orders where state <> 'completed'")
        .fetch_one(&world.pool().await)
        .await
        .unwrap();

    assert_eq!(open, 0);
    world.audit().await;
}

#[tokio::test]
async fn each_needs_all_of_its_parameters() {
    let world = world().await;
    let mut told = String::new();

    for (kind, fields) in ORDERS {
        let sold = one_of(&world, kind);
        for (left_out, value) in fields {
            let others: Vec<_> = fields
                .iter()
                .copied()
                .filter(|(name, _)| name != left_out)
                .collect();

            let answer = add(&world, &sold, &others).await;
            if !answer.starts_with(r#"{"order":"#) {
                writeln!(told, "{} without {left_out}: {answer}", kind.name()).unwrap();
            } else if !value.contains("ignored") && !["0", "no"].contains(value) {
                panic!("{kind:?} was bought without {left_out}");
            }
        }
    }

    insta::assert_snapshot!(told, @r#"
    Default without quantity: {"error":"Missing required parameter: quantity"}
    Custom Comments without comments: {"error":"Missing required parameter: comments"}
    Custom Comments Package without comments: {"error":"Missing required parameter: comments"}
    Mentions without quantity: {"error":"Missing required parameter: quantity"}
    Mentions without usernames: {"error":"Missing required parameter: usernames"}
    Mentions with Hashtags without quantity: {"error":"Missing required parameter: quantity"}
    Mentions with Hashtags without usernames: {"error":"Missing required parameter: usernames"}
    Mentions with Hashtags without hashtags: {"error":"Missing required parameter: hashtags"}
    Mentions Custom List without usernames: {"error":"Missing required parameter: usernames"}
    Mentions Hashtag without quantity: {"error":"Missing required parameter: quantity"}
    Mentions Hashtag without hashtag: {"error":"Missing required parameter: hashtag"}
    Mentions User Followers without quantity: {"error":"Missing required parameter: quantity"}
    Mentions User Followers without username: {"error":"Missing required parameter: username"}
    Mentions Media Likers without quantity: {"error":"Missing required parameter: quantity"}
    Mentions Media Likers without media: {"error":"Missing required parameter: media"}
    Comment Likes without quantity: {"error":"Missing required parameter: quantity"}
    Comment Likes without username: {"error":"Missing required parameter: username"}
    Comment Replies without username: {"error":"Missing required parameter: username"}
    Comment Replies without comments: {"error":"Missing required parameter: comments"}
    Poll without quantity: {"error":"Missing required parameter: quantity"}
    Poll without answer_number: {"error":"Answer number is required"}
    Invites from Groups without quantity: {"error":"Missing required parameter: quantity"}
    Invites from Groups without groups: {"error":"Missing required parameter: groups"}
    SEO without quantity: {"error":"Missing required parameter: quantity"}
    SEO without keywords: {"error":"Missing required parameter: keywords"}
    Web Traffic without quantity: {"error":"Missing required parameter: quantity"}
    Web Traffic without country: {"error":"Missing required parameter: country"}
    Web Traffic without device: {"error":"Missing required parameter: device"}
    Web Traffic without type_of_traffic: {"error":"Missing required parameter: type_of_traffic"}
    Web Traffic without google_keyword: {"error":"Missing required parameter: google_keyword"}
    Web Traffic without quantity: {"error":"Missing required parameter: quantity"}
    Web Traffic without country: {"error":"Missing required parameter: country"}
    Web Traffic without device: {"error":"Missing required parameter: device"}
    Web Traffic without type_of_traffic: {"error":"Missing required parameter: type_of_traffic"}
    Web Traffic without referring_url: {"error":"Missing required parameter: referring_url"}
    Web Traffic without quantity: {"error":"Missing required parameter: quantity"}
    Web Traffic without country: {"error":"Missing required parameter: country"}
    Web Traffic without device: {"error":"Missing required parameter: device"}
    Web Traffic without type_of_traffic: {"error":"Missing required parameter: type_of_traffic"}
    Default without quantity: {"error":"Missing required parameter: quantity"}
    "#);

    world.audit().await;
}

#[tokio::test]
async fn each_reads_its_parameters_strictly_and_in_order() {
    let world = world().await;
    let long = "x".repeat(2_049);

    let traffic = |changed: &[(&'static str, &'static str)]| -> Vec<(&'static str, &'static str)> {
        let usual = [
            ("quantity", "30"),
            ("country", "WW"),
            ("device", "1"),
            ("type_of_traffic", "3"),
        ];

        let kept = usual
            .into_iter()
            .filter(|(name, _)| changed.iter().all(|(other, _)| other != name));

        kept.chain(changed.iter().copied()).collect()
    };

    let cases: Vec<(ServiceType, Vec<(&str, &str)>)> = vec![
        (ServiceType::WebTraffic, traffic(&[("device", "0")])),
        (ServiceType::WebTraffic, traffic(&[("device", "6")])),
        (ServiceType::WebTraffic, traffic(&[("device", "phone")])),
        (
            ServiceType::WebTraffic,
            traffic(&[("type_of_traffic", "4")]),
        ),
        (
            ServiceType::WebTraffic,
            traffic(&[("type_of_traffic", "1"), ("google_keyword", "a\u{7}b")]),
        ),
        (
            ServiceType::WebTraffic,
            traffic(&[("device", "6"), ("country", "")]),
        ),
        (
            ServiceType::WebTraffic,
            traffic(&[("quantity", "1"), ("device", "6")]),
        ),
        (ServiceType::WebTraffic, traffic(&[("quantity", "1")])),
        (
            ServiceType::WebTraffic,
            traffic(&[("runs", "2"), ("interval", "60")]),
        ),
        (
            ServiceType::CommentLikes,
            vec![("quantity", "20"), ("username", &long)],
        ),
        (
            ServiceType::CommentLikes,
            vec![("quantity", "20"), ("username", "a\nb")],
        ),
        (
            ServiceType::CommentLikes,
            vec![("quantity", "20"), ("username", "a"), ("username", "b")],
        ),
        (
            ServiceType::MentionsWithHashtags,
            vec![("quantity", "x"), ("usernames", " ")],
        ),
        (
            ServiceType::MentionsWithHashtags,
            vec![("quantity", "20"), ("usernames", " \n"), ("hashtags", "")],
        ),
        (ServiceType::MentionsCustomList, vec![("usernames", "one")]),
        (
            ServiceType::CommentReplies,
            vec![("username", "a"), ("comments", "one")],
        ),
        (
            ServiceType::Seo,
            vec![
                ("quantity", "20"),
                ("keywords", "k"),
                ("runs", "1"),
                ("runs", "0"),
            ],
        ),
    ];

    let mut told = String::new();
    for (kind, fields) in cases {
        let answer = add(&world, &one_of(&world, kind), &fields).await;
        let said: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!(" {name}={}", &value[..value.len().min(9)]))
            .collect();

        writeln!(
            told,
            "{}{}: {answer}",
            kind.name(),
            said.concat().escape_debug()
        )
        .unwrap();
    }

    insta::assert_snapshot!(told, @r#"
    Web Traffic quantity=30 country=WW type_of_traffic=3 device=0: {"error":"Incorrect parameter: device"}
    Web Traffic quantity=30 country=WW type_of_traffic=3 device=6: {"error":"Incorrect parameter: device"}
    Web Traffic quantity=30 country=WW type_of_traffic=3 device=phone: {"error":"Incorrect parameter: device"}
    Web Traffic quantity=30 country=WW device=1 type_of_traffic=4: {"error":"Incorrect parameter: type_of_traffic"}
    Web Traffic quantity=30 country=WW device=1 type_of_traffic=1 google_keyword=a\u{7}b: {"error":"Incorrect parameter: google_keyword"}
    Web Traffic quantity=30 type_of_traffic=3 device=6 country=: {"error":"Missing required parameter: country"}
    Web Traffic country=WW type_of_traffic=3 quantity=1 device=6: {"error":"Incorrect parameter: device"}
    Web Traffic country=WW device=1 type_of_traffic=3 quantity=1: {"error":"Quantity less than minimum"}
    Web Traffic quantity=30 country=WW device=1 type_of_traffic=3 runs=2 interval=60: {"error":"Drip-feed is not available for this service"}
    Comment Likes quantity=20 username=xxxxxxxxx: {"error":"Incorrect parameter: username"}
    Comment Likes quantity=20 username=a\nb: {"error":"Incorrect parameter: username"}
    Comment Likes quantity=20 username=a username=b: {"error":"Incorrect parameter: username"}
    Mentions with Hashtags quantity=x usernames= : {"error":"Incorrect parameter: quantity"}
    Mentions with Hashtags quantity=20 usernames= \n hashtags=: {"error":"Missing required parameter: usernames"}
    Mentions Custom List usernames=one: {"error":"Quantity less than minimum"}
    Comment Replies username=a comments=one: {"error":"Quantity less than minimum"}
    SEO quantity=20 keywords=k runs=1 runs=0: {"error":"Incorrect parameter: runs"}
    "#);

    assert_eq!(
        world.balance().await,
        r#"{"balance":"1000.00","currency":"USD"}"#
    );

    world.audit().await;
}
