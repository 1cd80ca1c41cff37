//! The installed PostgreSQL: where its server binaries are, of which major version, and how to
//! install them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::Error;

/// Where systems put server binaries outside of PATH; a `*` stands for the rest of one folder's
/// name.
const USUAL_PLACES: [&str; 6] = [
    "/usr/lib/postgresql/*/bin",                      // Debian, Ubuntu
    "/usr/pgsql-*/bin",                               // Red Hat with PostgreSQL's own packages
    "/usr/libexec/postgresql*",                       // Alpine
    "/opt/homebrew/opt/postgresql*/bin",              // Homebrew on Apple silicon
    "/usr/local/opt/postgresql*/bin",                 // Homebrew on Intel
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin", // Homebrew on Linux
];

/// Package managers and what each is told, in the order in which they are looked for.
const INSTALL_COMMANDS: [(&str, &str); 5] = [
    ("apt-get", "apt-get install -y postgresql"),
    ("dnf", "dnf install -y postgresql-server"),
    ("apk", "apk add postgresql"),
    ("pacman", "pacman -S --noconfirm postgresql"),
    ("brew", "brew install postgresql@17"),
];

/// The server binaries of one installation.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    folder: PathBuf,
    major: u32,
}

impl Binaries {
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Chooses the binaries: the data folder's major version if it has one, else the newest.
pub(super) fn choose(named: Option<&Path>, cluster: &Path) -> Result<Binaries, Error> {
    let places = named.map_or_else(places, |named| vec![named.to_owned()]);
    let mut found: Vec<Binaries> = places.iter().filter_map(|folder| look(folder)).collect();
    found.sort_by_key(|binaries| binaries.major);

    let Some(newest) = found.last() else {
        let looked = named.map_or("PATH and the usual places".to_owned(), |named| {
            named.display().to_string()
        });

        return Err(Error::NoBinaries {
            install: install_command(),
            looked,
        });
    };

    let Some(written_by) = written_by(cluster)? else {
        return Ok(newest.clone());
    };

    match found
        .iter()
        .find(|binaries| binaries.major.to_string() == written_by)
    {
        Some(same) => Ok(same.clone()),
        None => Err(Error::OtherMajor {
            folder: cluster.to_owned(),
            written_by,
            found: found
                .iter()
                .map(|binaries| binaries.major.to_string())
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// The program that is at least of that major version and nearest to it; the newest, where any will
/// do.
pub fn tool(
    named: Option<&Path>,
    name: &'static str,
    at_least: Option<u32>,
) -> Result<PathBuf, Error> {
    let places = named.map_or_else(places, |named| vec![named.to_owned()]);
    let programs = places.iter().map(|folder| folder.join(name));
    let mut found: Vec<(u32, PathBuf)> = programs
        .filter_map(|path| Some((version_of(&path)?, path)))
        .collect();

    // Stable: of equals, the usual places go before PATH, where a wrapper may stand.
    found.sort_by_key(|(major, _)| *major);
    let newest = found.last().map(|(major, _)| *major);
    let wanted = at_least.or(newest).unwrap_or_default();
    let fit = found.into_iter().find(|(major, _)| *major >= wanted);

    fit.map(|(_, path)| path).ok_or_else(|| Error::NoTool {
        name,
        at_least: at_least.map_or_else(String::new, |major| {
            format!(" of PostgreSQL {major} or newer")
        }),
        newest: newest.map_or_else(|| "none".to_owned(), |major| format!("one of {major}")),
        install: client_install_command(),
    })
}

fn written_by(cluster: &Path) -> Result<Option<String>, Error> {
    let path = cluster.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(version) => Ok(Some(version.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", path)(error)),
    }
}

fn places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = USUAL_PLACES
        .iter()
        .flat_map(|pattern| matching(pattern))
        .collect();

    places.extend(paths());
    places
}

fn paths() -> Vec<PathBuf> {
    std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default()
}

fn matching(pattern: &str) -> Vec<PathBuf> {
    let (before, after) = pattern
        .split_once('*')
        .expect("every usual place has one star");

    let (parent, prefix) = before
        .rsplit_once('/')
        .expect("every usual place is absolute");

    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };

    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(after.trim_start_matches('/')))
        .collect()
}

/// The folder as binaries, when both programs are there and the server tells its version.
fn look(folder: &Path) -> Option<Binaries> {
    if !folder.join("initdb").is_file() {
        return None;
    }

    let major = version_of(&folder.join("postgres"))?;
    Some(Binaries {
        folder: folder.to_owned(),
        major,
    })
}

/// What a program says of its major version; none where there is no such program.
fn version_of(program: &Path) -> Option<u32> {
    let answer = Command::new(program)
        .arg("--version")
        .env_clear()
        .output()
        .ok()?;

    major(&String::from_utf8_lossy(&answer.stdout))
}

/// `postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)` and `postgres (PostgreSQL) 18beta1` tell 15
/// and 18.
fn major(answer: &str) -> Option<u32> {
    let version = answer.split_whitespace().nth(2)?;
    let digits = version
        .find(|c: char| !c.is_ascii_digit())
        .map_or(version, |end| &version[..end]);
    digits.parse().ok()
}

fn install_command() -> String {
    let paths = paths();
    let command = INSTALL_COMMANDS
        .iter()
        .find(|(manager, _)| paths.iter().any(|folder| folder.join(manager).is_file()))
        .map_or(
            "your package manager: the PostgreSQL server",
            |(_, command)| command,
        );

    let needs_sudo = !nix::unistd::geteuid().is_root()
        && !command.starts_with("brew")
        && command.contains("postgresql");

    if needs_sudo {
        format!("sudo {command}")
    } else {
        command.to_owned()
    }
}

/// The same for the programs that dump and restore, which some systems pack apart from the server.
fn client_install_command() -> String {
    let server = install_command();
    server
        .replace("postgresql-server", "postgresql")
        .replace("-y postgresql", "-y postgresql-client")
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn the_major_version_is_read_from_what_the_server_says() {
        assert_eq!(
            major("postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)\n"),
            Some(15)
        );

        assert_eq!(major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major("postgres (PostgreSQL) 17\n"), Some(17));
        assert_eq!(major("pg_dump (PostgreSQL) 16.4\n"), Some(16));
        assert_eq!(major("command not found"), None);
    }
}
