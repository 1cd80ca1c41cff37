//! The campaign's folder, and the undertaker: a process that ends whatever is left of a campaign
//! that was killed.

use std::io::{PipeWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;

/// Reads `started PID` and `ended PID`; when we end, however, it ends those by their ids that did
/// not, waits for the database (which is told of our end by the system) and removes the folder.
const UNDERTAKER: &str = r#"
    alive=" "; keep=no
    while read -r word pid; do
        case $word in
            started) alive="$alive$pid " ;;
            ended) alive="${alive%% $pid *} ${alive#* $pid }" ;;
            keep) keep=yes ;;
        esac
    done
    for pid in $alive; do kill -9 "$pid"; done
    tries=0
    while [ -e "$1/postgres/postmaster.pid" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
    [ $keep = yes ] || rm -rf -- "$1"
"#;

/// A folder of one's own that is gone afterwards, with everything that ran in it.
pub struct Scratch {
    folder: PathBuf,
    // The write end of the undertaker's input: the system closes it when this process ends,
    // however it ends.
    tell: Mutex<Option<PipeWriter>>,
    undertaker: Mutex<Child>,
}

impl Scratch {
    pub fn open(keep: bool) -> anyhow::Result<Self> {
        // The database's user must be able to pass it when the campaign is run by root.
        let open = std::fs::Permissions::from_mode(0o755);

        let folder = tempfile::Builder::new()
            .prefix("panelgate-campaign-")
            .permissions(open)
            .tempdir()?
            .keep();

        let (theirs, tell) = std::io::pipe()?;
        let mut shell = Command::new("sh");
        shell
            .args(["-c", UNDERTAKER, "undertaker"])
            .arg(&folder)
            .stdin(theirs);

        // In a group of its own, so that Ctrl-C leaves it its work.
        shell
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);

        let undertaker = Mutex::new(shell.spawn().context("a shell")?);
        let scratch = Self {
            folder,
            tell: Mutex::new(Some(tell)),
            undertaker,
        };

        if keep {
            scratch.tell("keep", 0);
            crate::table::say(&format!("everything stays in {}", scratch.folder.display()));
        }

        Ok(scratch)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn started(&self, pid: u32) {
        self.tell("started", pid);
    }

    pub fn ended(&self, pid: u32) {
        self.tell("ended", pid);
    }

    fn tell(&self, word: &str, pid: u32) {
        let mut tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = tell.as_mut() {
            // A killed undertaker leaves us to clean up ourselves, which we do anyway.
            let _ = writeln!(pipe, "{word} {pid}");
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.tell
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();

        let _ = self
            .undertaker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .wait();
    }
}
