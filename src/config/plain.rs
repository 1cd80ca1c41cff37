//! Files that are files: a pipe or a device in the place of one keeps nobody waiting.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Opens a file for reading, and nothing else that may bear its name.
pub fn open_plain(path: &Path) -> io::Result<File> {
    // A pipe is opened when somebody writes to it, unless one says not to wait for that.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(path)?;

    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }

    if !kind.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a pipe or a device, and no file",
        ));
    }

    Ok(file)
}
