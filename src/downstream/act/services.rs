//! `services`: the catalogue as it is sold, spelled once per version and dialect and then handed to everyone.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;

use crate::catalog::Snapshot;
use crate::domain::customer::Dialect;
use crate::domain::id::ConfigHash;
use crate::downstream::dialect;
use crate::downstream::reply::Reply;

/// The spelled catalogue, one per dialect: five thousand services are a megabyte that nobody wants to write twice.
#[derive(Default)]
pub struct Menus {
    classic: ArcSwapOption<Menu>,
    notpanel: ArcSwapOption<Menu>,
}

struct Menu {
    version: i64,
    hash: ConfigHash,
    bytes: Bytes,
}

impl Menu {
    /// Prices come from the panels' catalogues and from the operator's file: either changes without the other.
    fn is_of(&self, snapshot: &Snapshot) -> bool {
        self.version == snapshot.version && self.hash == snapshot.hash
    }
}

impl Menus {
    fn of(&self, dialect: Dialect) -> &ArcSwapOption<Menu> {
        match dialect {
            Dialect::Classic => &self.classic,
            Dialect::Notpanel => &self.notpanel,
        }
    }
}

/// Answers `services`.
pub fn services(menus: &Menus, dialect: Dialect, snapshot: &Snapshot) -> Reply {
    let kept = menus.of(dialect);
    if let Some(menu) = kept.load().as_deref().filter(|menu| menu.is_of(snapshot)) {
        return Reply::Services(menu.bytes.clone());
    }
    // Two requests that come first at the same time both write it: wasted work once, where a lock would stall all.
    let bytes = dialect::services(dialect, snapshot);
    kept.store(Some(Arc::new(Menu { version: snapshot.version, hash: snapshot.hash.clone(), bytes: bytes.clone() })));
    Reply::Services(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(menus: &Menus, version: i64, hash: &str) -> Bytes {
        let snapshot = Snapshot { version, hash: ConfigHash(hash.to_owned()), ..Snapshot::empty("USD") };
        let Reply::Services(bytes) = services(menus, Dialect::Classic, &snapshot) else { panic!("another reply") };
        bytes
    }

    #[test]
    fn a_version_is_spelled_once_and_the_next_one_anew() {
        let menus = Menus::default();
        let first = bytes(&menus, 1, "a");
        assert_eq!(&first[..], b"[]");
        assert_eq!(bytes(&menus, 1, "a").as_ptr(), first.as_ptr());
        assert_ne!(bytes(&menus, 2, "a").as_ptr(), first.as_ptr());
        let edited = bytes(&menus, 2, "b");
        assert_ne!(bytes(&menus, 2, "a").as_ptr(), edited.as_ptr(), "another file over the same catalogues");
    }
}
