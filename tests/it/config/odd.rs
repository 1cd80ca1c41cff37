//! Broken files as editors, copies and machines break them: bytes, sizes, places, depths,
//! look-alikes and days.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use panelgate::config;

use super::{LEAST, read};
use crate::server;

/// Longer than any reading of what is refused for its size; a file of that size is never read
/// whole.
const PATIENCE: Duration = Duration::from_secs(5);

/// The text of the least file with one text in it swapped for another.
fn swapped(old: &str, new: &str) -> String {
    assert!(LEAST.contains(old), "{old}");
    LEAST.replacen(old, new, 1)
}

/// What is said of a file with these bytes, its folder left out.
fn told(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    std::fs::write(&path, bytes).unwrap();
    let told = config::load(&path, &BTreeMap::new())
        .map_or_else(|error| error.to_string(), |_| "fine".to_owned());
    told.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn files_are_broken_by_bytes_and_marks() {
    let mut all = String::new();
    let utf16: Vec<u8> = LEAST.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bom = |text: &str| [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let second_bom = [&bom("")[..], &bom(LEAST)[..]].concat();

    for (name, bytes) in [
        (
            "lines that end as on Windows",
            LEAST.replace('\n', "\r\n").into_bytes(),
        ),
        (
            "lines that end as on old Macs",
            LEAST.replace('\n', "\r").into_bytes(),
        ),
        ("a mark of order before the text", bom(LEAST)),
        ("two of them", second_bom),
        (
            "an error behind a mark of order",
            bom("[gateway]\ncurrency = 1\n"),
        ),
        (
            "an error on lines that end as on Windows",
            LEAST
                .replace("\"USD\"", "1")
                .replace('\n', "\r\n")
                .into_bytes(),
        ),
        ("UTF-16", [b"\xff\xfe", &utf16[..]].concat()),
        (
            "Latin-1",
            swapped("id = 1", "name = \"caf\u{e9}\"\nid = 1")
                .chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap())
                .collect(),
        ),
        (
            "NUL in a text",
            swapped("SMOSALE_KEY", "SMOSALE\0KEY").into_bytes(),
        ),
        (
            "NUL written out",
            swapped("smosale.com/api/v2", "smosale.com/\\u0000").into_bytes(),
        ),
        (
            "NUL between lines",
            swapped("[[service]]", "\0\n[[service]]").into_bytes(),
        ),
        ("nothing but NUL, as after a crash", vec![0; 4096]),
        (
            "a tab in a text",
            swapped("id = 1", "name = \"a\\tb\"\nid = 1").into_bytes(),
        ),
        ("nothing", vec![]),
        ("nothing but a remark", b"# providers.toml\n".to_vec()),
        ("half a file", LEAST.as_bytes()[..LEAST.len() - 20].to_vec()),
        (
            "another format",
            b"{ \"gateway\": { \"currency\": \"USD\" } }\n".to_vec(),
        ),
        ("yet another", b"gateway:\n  currency: USD\n".to_vec()),
        (
            "the marks of a merge",
            format!("<<<<<<< HEAD\n{LEAST}=======\n").into_bytes(),
        ),
    ] {
        writeln!(all, "{name}\n    {}", told(&bytes).replace('\n', "\n    ")).unwrap();
    }

    insta::assert_snapshot!(all);
}

#[test]
fn files_are_broken_by_what_is_written() {
    let mut all = String::new();
    let deep = |open: &str, close: &str| {
        format!(
            "{LEAST}x = {}1{}\n",
            open.repeat(20_000),
            close.repeat(20_000)
        )
    };

    let more = |text: &str| format!("{LEAST}{text}\n");
    for (name, text) in [
        (
            "a text without an end",
            swapped("\"SMOSALE_KEY\"", "\"SMOSALE_KEY"),
        ),
        (
            "a bracket without its other",
            swapped("[[provider]]", "[[provider]"),
        ),
        ("a list without its end", swapped("\"1\" }]", "\"1\" }")),
        ("a table twice", more("[gateway]\ncurrency = \"EUR\"")),
        (
            "a table and a list of one name",
            more("[provider]\nid = \"x\""),
        ),
        (
            "a key twice in a route",
            swapped("service = \"1\"", "service = \"1\", service = \"2\""),
        ),
        ("quotes of a word processor", swapped("\"USD\"", "“USD”")),
        ("a key without a value", swapped("id = 1\n", "id =\n")),
        ("a colon for an equals sign", swapped("id = 1\n", "id: 1\n")),
        ("a comma at the end", swapped("id = 1\n", "id = 1,\n")),
        (
            "a comma within a number",
            swapped("id = 1\n", "id = 1,000\n"),
        ),
        (
            "a number beyond all",
            swapped("id = 1\n", "id = 99999999999999999999\n"),
        ),
        (
            "a number with an exponent",
            swapped("id = 1\n", "id = 1e3\n"),
        ),
        ("a number below zero", swapped("id = 1\n", "id = -1\n")),
        ("a rate with an exponent", more("rate = \"1e3\"")),
        (
            "a rate beyond the books",
            more("rate = \"1000000000000000000\""),
        ),
        ("a rate with a currency", more("rate = \"$0.90\"")),
        ("a rate in another script", more("rate = \"٠.٩\"")),
        (
            "a percent with its sign",
            more("[[markup]]\npercent = \"18%\""),
        ),
        ("lists within lists", deep("[", "]")),
        ("tables within tables", deep("{ a = ", " }")),
        (
            "a name of many parts",
            format!("{LEAST}[{}z]\n", "a.".repeat(20_000)),
        ),
    ] {
        all.push_str(&said_of(name, &text));
    }

    insta::assert_snapshot!(all);
}

/// What is said of a text, under its name.
fn said_of(name: &str, text: &str) -> String {
    let told = read(text).map_or_else(|told| told.to_string(), |_| "fine".to_owned());
    assert!(!told.contains("hidden"), "a secret is repeated: {told}");
    format!("{name}\n    {}\n", told.replace('\n', "\n    "))
}

#[test]
fn files_are_broken_by_what_is_meant() {
    let mut all = String::new();
    let more = |text: &str| format!("{LEAST}{text}\n");

    for (name, text) in [
        (
            "an id that only looks right",
            swapped("id = \"smosale\"", "id = \"smоsale\""),
        ),
        (
            "a route that only looks right",
            swapped("provider = \"smosale\"", "provider = \"smоsale\""),
        ),
        (
            "a key that only looks right",
            swapped("currency = \"USD\"", "сurrency = \"USD\""),
        ),
        (
            "a currency that only looks right",
            swapped("\"USD\"", "\"UЅD\""),
        ),
        (
            "an unseen mark in a key",
            swapped("SMOSALE_KEY", "SMOSALE_KEY\u{200b}"),
        ),
        (
            "blanks round an id",
            swapped("id = \"smosale\"", "id = \" smosale\""),
        ),
        (
            "an id in capitals",
            swapped("id = \"smosale\"", "id = \"SmoSale\""),
        ),
        (
            "an id that is too long",
            swapped("id = \"smosale\"", &format!("id = \"{}\"", "a".repeat(41))),
        ),
        ("no id", swapped("id = \"smosale\"", "id = \"\"")),
        ("a fragment", swapped("/api/v2", "/api/v2#hidden")),
        ("no host", swapped("https://smosale.com", "https://")),
        (
            "no host but a port",
            swapped("https://smosale.com", "https://:443"),
        ),
        (
            "a user without a password",
            swapped("https://smosale.com", "https://hidden@smosale.com"),
        ),
        (
            "this machine's name for another",
            swapped("https://smosale.com", "http://localhost.example"),
        ),
        ("an empty variable", swapped("\"SMOSALE_KEY\"", "\"\"")),
        (
            "a variable in small letters",
            swapped("SMOSALE_KEY", "smosale_key"),
        ),
        (
            "a variable that begins with a digit",
            swapped("SMOSALE_KEY", "1_KEY"),
        ),
        (
            "a variable with its dollar",
            swapped("SMOSALE_KEY", "$SMOSALE_KEY"),
        ),
        (
            "an empty key file",
            swapped("key_env = \"SMOSALE_KEY\"", "key_file = \"\""),
        ),
        (
            "a dialect in capitals",
            swapped("key_env", "dialect = \"Classic\"\nkey_env"),
        ),
        (
            "a dialect that nobody speaks",
            swapped("key_env", "dialect = \"perfectpanel\"\nkey_env"),
        ),
        (
            "a category without a text",
            more("[[markup]]\ncategory = \"\"\npercent = \"1\""),
        ),
        (
            "a category of two lines",
            more("[[markup]]\ncategory = \"a\\nb*\"\npercent = \"1\""),
        ),
        (
            "a category as a list",
            more("[[markup]]\ncategory = [\"a*\"]\npercent = \"1\""),
        ),
        (
            "a panel's currency without a rate",
            swapped(
                "key_env = \"SMOSALE_KEY\"\ncurrency = \"USD\"",
                "key_env = \"SMOSALE_KEY\"\ncurrency = \"EUR\"",
            ) + "[exchange]\nUZS = { rate = \"1\", dated = \"2026-11-01\" }\n",
        ),
        (
            "a rate of the books' own currency",
            more("[exchange]\nUSD = { rate = \"1\", dated = \"2026-11-01\" }"),
        ),
        (
            "a day that was never",
            more("[exchange]\nUZS = { rate = \"1\", dated = \"2026-02-30\" }"),
        ),
        (
            "a day without quotes",
            more("[exchange]\nUZS = { rate = \"1\", dated = 2026-11-01 }"),
        ),
        (
            "a day as people write it",
            more("[exchange]\nUZS = { rate = \"1\", dated = \"1.11.2026\" }"),
        ),
        (
            "a rate below zero",
            more("[exchange]\nUZS = { rate = \"-1\", dated = \"2026-11-01\" }"),
        ),
        (
            "a rate finer than twelve decimals",
            more("[exchange]\nUZS = { rate = \"0.0000000000001\", dated = \"2026-11-01\" }"),
        ),
        (
            "a rate without a day",
            more("[exchange]\nUZS = \"0.0000787\""),
        ),
        (
            "twenty-one routes",
            swapped(
                "routes = [{ provider = \"smosale\", service = \"1\" }]",
                &format!(
                    "routes = [{}]",
                    (1..=21)
                        .map(|n| format!("{{ provider = \"smosale\", service = \"{n}\" }}"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            ),
        ),
        (
            "a panel as a table of one",
            LEAST.replace("[[provider]]", "[provider]"),
        ),
        (
            "a list where a table must be",
            LEAST.replace("[gateway]", "[[gateway]]"),
        ),
    ] {
        all.push_str(&said_of(name, &text));
    }

    insta::assert_snapshot!(all);
}

#[test]
fn days_are_laid_beside_today() {
    let today = NaiveDate::from_ymd_opt(2026, 11, 21);
    let told = |entry: &str| {
        let text = format!("{LEAST}[exchange]\nUZS = {{ rate = \"1\", {entry} }}\n");
        let read = config::read_on(&text, Path::new(""), &BTreeMap::new(), today);
        read.map_or_else(|told| told.to_string(), |file| file.notes.join("; "))
    };

    assert_eq!(
        told("dated = \"2026-11-21\""),
        told("dated = \"2026-10-22\""),
        "a month is no age"
    );

    let old = told("dated = \"2026-10-21\"");
    assert!(
        old.contains("[exchange] UZS: the rate is 31 days old; costs and margins follow it"),
        "{old}"
    );

    insta::assert_snapshot!(told("dated = \"2026-11-22\""), @"providers.toml:12:29: exchange: UZS: dated: 2026-11-22 is still to come; write the day on which the rate was read");
    insta::assert_snapshot!(told("dated = \"2026-11-18\", stale_after_days = 2"), @"providers.toml:12:29: exchange: UZS: dated: the rate is 3 days old, older than stale_after_days allows; write today's");
}

#[test]
fn a_file_may_be_a_folder_a_stream_or_far_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let load = |path: &Path| config::load(path, &BTreeMap::new()).unwrap_err();
    assert_eq!(
        load(folder.path()).to_string(),
        format!(
            "{} is a folder; name the file in it",
            folder.path().display()
        )
    );

    let large = folder.path().join("large.toml");
    File::create(&large)
        .unwrap()
        .set_len(50 * 1024 * 1024)
        .unwrap();

    let began = Instant::now();
    let told = load(&large).to_string();
    assert_eq!(
        told,
        format!(
            "{} is larger than 4194304 bytes; is it the right file?",
            large.display()
        )
    );

    // A stream may have no end.
    let told = load(Path::new("/dev/zero")).to_string();
    assert!(
        told.contains("it is a pipe or a device, and no file"),
        "{told}"
    );

    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

/// The tests may run as root, who may read everything: the command runs as somebody who may not.
#[test]
fn a_file_that_may_not_be_read_is_told_by_name_and_ends_with_two() {
    let folder = server::passable_folder();
    let (file, program) = (
        folder.path().join("my.toml"),
        folder.path().join("panelgate"),
    );

    std::fs::write(&file, LEAST).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_panelgate"), &program).unwrap();
    let mut command = Command::new(&program);

    if nix::unistd::geteuid().is_root() {
        command.uid(65_534).gid(65_534);
    }

    let output = command
        .args(["check", "--config"])
        .arg(&file)
        .output()
        .unwrap();

    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    let said = "cannot be read: Permission denied (os error 13); name the configuration file with \
                --config FILE";
    assert_eq!(told, format!("{} {said}\n", file.display()));
}
