//! Failures that a SmartPanel would take for an order's death: polls that fail have no body, at
//! whichever layer they fail, unless whoever asks shows a key of notpanel's dialect.

use panelgate::customers::keys::NewKey;
use panelgate::domain::customer::Dialect;
use panelgate::store::customers;
use reqwest::Method;

use crate::forms::{FORM, told};
use crate::world::{Plan, World, all_of};

/// What asks how orders or refills stand.
const POLLS: [&str; 4] = [
    "action=status&order=1",
    "action=STATUS&orders=1,2",
    "action=refill_status&refill=1",
    "refill=1",
];
/// What asks for anything else.
const OTHERS: [&str; 4] = [
    "action=services",
    "action=cancel&order=1",
    "action=refill&order=1",
    "action=add",
];

/// How what fails is answered.
struct Failure {
    status: u16,
    error: &'static str,
}

const LIMITED: Failure = Failure {
    status: 429,
    error: r#"{"error":"Rate limit exceeded"}"#,
};
const BROKEN: Failure = Failure {
    status: 500,
    error: r#"{"error":"Internal error, retry later"}"#,
};

impl Failure {
    /// Polls with this key, which all fail, are answered with this body.
    async fn of_polls(&self, world: &World, key: &str, body: &str) {
        for poll in POLLS {
            let by_form = world
                .bare(Method::POST, "")
                .body(format!("key={key}&{poll}"));

            let by_query = world.bare(Method::GET, poll).header("x-api-key", key);
            for request in [by_form.header("content-type", FORM), by_query] {
                let answer = told(request.send().await.unwrap()).await;
                assert_eq!(answer, (self.status, body.to_owned()), "{key}: {poll}");
            }
        }
    }

    /// Whatever is no poll fails in words.
    async fn of_others(&self, world: &World, key: &str) {
        for other in OTHERS {
            let request = world
                .bare(Method::POST, "")
                .body(format!("key={key}&{other}"));

            let answer = told(request.header("content-type", FORM).send().await.unwrap()).await;
            assert_eq!(
                answer,
                (self.status, self.error.to_owned()),
                "{key}: {other}"
            );
        }
    }
}

/// A key of notpanel's dialect that was made before these had a beginning of their own.
async fn old_letters_key(world: &World) -> String {
    let key = NewKey::draw().unwrap();
    let mut tx = world.house.store.begin().await.unwrap();
    let now = world.house.clock.now();
    let (digest, shown) = (key.digest(), key.shown());

    customers::add_key(
        &mut tx,
        world.customer,
        &digest,
        shown,
        "",
        Dialect::Notpanel,
        now,
    )
    .await
    .unwrap();

    tx.commit().await.unwrap();
    key.reveal().to_owned()
}

#[tokio::test]
async fn a_poll_too_many_has_no_body_unless_a_notpanel_key_is_shown() {
    let world = World::open().await;
    let (old, new) = (
        old_letters_key(&world).await,
        world.key_speaking(Dialect::Notpanel).await,
    );

    assert!(old.starts_with("pgk_") && new.starts_with("pgn_"));
    sqlx::query("update api_key set per_minute = 1")
        .execute(&world.pool().await)
        .await
        .unwrap();

    for (key, body) in [(&world.key, ""), (&old, ""), (&new, LIMITED.error)] {
        let first = world
            .bare(Method::GET, &format!("key={key}&action=balance"))
            .send()
            .await
            .unwrap();

        assert_eq!(first.status().as_u16(), 200);
        LIMITED.of_polls(&world, key, body).await;
        LIMITED.of_others(&world, key).await;
    }

    let response = world
        .bare(
            Method::GET,
            &format!("key={}&action=status&order=1", world.key),
        )
        .send()
        .await
        .unwrap();

    assert!(
        response.headers().contains_key("retry-after"),
        "what is told in headers stays"
    );
}

#[tokio::test]
async fn an_address_too_loud_polls_in_vain_whoever_it_says_it_is() {
    let services = format!("{}\n[limits]\nper_address_per_minute = 1", all_of("a"));
    let world = World::build(Plan {
        services,
        ..Plan::default()
    })
    .await;

    assert_eq!(
        world.ask(&[("action", "balance")]).await,
        r#"{"balance":"1000.00","currency":"USD"}"#
    );

    for (key, body) in [
        (world.key.as_str(), ""),
        ("nobodys", ""),
        ("", ""),
        ("pgn_nobodys", LIMITED.error),
    ] {
        LIMITED.of_polls(&world, key, body).await;
        LIMITED.of_others(&world, key).await;
    }
}

#[tokio::test]
async fn a_poll_that_we_cannot_answer_has_no_body_unless_a_notpanel_key_is_shown() {
    let world = World::open().await;
    let (old, new) = (
        old_letters_key(&world).await,
        world.key_speaking(Dialect::Notpanel).await,
    );

    for table in ["orders", "refill"] {
        let away = format!("alter table {table} rename to {table}_elsewhere");
        sqlx::raw_sql(sqlx::AssertSqlSafe(away))
            .execute(&world.pool().await)
            .await
            .unwrap();
    }

    for (key, body) in [(&world.key, ""), (&old, ""), (&new, BROKEN.error)] {
        BROKEN.of_polls(&world, key, body).await;
    }

    sqlx::query("alter table api_key rename to elsewhere")
        .execute(&world.pool().await)
        .await
        .unwrap();

    for (key, body) in [("nobodys", ""), ("pgn_nobodys", BROKEN.error)] {
        BROKEN.of_polls(&world, key, body).await;
        BROKEN.of_others(&world, key).await;
    }
}

#[tokio::test]
async fn a_poll_in_a_body_that_is_not_taken_has_no_answer_either() {
    let world = World::open().await;
    let long = "x".repeat(64 * 1024);
    let large = r#"{"error":"Request too large"}"#;

    for (key, is_empty) in [(world.key.as_str(), true), ("pgn_nobodys", false)] {
        for (action, is_poll) in [("status", true), ("balance", false)] {
            let own = format!("key={key}&action={action}");
            let plain = world
                .bare(Method::POST, &own)
                .header("content-type", "text/plain")
                .body("order=1");

            let (status, body) = told(plain.send().await.unwrap()).await;
            assert_eq!(
                (status, body.is_empty()),
                (415, is_empty && is_poll),
                "{own}"
            );

            let by_form = world
                .bare(Method::POST, "")
                .header("content-type", FORM)
                .body(format!("{own}&link={long}"));

            let by_query = world
                .bare(Method::POST, &own)
                .header("content-type", FORM)
                .body(long.repeat(5));

            for request in [by_form, by_query] {
                let answer = told(request.send().await.unwrap()).await;
                assert_eq!(
                    answer,
                    (413, if is_empty && is_poll { "" } else { large }.to_owned()),
                    "{own}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_notpanel_key_is_told_so_in_its_own_dialect() {
    let world = World::open().await;
    let error = r#"{"error":"Invalid API key"}"#.to_owned();

    for (key, status) in [("pgn_nobodys", 400), ("pgk_nobodys", 200), ("nobodys", 200)] {
        let answer = world
            .post(&[("key", key), ("action", "status"), ("order", "1")])
            .await;
        assert_eq!(answer, (status, error.clone()), "{key}");
    }
}
