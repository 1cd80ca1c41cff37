//! Whom the server runs as: ourselves, or somebody unprivileged when we are root.

use std::{
    fs, io,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::Command,
};

use nix::unistd::{Gid, Uid, User, chown};

use super::Error;

/// The unprivileged user of the server; none when that is ourselves.
#[derive(Debug, Clone)]
pub(super) struct ServerUser(Option<Unprivileged>);

#[derive(Debug, Clone)]
struct Unprivileged {
    uid: Uid,
    gid: Gid,
    name: String,
}

impl ServerUser {
    /// As root: the owner of the first of `folders` that exists and is not root's, else `postgres`,
    /// else `nobody`.
    pub(super) fn choose(folders: [&Path; 2]) -> Result<ServerUser, Error> {
        if !Uid::effective().is_root() {
            return Ok(ServerUser(None));
        }

        let owner = folders
            .iter()
            .filter_map(|path| fs::metadata(path).ok())
            .find(|meta| meta.uid() != 0);

        if let Some(owner) = owner {
            let uid = Uid::from_raw(owner.uid());
            let known = User::from_uid(uid).ok().flatten();

            // In a container the owner may be a bare number.
            let (gid, name) = known.map_or((Gid::from_raw(owner.gid()), uid.to_string()), |user| {
                (user.gid, user.name)
            });
            return Ok(ServerUser(Some(Unprivileged { uid, gid, name })));
        }

        let user = ["postgres", "nobody"]
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten());

        let user = user.ok_or(Error::NoUser)?;
        Ok(ServerUser(Some(Unprivileged {
            uid: user.uid,
            gid: user.gid,
            name: user.name,
        })))
    }

    /// Checks that the user may pass every folder down to `wanted` itself, and says which one
    /// blocks.
    ///
    /// The server would only say "permission denied" about the end of the path.
    pub(super) fn check_way(&self, wanted: &Path) -> Result<(), Error> {
        let Some(user) = &self.0 else { return Ok(()) };
        let blocking = wanted
            .ancestors()
            .filter(|folder| folder.exists() && !user.may_pass(folder))
            .last();

        match blocking {
            None => Ok(()),
            Some(blocking) => Err(Error::Blocked {
                user: user.name.clone(),
                blocking: blocking.to_owned(),
                wanted: wanted.to_owned(),
            }),
        }
    }

    /// Gives a file or folder that we made to the server's user.
    pub(super) fn give(&self, path: &Path) -> Result<(), Error> {
        let Some(user) = &self.0 else { return Ok(()) };
        chown(path, Some(user.uid), Some(user.gid))
            .map_err(|errno| Error::file("give to the server's user", path)(io::Error::from(errno)))
    }

    /// Whether the folder belongs to the server's user.
    pub(super) fn owns(&self, meta: &fs::Metadata) -> bool {
        meta.uid()
            == self
                .0
                .as_ref()
                .map_or(Uid::effective(), |user| user.uid)
                .as_raw()
    }

    /// Makes the command run as this user, without our groups.
    pub(super) fn runs(&self, command: &mut Command) {
        if let Some(user) = &self.0 {
            // The standard library drops the supplementary groups when root sets another uid.
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
    }
}

impl Unprivileged {
    fn may_pass(&self, folder: &Path) -> bool {
        let Ok(meta) = fs::metadata(folder) else {
            return false;
        };

        let bit = if meta.uid() == self.uid.as_raw() {
            0o100
        } else if meta.gid() == self.gid.as_raw() {
            0o010
        } else {
            0o001
        };

        meta.mode() & bit != 0
    }
}
