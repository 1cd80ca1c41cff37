//! Services as `[[service]]` blocks at the end of the configuration file, which stays the only truth for routing.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::import::papers::OldService;
use crate::cli::import::sheet::Wrongs;
use crate::config::{self, NewService};
use crate::domain::service::ServiceRule;

/// What the file is called while it is written, and what the replaced one is called afterwards.
const HALF_WRITTEN: &str = ".half-written";
const BEFORE: &str = ".before-import";

/// The configuration file with the services in it, found right and not written yet.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    text: String,
    /// Services that it did not have.
    pub added: usize,
    /// Services that it had already.
    pub before: usize,
}

/// Adds the services to the file's text, and reads the whole of it as `check` would.
pub fn draft(path: &Path, services: &[OldService], wrongs: &mut Wrongs) -> anyhow::Result<Draft> {
    let surroundings = config::surroundings();
    let file = config::load(path, &surroundings)?;
    let here: HashMap<i64, &ServiceRule> =
        file.mapping.services.iter().map(|rule| (i64::from(rule.id.0), rule)).collect();
    let (mut blocks, mut before) = (Vec::new(), 0);
    for service in services {
        match here.get(&service.block.id) {
            None => blocks.push(&service.block),
            Some(rule) if delivers(rule, &service.block) => before += 1,
            Some(_) => {
                let (file, id) = (path.display(), service.block.id);
                wrongs.say(&service.place, &format!("{file} has a service {id} already, with another route"));
            }
        }
    }
    let added = blocks.len();
    if added == 0 {
        return Ok(Draft { path: path.to_owned(), text: file.text, added, before });
    }
    let text = config::with_services(&file.text, &blocks);
    let folder = path.parent().unwrap_or(Path::new(""));
    if let Err(complaints) = config::read(&text, folder, &surroundings) {
        let name = format!("{} with the services of the sheet at its end", path.display());
        wrongs.say("services.csv", &complaints.about(name).to_string());
    }
    Ok(Draft { path: path.to_owned(), text, added, before })
}

/// Whether a block sells the same service of the same panel.
fn delivers(rule: &ServiceRule, service: &NewService) -> bool {
    rule.routes.iter().any(|route| route.provider.0 == service.provider && route.service == service.service)
}

impl Draft {
    /// Writes the text beside the file, as far as anything can be done before the books are committed.
    pub fn prepare(self) -> anyhow::Result<Prepared> {
        if self.added == 0 {
            return Ok(Prepared { file: None });
        }
        // What a link names is replaced, not the link.
        let path = fs::canonicalize(&self.path).with_context(|| format!("{} cannot be found", self.path.display()))?;
        let half_written = beside(&path, HALF_WRITTEN);
        let write = || -> io::Result<()> {
            let mut file = File::create(&half_written)?;
            file.set_permissions(fs::metadata(&path)?.permissions())?;
            file.write_all(self.text.as_bytes())?;
            file.sync_all()
        };
        write().with_context(|| format!("{} cannot be written", half_written.display()))?;
        Ok(Prepared { file: Some((half_written, path)) })
    }
}

/// A file that waits for its last step.
#[derive(Debug)]
pub struct Prepared {
    file: Option<(PathBuf, PathBuf)>,
}

impl Prepared {
    /// Puts the file in its place.
    pub fn finish(mut self) -> anyhow::Result<()> {
        let Some((half_written, path)) = self.file.take() else { return Ok(()) };
        // The replaced text is kept under a name of its own; then the new one takes its place in one step.
        let put = fs::copy(&path, beside(&path, BEFORE)).and_then(|_| fs::rename(&half_written, &path));
        put.with_context(|| {
            let (half_written, path) = (half_written.display(), path.display());
            format!(
                "customers, keys and balances are in, but {half_written} could not be renamed to {path}; do it by hand"
            )
        })
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // Nothing came of it: nobody is left wondering what it is.
        if let Some((half_written, _)) = &self.file {
            let _ = fs::remove_file(half_written);
        }
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
