//! `rollback`: an earlier configuration comes into force again, and into the file.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use crate::cli::answer::{Answer, WrongUse};
use crate::cli::session::Session;
use crate::cli::{apply, check};
use crate::config;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::id::ConfigHash;
use crate::store::versions::{self, Version};

/// Files kept beside the one that is written, for one hash.
const KEPT_MAX: u32 = 1_000;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Which one; the one in force before the present one unless said
    #[arg(value_name = "HASH")]
    hash: Option<String>,
}

pub async fn run(session: &Session, options: Options) -> anyhow::Result<Answer> {
    let version = wanted(session, options.hash.as_deref()).await?;
    let path = check::file(&session.globals);
    // Through a link to the file that it names, so that the link stays.
    let path = path.canonicalize().unwrap_or(path);
    let (today, bytes) = (SystemClock.now().date_naive(), version.body.clone().into_bytes());
    let file = config::parse(&path, bytes, &config::surroundings(), today).map_err(|error| {
        WrongUse::because(format!("{} does not validate any more, and nothing was changed:\n{error}", version.hash))
    })?;
    // Made ready before anything is published: what cannot be written is no roll-back.
    let ready = Ready::beside(&path, &version)?;
    let published = match apply::publish(session, &file, "config rollback").await {
        Ok(published) => published,
        Err(error) => {
            ready.drop_it();
            return Err(error);
        }
    };
    let kept = ready.put(&path)?;
    let (mut text, file) = (published.text(), path.display());
    let _ = match &kept {
        Some(kept) => writeln!(text, "{file} holds it; the file before is {}", kept.display()),
        None => writeln!(text, "{file} holds it"),
    };
    let mut document = published.document();
    document["file"] = json!(file.to_string());
    document["kept"] = json!(kept.map(|kept| kept.display().to_string()));
    Ok(Answer::new(text, document))
}

async fn wanted(session: &Session, hash: Option<&str>) -> anyhow::Result<Version> {
    let Some(hash) = hash else {
        let before = versions::before(&session.store).await?;
        return before.context("there is no version before the one in force; `panelgate config list` shows all");
    };
    match versions::find(&session.store, hash).await? {
        Some(Some(version)) => Ok(version),
        Some(None) => anyhow::bail!("the text of {hash} is too old to be kept; `panelgate config list` shows all"),
        None => anyhow::bail!("{hash:?} was never in force; `panelgate config list` shows what was"),
    }
}

/// The text, written and safe on the disk under another name.
struct Ready {
    half: PathBuf,
    hash: ConfigHash,
}

impl Ready {
    fn beside(path: &Path, version: &Version) -> anyhow::Result<Self> {
        let half = named(path, &format!("new-{}", std::process::id()));
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&half)?;
            file.write_all(version.body.as_bytes())?;
            if let Ok(replaced) = std::fs::metadata(path) {
                file.set_permissions(replaced.permissions())?;
            }
            file.sync_all()
        };
        write().with_context(|| format!("cannot write {}", half.display()))?;
        Ok(Self { half, hash: version.hash.clone() })
    }

    /// Puts it in the file's place; where the replaced file was kept. It is there under its name or the other, whenever
    /// the machine stops.
    fn put(&self, path: &Path) -> anyhow::Result<Option<PathBuf>> {
        let put = || -> std::io::Result<Option<PathBuf>> {
            let kept = keep(path, &self.hash)?;
            std::fs::rename(&self.half, path)?;
            std::fs::File::open(path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new(".")))?
                .sync_all()?;
            Ok(kept)
        };
        put().with_context(|| {
            format!("{} is in force, but {} cannot be written; write it there yourself", self.hash, path.display())
        })
    }

    fn drop_it(&self) {
        let _ = std::fs::remove_file(&self.half);
    }
}

/// Keeps the file that is replaced beside its place, under a name that nothing has yet.
fn keep(path: &Path, hash: &ConfigHash) -> std::io::Result<Option<PathBuf>> {
    for n in 1..=KEPT_MAX {
        let name = if n == 1 { format!("before-{hash}") } else { format!("before-{hash}.{n}") };
        let kept = named(path, &name);
        match std::fs::hard_link(path, &kept) {
            Ok(()) => return Ok(Some(kept)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::other("too many files of former roll-backs; remove some"))
}

fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    PathBuf::from(name)
}
