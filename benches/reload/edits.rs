//! The file, and what an operator does to it.

use std::fmt::Write as _;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One fixed price moves.
    Price,
    /// The markup moves by a point: every price but one does.
    Markup,
    /// One service is delivered by another panel first.
    Route,
    /// A key is misspelt.
    Broken,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Price, Self::Markup, Self::Route, Self::Broken];

    /// The word that the table uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Price => "one price",
            Self::Markup => "every price",
            Self::Route => "one route",
            Self::Broken => "broken",
        }
    }
}

/// An edit: the whole text after it.
pub struct Edit {
    pub kind: Kind,
    pub text: String,
}

/// A file that sells these services of every panel, all panels under the same ids.
pub fn file(panels: &[(String, String)], services: &[&str]) -> String {
    let mut text = "[gateway]\ncurrency = \"USD\"\n[limits]\nper_address_per_minute = \
                    10_000_000\nper_key_per_minute = 10_000_000\n[[tier]]\nid = \
                    \"standard\"\nper_minute = 10_000_000\n"
        .to_owned();

    for (name, url) in panels {
        let _ = writeln!(
            text,
            "[[provider]]\nid = \"{name}\"\nurl = \"{url}\"\nkey_env = \"PANEL_KEY\"\ncurrency = \
             \"USD\"\nrequests_per_second = 100"
        );
    }

    text += "[[markup]]\npercent = \"50\"\n";
    for id in services {
        let route = |(name, _): &(String, String)| {
            format!("{{ provider = \"{name}\", service = \"{id}\" }}")
        };

        let routes: Vec<String> = panels.iter().map(route).collect();
        let rate = if *id == "1" { "rate = \"2.00\"\n" } else { "" };

        let _ = writeln!(
            text,
            "[[service]]\nid = {id}\n{rate}routes = [\n    {},\n]",
            routes.join(",\n    ")
        );
    }

    text
}

/// So many edits of a file, each of one kind after another, each of the first text.
pub fn some(first: &str, count: usize) -> Vec<Edit> {
    let edit = |n: usize, kind: Kind| {
        let text = match kind {
            Kind::Price => first.replacen(
                "rate = \"2.00\"",
                &format!("rate = \"2.{:02}\"", 1 + n % 50),
                1,
            ),
            Kind::Markup => first.replacen(
                "percent = \"50\"",
                &format!("percent = \"{}\"", 51 + n % 9),
                1,
            ),
            Kind::Route => first.replacen("{ provider = \"a\", service = \"1\" },\n    ", "", 1),
            Kind::Broken => first.replacen("routes = ", "rotes = ", 1),
        };

        // Without this the same text would come back, which is in force already or was judged
        // before.
        Edit {
            kind,
            text: format!("{text}# edit {n} of {count}\n"),
        }
    };

    Kind::ALL
        .into_iter()
        .cycle()
        .take(count)
        .enumerate()
        .map(|(n, kind)| edit(n, kind))
        .collect()
}
