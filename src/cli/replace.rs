//! Replacing a file by another text in one step, with the replaced one kept beside it: nobody ever
//! sees half of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Files kept under one name, with a number behind.
const KEPT_MAX: u32 = 1_000;

/// A text, written and safe on the disk beside the file whose place it takes.
#[derive(Debug)]
pub struct Replacement {
    half: PathBuf,
    path: PathBuf,
}

impl Replacement {
    /// Writes the text beside the file that is at `path` now: through a link to the file that it
    /// names, so that the link stays, and with the owner and the mode of what is replaced, as
    /// far as this user may give them.
    pub fn beside(path: &Path, text: &str) -> anyhow::Result<Self> {
        let path = fs::canonicalize(path)
            .with_context(|| format!("{} cannot be found", path.display()))?;
        let half = named(&path, &format!("new-{}", std::process::id()));
        let ready = Self { half, path };
        ready
            .write(text)
            .with_context(|| format!("cannot write {}", ready.half.display()))?;

        Ok(ready)
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let replaced = fs::metadata(&self.path)?;

        // Nobody else's to read before it has the mode of the other: it may hold a password.
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&self.half)?;

        let (user, group) = (replaced.uid(), replaced.gid());

        // Only the system's administrator may give a file away; its group is tried alone.
        let _ =
            fchown(&file, Some(user), Some(group)).or_else(|_| fchown(&file, None, Some(group)));
        file.set_permissions(replaced.permissions())?;
        file.write_all(text.as_bytes())?;

        file.sync_all()
    }

    /// The file that it replaces.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in the file's place; where the replaced file is kept, under the first name of this
    /// ending that is free. It is there under its name or the other, whenever the machine
    /// stops.
    pub fn put(self, ending: &str) -> io::Result<PathBuf> {
        let kept = keep(&self.path, ending)?;
        fs::rename(&self.half, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new("/")))?.sync_all()?;
        Ok(kept)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // Nothing came of it, or it has another name by now: nobody is left wondering what it is.
        let _ = fs::remove_file(&self.half);
    }
}

fn keep(path: &Path, ending: &str) -> io::Result<PathBuf> {
    for n in 1..=KEPT_MAX {
        let kept = named(
            path,
            &if n == 1 {
                ending.to_owned()
            } else {
                format!("{ending}.{n}")
            },
        );

        // Not everywhere may a file have two names.
        let linked = fs::hard_link(path, &kept).or_else(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                Err(error)
            } else {
                copy(path, &kept)
            }
        });

        match linked {
            Ok(()) => return Ok(kept),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }

    Err(io::Error::other(format!(
        "more than {KEPT_MAX} files end in {ending}; remove some"
    )))
}

fn copy(path: &Path, kept: &Path) -> io::Result<()> {
    let mut from = File::open(path)?;
    let mut to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(kept)?;

    to.set_permissions(from.metadata()?.permissions())?;
    io::copy(&mut from, &mut to)?;
    to.sync_all()
}

fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    PathBuf::from(name)
}
