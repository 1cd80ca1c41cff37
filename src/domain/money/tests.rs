//! Reading, rounding and bounds of amounts.

use proptest::prelude::*;

use super::*;

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

#[test]
fn amounts_are_shown_plainly() {
    for (given, shown) in [
        ("100", "100.00"),
        ("0.072", "0.072"),
        ("100.84292", "100.84292"),
        ("0", "0.00"),
        ("-0.10", "-0.10"),
    ] {
        assert_eq!(money(given).to_string(), shown);
    }
}

#[test]
fn only_plain_decimals_are_amounts() {
    for bad in [
        "", ".", "1.", ".5", "1e3", "+1", " 1", "1 ", "1,5", "--1", "0x1", "NaN", "1_000", "١",
    ] {
        assert_eq!(Money::parse(bad), Err(MoneyError::Unreadable), "{bad:?}");
    }

    assert_eq!(Money::parse("0.000000001"), Err(MoneyError::TooPrecise));
    assert_eq!(Money::parse("0.100000000000000"), Ok(money("0.1")));
    assert_eq!(
        Money::parse("1000000000000000000"),
        Err(MoneyError::TooLarge)
    );

    assert_eq!(Rate::parse("-1"), Err(MoneyError::Unreadable));
}

#[test]
fn a_panels_eleven_decimals_round_up() {
    assert_eq!(
        Money::parse_rounding_up("0.00000000001"),
        Ok(money("0.00000001"))
    );

    assert_eq!(
        Money::parse_rounding_up("0.12345678000"),
        Ok(money("0.12345678"))
    );

    assert_eq!(
        Money::parse_rounding_up("0.000000000000000000000000000001"),
        Ok(money("0.00000001"))
    );
}

#[test]
fn a_positive_rate_is_never_free() {
    assert_eq!(
        Rate::parse("0.00000001").unwrap().for_units(1),
        Ok(money("0.00000001"))
    );

    assert_eq!(
        Rate::parse("0.90").unwrap().for_units(1_000),
        Ok(money("0.90"))
    );
}

#[test]
fn a_margin_is_of_the_price_and_never_looks_better_than_it_is() {
    for (price, cost, margin) in [
        ("1.5", "1", "33.33"),
        ("0.9", "1", "-11.12"),
        ("1", "1", "0"),
        ("0.00000001", "1", "-9999999900"),
    ] {
        let margin_over = Rate::parse(price)
            .unwrap()
            .margin_over(Rate::parse(cost).unwrap());
        assert_eq!(
            margin_over.map(|margin| margin.to_string()).as_deref(),
            Some(margin),
            "{price} {cost}"
        );
    }

    assert_eq!(Rate::default().margin_over(Rate::default()), None);
}

#[test]
fn markup_rounds_where_it_says() {
    let cost = Rate::parse("0.90").unwrap();
    let price = cost
        .marked_up(Percent::parse("18").unwrap(), Rate::parse("0.02").unwrap())
        .unwrap();

    assert_eq!(price.to_string(), "1.082");
    assert_eq!(
        price
            .rounded_up_to(Rate::parse("0.05").unwrap())
            .unwrap()
            .to_string(),
        "1.10"
    );

    assert_eq!(price.rounded_up_to(Rate::default()), Ok(price));
}

#[test]
fn a_move_is_compared_exactly_and_shown_in_percent() {
    let (rate, percent) = (
        |text| Rate::parse(text).unwrap(),
        |text| Percent::parse(text).unwrap(),
    );

    for (from, to, jumps, shown) in [
        ("1", "1.3", false, "30"),
        ("1", "1.30000001", true, "30"),
        ("1", "0.7", false, "-30"),
        ("1", "0.69999999", true, "-30"),
        ("0.00000003", "0.00000004", true, "33.33"),
        ("999999999999999999", "999999999999999999", false, "0"),
    ] {
        assert_eq!(
            rate(from).moves_more_than(percent("30"), rate(to)),
            jumps,
            "{from} {to}"
        );
        assert_eq!(
            rate(from)
                .moved_to(rate(to))
                .map(|moved| moved.to_string())
                .as_deref(),
            Some(shown)
        );
    }

    assert!(rate("1").moves_more_than(percent("0"), rate("1.00000001")));
    assert_eq!(rate("0").moved_to(rate("1")), None);

    assert_eq!(
        rate("0.90").margin_over(rate("1")),
        Some(percent("-11.12")),
        "never better than it is"
    );
}

proptest! {
    #[test]
    fn shown_amounts_read_back(cents in -1_000_000_000_000_000_000i64..1_000_000_000_000_000_000) {
        let amount = Money(Decimal::new(cents, SCALE));
        prop_assert_eq!(Money::parse(&amount.to_string()), Ok(amount));
    }

    #[test]
    fn shares_of_a_charge_never_pass_it(cents in 0u64..u64::MAX / 4, part in 0u64..=10_000,
        more in 0u64..10_000) {
        let charge = Money(Decimal::from(cents) / Decimal::from(100_000_000u64));
        let share = charge.share_rounding_down(part, (part + more).max(1)).unwrap();
        prop_assert!(share <= charge && !share.is_negative());
    }

    #[test]
    fn any_text_is_an_amount_or_an_error(text in "\\PC{0,80}") {
        let _ = Money::parse(&text);
        let _ = Money::parse_rounding_up(&text);
    }
}
