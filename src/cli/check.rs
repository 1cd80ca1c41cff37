//! `check`: is the configuration file right?

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::Globals;
use crate::cli::answer::CommandOutcome;
use crate::config;
use crate::reload;

/// The configuration file unless said.
const DEFAULT_FILE: &str = "providers.toml";

/// The file that the options name.
pub fn file(globals: &Globals) -> PathBuf {
    globals
        .config
        .clone()
        .unwrap_or_else(|| Path::new(DEFAULT_FILE).to_owned())
}

pub fn run(globals: &Globals) -> anyhow::Result<CommandOutcome> {
    let path = file(globals);
    let surroundings = config::surroundings();
    let file = config::load(&path, &surroundings)?;
    let mapping = &file.mapping;
    let (providers, services) = (mapping.providers.len(), mapping.services.len());

    let mut text = format!(
        "{} is valid; providers: {providers}, services: {services}, hash: {}\n",
        path.display(),
        mapping.hash
    );

    // The file is right all the same: the gateway may have another environment than whoever checks.
    let keys = reload::unreadable_keys(&file, &surroundings, None);

    let notes: Vec<String> = file
        .notes
        .iter()
        .cloned()
        .chain(keys.into_iter().map(|key| format!("here, {key}")))
        .collect();

    for note in &notes {
        let _ = writeln!(text, "note: {note}");
    }

    let document = json!({
        "ok": true, "config_hash": mapping.hash.0, "providers": providers, "services": services,
        "notes": notes,
    });

    Ok(CommandOutcome::new(text, document))
}
