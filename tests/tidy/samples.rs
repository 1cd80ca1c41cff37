//! Each rule is seen to fail on a bad sample, and to leave a good one alone.

use rstest::rstest;

use super::{FILE_LINES_MAX, FUNCTION_LINES_MAX, complaints, source::Source};

#[rstest]
#[case::no_opening(
    "src/domain/id.rs",
    "use std::fmt;",
    "src/domain/id.rs:1: opens without"
)]
#[case::names_its_own_floor(
    "src/ledger/move.rs",
    "//! m\nuse crate::catalog::Price;",
    ":2: `ledger` (floor 3) names `catalog`"
)]
#[case::names_a_higher_floor(
    "src/store/order.rs",
    "//! m\nfn f() { crate::orders::place() }",
    ":2: `store` (floor 2) names `orders`"
)]
#[case::names_it_in_a_group(
    "src/store/order.rs",
    "//! m\nuse crate::{domain::{Id, Leg},\n  orders::x};",
    ":3: `store` (floor 2) names `orders`"
)]
#[case::has_no_floor("src/attic/mod.rs", "//! m", ":1: `attic` has no floor")]
#[case::names_what_has_no_floor(
    "src/app.rs",
    "//! m\nuse crate::attic::x;",
    ":2: `attic` has no floor"
)]
#[case::climbs_out(
    "src/store/order.rs",
    "//! m\nuse super::super::orders;",
    ":2: `super` leads out"
)]
#[case::climbs_out_of_the_top("src/app.rs", "//! m\nuse super::cli;", ":2: `super` leads out")]
#[case::sql_away_from_home(
    "src/orders/place.rs",
    "//! m\nfn f(p: &sqlx::PgPool) {}",
    ":2: `sqlx` is at home in src/store/"
)]
#[case::http_away_from_home(
    "src/orders/place.rs",
    "//! m\nuse reqwest::Url;",
    ":2: `reqwest` is at home in"
)]
#[case::a_second_client(
    "src/upstream/ask.rs",
    "//! m\nuse reqwest::{Client, Url};",
    ":2: a second HTTP client"
)]
#[case::sql_in_a_crate(
    "crates/private-postgres/src/lib.rs",
    "//! m\nuse sqlx::PgPool;",
    ":2: `sqlx` is at home in"
)]
#[case::a_simulated_panel_away_from_home(
    "src/orders/place.rs",
    "//! m\nuse panel_sim::Simulator;",
    ":2: `panel_sim` is at"
)]
#[case::an_unwrap_in_a_crate(
    "crates/panel-sim/src/door.rs",
    "//! m\nfn f() { x.unwrap() }",
    ":2: an unwrap outside"
)]
#[case::a_float_in_a_crate(
    "crates/panel-sim/src/money.rs",
    "//! m\nfn f() -> f64 { 0.0 }",
    ":2: a float"
)]
#[case::decimal_away_from_home(
    "src/pricing/quote.rs",
    "//! m\nuse rust_decimal::Decimal;",
    ":2: `rust_decimal` is at home in"
)]
#[case::settings_away_from_home(
    "src/cli/check.rs",
    "//! m\nuse toml_edit::Item;",
    ":2: `toml_edit` is at home in"
)]
#[case::settings_read_away_from_home(
    "src/cli/check.rs",
    "//! m\nuse toml::de::DeTable;",
    ":2: `toml` is at home in"
)]
#[case::waits_on_a_pure_floor(
    "src/routing/choose.rs",
    "//! m\nasync fn f() {}",
    ":2: `async` on a pure floor"
)]
#[case::reads_a_clock(
    "src/domain/order.rs",
    "//! m\nfn f() { Utc::now() }",
    ":2: `Utc::now` on a pure floor"
)]
#[case::knows_json(
    "src/domain/order.rs",
    "//! m\nuse serde_json::Value;",
    ":2: `serde_json` on a pure floor"
)]
#[case::an_empty_file_name("src/store/helpers.rs", "//! m", ":1: `helpers` says nothing")]
#[case::an_empty_type_name(
    "src/store/order.rs",
    "//! m\nstruct OrderManager;",
    ":2: `OrderManager` says nothing"
)]
#[case::a_float("src/pricing/quote.rs", "//! m\nfn f() -> f64 { 0.0 }", ":2: a float")]
#[case::a_note("src/app.rs", concat!("//! m\n// TO", "DO: later"), ":2: a note to oneself")]
#[case::an_ignored_test(
    "tests/it/add.rs",
    "//! m\n#[ignore]\nfn f() {}",
    ":2: an ignored test"
)]
#[case::a_sleep(
    "tests/it/add.rs",
    "//! m\nfn f() { tokio::time::sleep(x) }",
    ":2: a sleep in a test"
)]
#[case::a_sleep_in_a_unit_test(
    "src/app.rs",
    "//! m\n#[cfg(test)]\nmod tests {\n fn f() { sleep(x) } }",
    ":4: a sleep in a test"
)]
#[case::an_unwrap(
    "src/app.rs",
    "//! m\nfn f() { x.unwrap() }\n#[cfg(test)]\nmod tests {}",
    ":2: an unwrap outside"
)]
fn a_bad_sample_is_complained_about(
    #[case] path: &str,
    #[case] text: &str,
    #[case] complaint: &str,
) {
    let told = complaints(&Source::new(path, text));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(complaint), "{told:?}");
}

#[test]
fn what_is_too_long_is_complained_about() {
    let too_many = "// why\n".repeat(FILE_LINES_MAX);
    let file = format!("//! m\n{too_many}");
    assert!(complaints(&Source::new("src/app.rs", &file))[0].contains("501 lines, at most 500"));
    assert!(complaints(&Source::new("tests/it/app.rs", &file)).is_empty());

    let steps = "    g();\n\n    // why\n".repeat(FUNCTION_LINES_MAX);
    let function = format!("//! m\nfn f() {{\n{steps}}}\n");
    let told = complaints(&Source::new("src/app.rs", &function));
    assert!(
        told[0].contains("src/app.rs:2: function of 82 lines"),
        "{told:?}"
    );
}

#[rstest]
#[case::lower_floors(
    "src/orders/place.rs",
    "//! m\nuse crate::{domain::Id, orders::look, store::{self, order}};"
)]
#[case::words_in_comments_and_literals(
    "src/domain/leg.rs",
    "//! async\n// sqlx, f64\nconst A: &str = \"a \\\" .unwrap() {\"; const B: &str = r#\"sqlx \" \
     f64\"#; const C: char = '\"';"
)]
#[case::parts_of_names(
    "src/domain/leg.rs",
    "//! m\nstruct Utility; fn commonly() {} struct Async; fn f<'a>(x: &'a str) {}"
)]
#[case::unwrap_in_a_unit_test(
    "src/domain/leg.rs",
    "//! m\n#[cfg(test)]\nmod tests {\n use super::*;\n fn f() { x.unwrap() }\n}"
)]
#[case::decimal_in_a_crate("crates/panel-sim/src/money.rs", "//! m\nuse rust_decimal::Decimal;")]
#[case::unwrap_in_a_file_of_unit_tests("src/domain/money/tests.rs", "//! m\nfn f() { x.unwrap() }")]
#[case::a_float_with_a_reason(
    "src/telemetry.rs",
    "//! m\n// float: a histogram's bounds, in seconds\nconst BOUND: f64 = 0.5;"
)]
#[case::the_clock("src/domain/clock.rs", "//! m\nfn f() { Utc::now() }")]
#[case::a_wait_that_is_no_test(
    "src/workers/driver.rs",
    "//! m\nasync fn f() { tokio::time::sleep(x).await }"
)]
fn a_good_sample_is_left_alone(#[case] path: &str, #[case] text: &str) {
    let told = complaints(&Source::new(path, text));
    assert!(told.is_empty(), "{told:?}");
}
