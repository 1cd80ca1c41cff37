//! A configuration's text as it may be shown: what could be a password or a key is blotted out, also in a text that is
//! wrong.

/// What stands in place of what is not shown.
const BLOT: &str = "***";

/// The text, without what follows the scheme of a database's URL, without users and passwords in other URLs, and without
/// the value of a `key` that somebody wrote into the file by mistake.
pub fn masked(text: &str) -> String {
    text.split_inclusive('\n').map(masked_line).collect()
}

fn masked_line(line: &str) -> String {
    let (name, value) = line.split_once('=').unwrap_or((line, ""));
    if matches!(name.trim().trim_matches(['"', '\'']), "key" | "password" | "secret") && !value.trim().is_empty() {
        let end = if line.ends_with('\n') { "\n" } else { "" };
        return format!("{name}= \"{BLOT}\"{end}");
    }
    let mut shown = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        shown.push_str(before);
        let length = after.find(['"', '\'', ' ', '\t', '\r', '\n', ',']).unwrap_or(after.len());
        let (url, behind) = after.split_at(length);
        let of_a_database = ["postgres://", "postgresql://"].iter().any(|scheme| before.ends_with(scheme));
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
            ("url = \"postgres://gate:pa/ss@host/db?password=x\" # ours\n", "url = \"postgres://***\" # ours\n"),
            ("url = 'postgresql://host/db'", "url = 'postgresql://***'"),
            ("url = \"https://me:secret@panel.example/api\"", "url = \"https://***@panel.example/api\""),
            ("url = \"https://panel.example/api?a=b\"\n", "url = \"https://panel.example/api?a=b\"\n"),
            ("key = \"abc\"\n", "key = \"***\"\n"),
            ("key_env = \"PANEL_KEY\"\n", "key_env = \"PANEL_KEY\"\n"),
        ] {
            assert_eq!(masked(line), shown);
        }
    }
}
