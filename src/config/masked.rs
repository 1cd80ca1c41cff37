//! A configuration's text as it may be shown and kept: what could be a password or a key is blotted
//! out, also in a text that is wrong.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What stands in place of what is not shown.
pub const BLOT: &str = "***";

/// What somebody wrote beside a name that says a secret: in quotes of any kind, or without.
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    let names = "key|api_?key|password|passwd|pass|secret|token";
    let value = r#"(?:"""(?s:.*?)(?:"""|\z)|'''(?s:.*?)(?:'''|\z)|"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|[^\s,}&#"']+)"#;
    let written = format!(r#"(?i)(^|[^a-z0-9_])({names})(["']?[ \t]*[=:][ \t]*)({value})"#);
    Regex::new(&written).expect("a pattern of ours")
});

/// The places of keys, and what stands there instead of a variable's name.
static VARIABLES: LazyLock<Regex> = LazyLock::new(|| {
    let value = r#"("(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|[^\s,}#"']+)"#;
    let written = format!(r#"\b((?:key|url|secret)_env)(["']?[ \t]*[=:][ \t]*){value}"#);
    Regex::new(&written).expect("a pattern of ours")
});

/// What the name of a variable is written with.
static NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"^["']?[A-Z_][A-Z0-9_]*["']?$"#).expect("a pattern of ours"));

/// The text, without what follows the scheme of a database's URL, without users and passwords in
/// other URLs, and without what stands beside names such as `key` and `password`, or where a
/// variable should be named.
pub fn mask_secrets(text: &str) -> String {
    let text: String = text
        .split_inclusive('\n')
        .map(|line| without_bare_keys(&masked_line(line)))
        .collect();

    let text = SECRETS.replace_all(&text, |found: &Captures<'_>| {
        let quote = if found[3].contains('=') && !found[1].starts_with(['?', '&']) {
            "\""
        } else {
            ""
        };

        format!(
            "{}{}{}{quote}{BLOT}{quote}",
            &found[1], &found[2], &found[3]
        )
    });

    let text = VARIABLES.replace_all(&text, |found: &Captures<'_>| {
        let value = if NAME.is_match(&found[3]) {
            found[3].to_owned()
        } else {
            format!("\"{BLOT}\"")
        };

        format!("{}{}{value}", &found[1], &found[2])
    });

    text.into_owned()
}

/// A URL with a password in it, wherever it stands, and a secret in its query.
static URLS: LazyLock<Regex> = LazyLock::new(|| {
    let user = r#"://[^\s"'@/]*:[^\s"']*@"#;
    let query = r#"://[^\s"']*[?&](?:key|api_?key|password|passwd|pass|secret|token)=[^\s"'&*]"#;
    Regex::new(&format!("(?i){user}|{query}")).expect("a pattern of ours")
});

/// The fewest characters of what is taken for a key beside a name that says so, and where nothing
/// says so.
const KEY_CHARS_MIN: usize = 12;
const BARE_KEY_CHARS_MIN: usize = 20;

/// Words that may be keys.
static WORDS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("[A-Za-z0-9]+").expect("a pattern of ours"));

/// A file's name that is a key itself.
static KEY_FILES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"\bkey_file["']?[ \t]*=[ \t]*["']([A-Za-z0-9]+)["']"#).expect("a pattern of ours")
});

/// Whether a word that nothing calls a key looks like one: long, of letters and of digits.
fn is_like_a_key(word: &str) -> bool {
    let count = |kind: fn(&u8) -> bool| word.bytes().filter(kind).count();
    word.len() >= BARE_KEY_CHARS_MIN
        && count(u8::is_ascii_digit) > 3
        && count(u8::is_ascii_alphabetic) > 3
}

/// The text with words blotted out that look like keys, where a file's name or a comment should
/// stand.
fn without_bare_keys(line: &str) -> String {
    let blotted = KEY_FILES.replace_all(line, |found: &Captures<'_>| {
        if is_like_a_key(&found[1]) {
            found[0].replace(&found[1], BLOT)
        } else {
            found[0].to_owned()
        }
    });

    let Some((setting, comment)) = blotted.split_once('#') else {
        return blotted.into_owned();
    };

    let comment = WORDS.replace_all(comment, |found: &Captures<'_>| {
        if is_like_a_key(&found[0]) {
            BLOT.to_owned()
        } else {
            found[0].to_owned()
        }
    });

    format!("{setting}#{comment}")
}

/// Where lines begin that hold a password or a key which no reader of settings complains about:
/// within a URL, or in a comment. A text with them is not to be kept.
pub fn lines_with_secrets(text: &str) -> Vec<usize> {
    let mut begins = Vec::new();
    let mut at = 0;

    for line in text.split_inclusive('\n') {
        if URLS.is_match(line) || is_secret_comment(line) || without_bare_keys(line) != line {
            begins.push(at);
        }
        at += line.len();
    }

    begins
}

/// Whether a line was a setting once that held a key.
fn is_secret_comment(line: &str) -> bool {
    let Some((_, comment)) = line.split_once('#') else {
        return false;
    };

    SECRETS.captures_iter(comment).any(|found| {
        let value = found[4].trim_matches(['"', '\'']);
        let holds = |kind: fn(&char) -> bool| value.chars().any(|c| kind(&c));
        value.len() >= KEY_CHARS_MIN
            && holds(char::is_ascii_digit)
            && holds(char::is_ascii_alphabetic)
    })
}

fn masked_line(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        shown.push_str(before);
        let length = after
            .find(['"', '\'', ' ', '\t', '\r', '\n', ','])
            .unwrap_or(after.len());

        let (url, behind) = after.split_at(length);
        let of_a_database = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| before.ends_with(scheme));

        match url.rfind('@') {
            _ if of_a_database => shown.push_str(BLOT),
            Some(at) => {
                shown.push_str(BLOT);
                shown.push_str(&url[at..]);
            }
            None => shown.push_str(url),
        }

        rest = behind;
    }

    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blotted_out_and_nothing_else() {
        for (line, shown) in [
            (
                "url = \"postgres://gate:pa/ss@host/db?password=x\" # ours\n",
                "url = \"postgres://***\" # ours\n",
            ),
            ("url = 'postgresql://host/db'", "url = 'postgresql://***'"),
            (
                "url = \"https://me:secret@panel.example/api\"",
                "url = \"https://***@panel.example/api\"",
            ),
            (
                "url = \"https://panel.example/api?a=b\"\n",
                "url = \"https://panel.example/api?a=b\"\n",
            ),
            (
                "url = \"https://p.example/api?a=b&key=0f1e\"\n",
                "url = \"https://p.example/api?a=b&key=***\"\n",
            ),
            ("key = \"abc\"\n", "key = \"***\"\n"),
            ("key=abc # mine\n", "key=\"***\" # mine\n"),
            ("\"api_key\" = 'a\"b'\n", "\"api_key\" = \"***\"\n"),
            ("# key: 0f1e2d\n", "# key: ***\n"),
            (
                "secret = \"\"\"a\nb\"\"\"\nid = 1\n",
                "secret = \"***\"\nid = 1\n",
            ),
            (
                "p = { password = \"a b\", x = 1 }\n",
                "p = { password = \"***\", x = 1 }\n",
            ),
            ("key = \"never closed\nid = 1\n", "key = \"***\"\nid = 1\n"),
            ("key_env = \"PANEL_KEY\"\n", "key_env = \"PANEL_KEY\"\n"),
            ("key_env = \"0f1e2d3c\"\n", "key_env = \"***\"\n"),
            ("secret_env = whsec_abc\n", "secret_env = \"***\"\n"),
            (
                "key_file = \"keys/one\"\nmonkey = 1\n",
                "key_file = \"keys/one\"\nmonkey = 1\n",
            ),
            (
                "key_file = \"f3a9c0d17e2b4c5d8e6f7a8b\"\n",
                "key_file = \"***\"\n",
            ),
            (
                "id = 1 # the old one: f3a9c0d17e2b4c5d8e6f\n",
                "id = 1 # the old one: ***\n",
            ),
        ] {
            assert_eq!(mask_secrets(line), shown);
            assert_eq!(mask_secrets(shown), shown, "once is enough");
        }
    }

    #[test]
    fn what_would_be_kept_is_found() {
        for (line, holds) in [
            ("url = \"postgres://gate:pass@host/db\"", true),
            ("# url = \"postgres://gate:pass@host/db\"", true),
            ("url = \"postgres://host/db?user=a&password=b\"", true),
            ("url = \"https://p.example/api?key=1\"", true),
            ("# key = \"0f1e2d3c4b5a69788796\"", true),
            ("id = \"a\" # api_key: sk0f1e2d3c4b5a", true),
            ("url = \"postgresql://***\"", false),
            ("url = \"postgres://gate@host:5432/db\"", false),
            ("# the key = what the panel shows under API", false),
            ("key_file = \"keys/0f1e2d3c4b5a6978\"", false),
            ("# url = \"postgres://…\"", false),
            ("key_file = \"f3a9c0d17e2b4c5d8e6f7a8b9c0d1e2f\"", true),
            ("# the old one: f3a9c0d17e2b4c5d8e6f7a8b9c0d1e2f", true),
            (
                "# was 99c9f0c4b1e6, see the invoice 20261130100000000000",
                false,
            ),
            ("link = \"#f3a9\"", false),
        ] {
            assert_eq!(
                lines_with_secrets(&format!("\n{line}\n")) == [1],
                holds,
                "{line}"
            );
        }
    }
}
