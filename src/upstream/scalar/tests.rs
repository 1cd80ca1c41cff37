//! Numbers, ids and amounts in every spelling.

use super::*;

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

#[test]
fn an_id_is_a_positive_integer_or_a_name() {
    for (json, read) in [
        ("23501", "23501"),
        ("\" 23501 \"", "23501"),
        ("\"ord_01H\"", "ord_01H"),
        ("18446744073709551616000", "18446744073709551616000"),
        ("\"3f2c-11\"", "3f2c-11"),
    ] {
        assert_eq!(read_id(&raw(json)).as_deref(), Some(read), "{json}");
    }

    let long = format!("\"{}\"", "x".repeat(ID_BYTES_MAX + 1));
    for json in [
        "0",
        "\"0\"",
        "\"00\"",
        "-5",
        "\"-5\"",
        "1.5",
        "1e3",
        "null",
        "false",
        "true",
        "\"\"",
        "\" \"",
        "[1]",
        "{\"id\":1}",
        "\"Bad link\"",
        "\"null\"",
        "\"False\"",
        "\"1,2\"",
        "\"a\\u0000\"",
        "\"\\ud800\"",
        &long,
    ] {
        assert_eq!(read_id(&raw(json)), None, "{json}");
    }
}

#[test]
fn what_was_just_placed_has_an_id_with_a_digit() {
    for json in [
        "23501",
        "\"ord_01HX\"",
        "\"3f2c-11\"",
        "\"FB/22=+\"",
        "\"a1b2c3e4\"",
    ] {
        assert_eq!(placed_id(&raw(json)), read_id(&raw(json)), "{json}");
        assert!(read_id(&raw(json)).is_some(), "{json}");
    }

    for json in [
        "\"success\"",
        "\"N/A\"",
        "\"pending\"",
        "\"ord_\"",
        "\"error_404\"",
        "\"404-not-found\"",
        "\"Failed1\"",
        "\"1.0E+25\"",
        "\"$5\"",
        "\"<b>55</b>\"",
        "\"https://x/55\"",
        "0",
        "7.5",
    ] {
        assert_eq!(placed_id(&raw(json)), None, "{json}");
    }
}

#[test]
fn numbers_come_as_numbers_and_as_texts() {
    for (json, read) in [
        ("157", 157),
        ("\"157\"", 157),
        ("-3", -3),
        ("\"10.00\"", 10),
        ("1.0e3", 1_000),
        ("\" 7\"", 7),
    ] {
        assert_eq!(read_whole(&raw(json)), Some(read), "{json}");
    }

    for json in [
        "null",
        "\"Unknown\"",
        "\"\"",
        "1.5",
        "99999999999999999999",
        "[]",
        "1e99",
        "true",
    ] {
        assert_eq!(read_whole(&raw(json)), None, "{json}");
    }

    assert_eq!(read_count(&raw("-1")), None);
}

#[test]
fn exponents_are_written_out() {
    for (json, read) in [
        ("1.0e-5", "0.000010"),
        ("\"2.5E-7\"", "0.00000025"),
        ("1e2", "100"),
        ("-1.25e1", "-12.5"),
        ("0.00000000001", "0.00000000001"),
    ] {
        assert_eq!(read_amount(&raw(json)).as_deref(), Some(read), "{json}");
    }

    assert_eq!(read_amount(&raw("1e31")), None);
}

#[test]
fn yes_is_spelt_four_ways() {
    for (json, read) in [
        ("true", true),
        ("1", true),
        ("\"1\"", true),
        ("\"True\"", true),
        ("false", false),
        ("0", false),
        ("\"0\"", false),
        ("null", false),
        ("{}", false),
    ] {
        assert_eq!(read_flag(&raw(json)), read, "{json}");
    }
}

#[test]
fn what_stands_round_an_answer_is_skipped_and_what_follows_it_is_not() {
    assert!(Fields::read(bare("\u{feff} \n{\"a\":1}\r\n")).is_some());
    assert!(Fields::read(bare("{\"a\":1} <br>")).is_none());
}
