//! `services`: the catalog as it is sold, spelled once per version and dialect and then handed to
//! everyone; once more for those who have prices of their own.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use moka::future::Cache;
use moka::policy::EvictionPolicy;

use crate::catalog::Snapshot;
use crate::domain::customer::{Caller, Dialect};
use crate::domain::id::ConfigHash;
use crate::downstream::dialect;
use crate::downstream::reply::Reply;

/// What menus with prices of somebody's own may take together; the one that was asked for longest
/// ago goes first.
const OWN_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long one is kept that nobody asks for; those of earlier versions are asked for by nobody.
const OWN_IDLE: Duration = Duration::from_mins(10);

/// The spelled catalog, one per dialect: five thousand services are a megabyte that nobody wants
/// to write twice.
pub struct Menus {
    classic: ArcSwapOption<Menu>,
    notpanel: ArcSwapOption<Menu>,
    own: Cache<Own, Bytes>,
}

struct Menu {
    version: i64,
    hash: ConfigHash,
    bytes: Bytes,
}

impl Menu {
    /// Prices come from the panels' catalogs and from the operator's file: either changes without
    /// the other.
    fn is_of(&self, snapshot: &Snapshot) -> bool {
        self.version == snapshot.listings.version && self.hash == snapshot.hash
    }
}

/// What a menu with somebody's own prices depends on. Buyers of whom the same rules speak share
/// one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Own {
    version: i64,
    config: ConfigHash,
    dialect: Dialect,
    rules: Vec<usize>,
}

impl Default for Menus {
    fn default() -> Self {
        let weight = |own: &Own, bytes: &Bytes| {
            let rules = own.rules.len() * size_of::<usize>();
            u32::try_from(bytes.len() + rules).unwrap_or(u32::MAX)
        };

        let own = Cache::builder()
            .max_capacity(OWN_BYTES_MAX)
            .weigher(weight)
            .time_to_idle(OWN_IDLE);

        Self {
            classic: ArcSwapOption::empty(),
            notpanel: ArcSwapOption::empty(),
            own: own.eviction_policy(EvictionPolicy::lru()).build(),
        }
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
pub async fn list_services(menus: &Menus, caller: &Caller, snapshot: &Snapshot) -> Reply {
    let (dialect, prices) = (caller.dialect, snapshot.prices_for(caller.buyer()));
    if prices.own_rules().is_empty() {
        return Reply::Services(everybodys(menus, dialect, snapshot));
    }

    let (version, config) = (snapshot.listings.version, snapshot.hash.clone());
    let own = Own {
        version,
        config,
        dialect,
        rules: prices.own_rules().to_vec(),
    };

    Reply::Services(
        menus
            .own
            .get_with(own, async { dialect::write_services(dialect, &prices) })
            .await,
    )
}

fn everybodys(menus: &Menus, dialect: Dialect, snapshot: &Snapshot) -> Bytes {
    let kept = menus.of(dialect);
    if let Some(menu) = kept.load().as_deref().filter(|menu| menu.is_of(snapshot)) {
        return menu.bytes.clone();
    }

    // Two requests that come first at the same time both write it: wasted work once, where a lock
    // would stall all.
    let bytes = dialect::write_services(dialect, &snapshot.prices());

    kept.store(Some(Arc::new(Menu {
        version: snapshot.listings.version,
        hash: snapshot.hash.clone(),
        bytes: bytes.clone(),
    })));

    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Listings;
    use crate::domain::id::{CustomerId, KeyId};
    use crate::domain::money::{Percent, Rate};
    use crate::pricing::markup::{MarkupRule, Scope};
    use crate::pricing::rules::PriceRules;

    fn snapshot(version: i64) -> Snapshot {
        let scope = Scope {
            tier: Some("gold".into()),
            ..Scope::default()
        };

        let rule = MarkupRule {
            scope,
            percent: Percent::default(),
            fixed: Rate::default(),
            rounding: None,
        };

        let rules = PriceRules::new(&[rule], &["gold".to_owned()]);
        let listings = Arc::new(Listings::new(version, []));
        Snapshot {
            listings,
            rules,
            ..Snapshot::empty("USD")
        }
    }

    async fn bytes(menus: &Menus, customer: i64, tier: &str, snapshot: &Snapshot) -> Bytes {
        let caller = Caller {
            customer: CustomerId(customer),
            name: format!("customer {customer}").into(),
            key: KeyId(customer),
            dialect: Dialect::Classic,
            suspended_at: None,
            tier: tier.into(),
            allowed: Arc::default(),
            per_minute: None,
            dedupe_window_s: 0,
        };

        let Reply::Services(bytes) = list_services(menus, &caller, snapshot).await else {
            panic!("another reply")
        };

        bytes
    }

    #[tokio::test]
    async fn a_version_is_spelled_once_and_the_next_one_anew() {
        let menus = Menus::default();
        for tier in ["standard", "gold"] {
            let first = bytes(&menus, 1, tier, &snapshot(1)).await;
            assert_eq!(&first[..], b"[]");

            assert_eq!(
                bytes(&menus, 2, tier, &snapshot(1)).await.as_ptr(),
                first.as_ptr(),
                "whoever pays the same"
            );

            assert_ne!(
                bytes(&menus, 1, tier, &snapshot(2)).await.as_ptr(),
                first.as_ptr()
            );

            let edited = Snapshot {
                hash: ConfigHash("another".into()),
                ..snapshot(2)
            };

            let anew = bytes(&menus, 1, tier, &edited).await;
            assert_ne!(
                bytes(&menus, 1, tier, &snapshot(2)).await.as_ptr(),
                anew.as_ptr(),
                "another file, other prices"
            );
        }
    }

    #[tokio::test]
    async fn whoever_has_prices_of_their_own_is_not_handed_everybodys() {
        let menus = Menus::default();
        let everybodys = bytes(&menus, 1, "standard", &snapshot(1)).await;
        let own = bytes(&menus, 1, "gold", &snapshot(1)).await;
        assert_ne!(own.as_ptr(), everybodys.as_ptr());
    }
}
