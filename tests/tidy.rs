//! The manners of the source as a test: what the compiler and clippy do not see, each rule shown to
//! fail on a sample.
//!
//! Rules read text, not syntax trees: comments and literals are blanked first, lines stay where
//! they are.

use std::{fs, path::Path};

use source::{Source, block_end};

#[path = "tidy/samples.rs"]
mod samples;
#[path = "tidy/source.rs"]
mod source;

/// The floors of ARCHITECTURE.md: a module names only modules on floors below its own.
const FLOORS: [(&str, u8); 26] = [
    ("main", 10),
    ("lib", 10),
    ("cli", 9),
    ("app", 8),
    ("reload", 7),
    ("config", 6),
    ("telemetry", 6),
    ("downstream", 5),
    ("workers", 5),
    ("console", 5),
    ("orders", 4),
    ("alerts", 4),
    ("treasury", 4),
    ("ledger", 3),
    ("catalog", 3),
    ("customers", 3),
    ("store", 2),
    ("upstream", 2),
    ("webhooks", 2),
    ("pricing", 1),
    ("routing", 1),
    ("domain", 0),
    // The build script, the crates, the tests and the benches are outside of the house.
    ("build", u8::MAX),
    ("crates", u8::MAX),
    ("benches", u8::MAX),
    ("tests", u8::MAX),
];

/// The highest floor whose modules only compute.
const PURE_FLOOR_MAX: u8 = 1;

/// Words and the only places (beginnings of paths) where they may stand, tests apart.
const HOMES: [(&str, &[&str], &str); 7] = [
    ("sqlx", &["src/store/"], "ask a function of store/"),
    (
        "reqwest",
        &["src/upstream/", "src/webhooks/deliver"],
        "ask a panel through upstream/",
    ),
    (
        "rust_decimal",
        &["src/domain/money", "src/store/", "crates/panel-sim/"],
        "use the types of domain/money",
    ),
    (
        "panel_sim",
        &["src/cli/"],
        "the gateway asks panels, whoever they are",
    ),
    (
        "private_postgres",
        &["src/store/embedded"],
        "ask store/embedded for the database in it",
    ),
    ("toml", &["src/config"], "read settings from config"),
    ("toml_edit", &["src/config"], "write settings from config"),
];

/// Where an HTTP client may be made or held.
const CLIENT_HOMES: [&str; 2] = ["src/upstream/wire", "src/webhooks/deliver"];

/// What a pure module does not know; time is an argument, and `domain/clock` is where it comes
/// from.
const IMPURE: [&str; 9] = [
    "async",
    "await",
    "tokio",
    "serde_json",
    "std::fs",
    "std::net",
    "Instant::now",
    "SystemTime::now",
    "Utc::now",
];
const CLOCK: &str = "src/domain/clock";

/// Names that say nothing.
const EMPTY_NAMES: [&str; 8] = [
    "util", "utils", "common", "helper", "helpers", "manager", "managers", "misc",
];

/// Notes to oneself; spelled apart, so that this file holds none.
const NOTES: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
];

/// Allows a float on its line or the next: `// float: why no money is near`.
const FLOAT_ALLOWED: &str = "// float: ";

/// Blank lines are as many as they need to be: of a file all others count, of a function those that
/// say something.
const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 80;
/// Tests are tables and stories, which are read by the row: lines that say something.
const TEST_FILE_LINES_MAX: usize = 750;
const TEST_FUNCTION_LINES_MAX: usize = 170;
/// Ten minutes of reading.
const ARCHITECTURE_WORDS_MAX: usize = 2_700;

#[test]
fn the_source_keeps_its_manners() {
    let mut files = vec!["build.rs".to_owned()];
    for folder in ["src", "crates", "tests", "benches"] {
        collect(&root().join(folder), folder, &mut files);
    }

    assert!(files.len() > 5, "the source was found: {files:?}");
    let text =
        |path: &String| fs::read_to_string(root().join(path)).expect("a file that was just listed");
    let complaints: Vec<String> = files
        .iter()
        .flat_map(|path| complaints(&Source::new(path, &text(path))))
        .collect();

    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn the_house_has_its_signs() {
    for sign in [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "LICENSE",
        "providers.toml",
    ] {
        assert!(
            root().join(sign).is_file(),
            "{sign} is missing: newcomers look there first"
        );
    }

    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("it is there");

    // Tables are looked up and not read.
    let words = text
        .lines()
        .filter(|line| !line.starts_with('|'))
        .flat_map(str::split_whitespace)
        .count();

    assert!(
        words < ARCHITECTURE_WORDS_MAX,
        "ARCHITECTURE.md has {words} words: nobody reads that many"
    );
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, name: &str, files: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };

    let mut entries: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .collect();

    entries.sort();
    for path in entries {
        let name = format!(
            "{name}/{}",
            path.file_name()
                .expect("an entry has a name")
                .to_string_lossy()
        );

        if path.is_dir() {
            collect(&path, &name, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(name);
        }
    }
}

fn complaints(source: &Source) -> Vec<String> {
    type Rule = fn(&Source) -> Vec<(usize, String)>;
    let rules: [Rule; 10] = [
        opening,
        length,
        functions,
        floors,
        ways_up,
        homes,
        purity,
        names,
        floats,
        words_not_to_say,
    ];

    let told = rules.iter().flat_map(|rule| rule(source));
    told.map(|(line, complaint)| format!("{}:{line}: {complaint}", source.path))
        .collect()
}

fn opening(source: &Source) -> Vec<(usize, String)> {
    let opens = source.text.starts_with("//! ");
    if opens {
        vec![]
    } else {
        vec![(
            1,
            "opens without `//!`: say in one sentence what lives here".to_owned(),
        )]
    }
}

/// Lines that are not blank.
fn written(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty())
}

/// Lines that are neither blank nor a comment.
fn saying(text: &str) -> usize {
    written(text).filter(|line| !line.starts_with("//")).count()
}

fn length(source: &Source) -> Vec<(usize, String)> {
    let (lines, max) = if source.is_of_tests() {
        (saying(&source.text), TEST_FILE_LINES_MAX)
    } else {
        (written(&source.text).count(), FILE_LINES_MAX)
    };

    if lines <= max {
        return vec![];
    }

    let complaint =
        format!("{lines} lines, at most {max}: it holds two things, find the second one's name");
    vec![(source.text.lines().count(), complaint)]
}

fn functions(source: &Source) -> Vec<(usize, String)> {
    let max = if source.is_of_tests() {
        TEST_FUNCTION_LINES_MAX
    } else {
        FUNCTION_LINES_MAX
    };

    let too_long = |at: &usize| {
        let end = block_end(&source.code, *at)?;
        let lines = saying(&source.text[*at..=end]);
        (lines > max).then(|| {
            let complaint = format!("function of {lines} lines, at most {max}: name its steps");
            (source.line(*at), complaint)
        })
    };

    source.uses("fn").iter().filter_map(too_long).collect()
}

fn floor_of(module: &str) -> Option<u8> {
    FLOORS
        .iter()
        .find(|(name, _)| *name == module)
        .map(|(_, floor)| *floor)
}

fn floors(source: &Source) -> Vec<(usize, String)> {
    let (module, path) = (source.module(), &source.path);
    let Some(own) = floor_of(module) else {
        return vec![(
            1,
            format!("`{module}` has no floor: give it one in ARCHITECTURE.md and in tests/tidy.rs"),
        )];
    };

    if !path.starts_with("src/") {
        return vec![];
    }

    let complaint = |(at, named): (usize, &str)| {
        let say = |what: String| Some((source.line(at), what));
        match floor_of(named) {
            _ if named == module => None,
            None => say(format!(
                "`{named}` has no floor: give it one in ARCHITECTURE.md and in tests/tidy.rs"
            )),
            Some(floor) if floor >= own => say(format!(
                "`{module}` (floor {own}) names `{named}` (floor {floor}): name lower floors \
                 only; be handed what you need, or leave a row for it"
            )),
            Some(_) => None,
        }
    };

    crate_names(&source.code)
        .into_iter()
        .filter_map(complaint)
        .collect()
}

/// Each module named as `crate::x` or in a group `crate::{x, y::z}`, with its place.
fn crate_names(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, root) in ["crate::", "panelgate::"]
        .iter()
        .flat_map(|root| code.match_indices(root))
    {
        let mut from = at + root.len();
        let grouped = code[from..].starts_with('{');
        let end = if grouped {
            block_end(code, from).unwrap_or(code.len())
        } else {
            code.len()
        };

        from += usize::from(grouped);
        let mut depth = 0_i32;
        let mut expects_name = true;

        for (n, c) in code[from..end].char_indices() {
            if expects_name && (c.is_alphanumeric() || c == '_') {
                let name = &code[from + n..];
                let length = name
                    .find(|c: char| !c.is_alphanumeric() && c != '_')
                    .unwrap_or(name.len());

                found.push((from + n, &name[..length]));
                expects_name = false;
            }

            depth += i32::from(c == '{') - i32::from(c == '}');
            match c {
                ',' if depth == 0 && grouped => expects_name = true,
                _ if !grouped && !expects_name => break,
                _ => {}
            }
        }
    }

    found
}

/// `super` could leave a module without naming `crate`, past the check of floors.
fn ways_up(source: &Source) -> Vec<(usize, String)> {
    if !source.path.starts_with("src/") {
        return vec![];
    }

    let top = source.path.matches('/').count() == 1
        || source.path.matches('/').count() == 2 && source.path.ends_with("/mod.rs");
    let chain = source
        .code
        .match_indices("super::super::")
        .map(|(at, _)| at);

    let out = source
        .code
        .match_indices("super::")
        .map(|(at, _)| at)
        .filter(|at| top && !source.in_tests(*at));

    let at = chain.chain(out);
    at.map(|at| {
        (
            source.line(at),
            "`super` leads out of the module: name it from `crate::`".to_owned(),
        )
    })
    .collect()
}

fn homes(source: &Source) -> Vec<(usize, String)> {
    let mut told = Vec::new();
    let a_client_is_here = CLIENT_HOMES
        .iter()
        .any(|home| source.path.starts_with(home));

    if !a_client_is_here && !source.uses_outside_tests("reqwest").is_empty() {
        let complaint = format!(
            "a second HTTP client: one is enough, in {}",
            CLIENT_HOMES[0]
        );

        let clients = ["Client", "ClientBuilder"]
            .into_iter()
            .flat_map(|word| source.uses_outside_tests(word));
        told.extend(clients.map(|at| (source.line(at), complaint.clone())));
    }

    for (word, places, instead) in HOMES {
        if !places.iter().any(|place| source.path.starts_with(place)) {
            let complaint = format!(
                "`{word}` is at home in {} only: {instead}",
                places.join(", ")
            );

            told.extend(
                source
                    .uses_outside_tests(word)
                    .iter()
                    .map(|at| (source.line(*at), complaint.clone())),
            );
        }
    }

    told
}

fn purity(source: &Source) -> Vec<(usize, String)> {
    if floor_of(source.module()).is_none_or(|floor| floor > PURE_FLOOR_MAX) {
        return vec![];
    }

    let allowed = |word: &str| word.ends_with("::now") && source.path.starts_with(CLOCK);
    let words = IMPURE.iter().filter(|word| !allowed(word));
    let uses = words.flat_map(|word| {
        source
            .uses_outside_tests(word)
            .into_iter()
            .map(move |at| (at, word))
    });

    let complaint =
        |word: &str| format!("`{word}` on a pure floor: take what it would bring as an argument");
    uses.map(|(at, word)| (source.line(at), complaint(word)))
        .collect()
}

fn names(source: &Source) -> Vec<(usize, String)> {
    let empty = |name: &str| {
        words_of(name)
            .iter()
            .any(|word| EMPTY_NAMES.contains(&word.as_str()))
    };

    let complaint =
        |name: &str| format!("`{name}` says nothing: name it after what it does or holds");

    let parts = source
        .path
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| empty(part));

    let mut told: Vec<_> = parts.map(|part| (1, complaint(part))).collect();
    for keyword in ["mod", "struct", "enum", "trait", "type", "fn"] {
        for at in source.uses(keyword) {
            let rest = source.code[at + keyword.len()..].trim_start();
            let name = rest
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap_or_default();

            if empty(name) {
                told.push((source.line(at), complaint(name)));
            }
        }
    }

    told
}

/// `SomeName` and `some_name` are both `some`, `name`.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c.is_uppercase() {
            words.push(String::new());
        }

        words
            .last_mut()
            .expect("there is always one")
            .extend(c.to_lowercase().filter(|c| *c != '_'));
    }

    words
}

fn floats(source: &Source) -> Vec<(usize, String)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let allowed = |line: usize| {
        lines[line.saturating_sub(2)..line]
            .iter()
            .any(|line| line.contains(FLOAT_ALLOWED))
    };

    let uses = ["f32", "f64"]
        .into_iter()
        .flat_map(|word| source.uses(word));

    let lines = uses
        .map(|at| source.line(at))
        .filter(|line| source.is_shipped() && !allowed(*line));

    let complaint = format!(
        "a float: use Money or an integer, or say why no money is near (`{FLOAT_ALLOWED}…`)"
    );

    lines.map(|line| (line, complaint.clone())).collect()
}

fn words_not_to_say(source: &Source) -> Vec<(usize, String)> {
    let mut told = Vec::new();
    let mut say = |at: usize, complaint: &str| told.push((source.line(at), complaint.to_owned()));

    for note in NOTES {
        source
            .text
            .match_indices(note)
            .for_each(|(at, _)| say(at, "a note to oneself: do it, or leave it out"));
    }

    for (at, _) in source.code.match_indices("#[ignore") {
        say(at, "an ignored test: make it pass, or remove it");
    }

    // A bench is about time: it has to let some pass.
    let is_test = |at: usize| source.in_tests(at) && !source.path.starts_with("benches/");
    let calls = |at: &usize| is_test(*at) && source.code[*at..].starts_with("sleep(");

    for at in source.uses("sleep").into_iter().filter(calls) {
        say(
            at,
            "a sleep in a test: wait for what is to happen, or turn the clock",
        );
    }

    for (at, _) in source
        .code
        .match_indices(".unwrap()")
        .filter(|(at, _)| !source.in_tests(*at))
    {
        say(
            at,
            "an unwrap outside of tests: return an error, or say in `expect` why it cannot fail",
        );
    }

    told
}
