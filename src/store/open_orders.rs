//! What is not over: how many orders of which service, and how many of their legs at which panel.

use std::collections::BTreeMap;

use crate::domain::id::{ProviderId, ServiceId};
use crate::store::{Store, StoreError, unsigned};

/// How much is open at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenOrders {
    /// Orders by our service.
    pub orders: BTreeMap<ServiceId, u64>,
    /// Legs by panel and the panel's service.
    pub legs: BTreeMap<(ProviderId, String), u64>,
    /// Legs that are over and still asked about, by panel: what their panel says of them moves
    /// money, or ends a refill.
    pub looked_back_at: BTreeMap<ProviderId, u64>,
}

impl OpenOrders {
    /// Open orders of a service.
    pub fn of_service(&self, service: ServiceId) -> u64 {
        self.orders.get(&service).copied().unwrap_or_default()
    }

    /// Open legs at a panel, whatever they deliver.
    pub fn at_panel(&self, provider: &ProviderId) -> u64 {
        let from = (provider.clone(), String::new());
        self.legs
            .range(from..)
            .take_while(|((at, _), _)| at == provider)
            .map(|(_, legs)| legs)
            .sum()
    }

    /// Legs at a panel of which another account of its may know nothing: open ones, and those that
    /// are looked back at.
    pub fn with_looks_back(&self, provider: &ProviderId) -> u64 {
        self.at_panel(provider)
            + self
                .looked_back_at
                .get(provider)
                .copied()
                .unwrap_or_default()
    }
}

/// Counts what is open, and what is looked back at. An open order always has an open leg, and those
/// are found by indexes and in `tracked_leg`, so this costs what is open and not what was ever sold.
pub async fn count_open(store: &Store) -> Result<OpenOrders, StoreError> {
    let rows = sqlx::query!(
        r#"
        with open as materialized (
            select order_id, provider, service from leg where state in ('ready', 'leased', 'parked')
            union all
            select order_id, provider, service from leg where state in ('sending', 'in_doubt')
            union all
            select l.order_id, l.provider, l.service
            from tracked_leg w
            join leg l on l.id = w.leg_id
            where w.ended_at is null and l.state = 'accepted'
        )
        select o.service_id, null as "provider?", null as "service?", count(*) as "open!"
        from orders o
        where o.ended_at is null and o.id in (select order_id from open)
        group by o.service_id
        union all
        select null, provider, service, count(*)
        from open
        group by provider, service
        union all
        select null, provider, null, count(*)
        from (
            select leg_id, provider from tracked_leg where ended_at is not null
            union
            select leg_id, provider from refill where ended_at is null
        ) over
        group by provider
        "#
    );

    let mut open = OpenOrders::default();
    for row in rows.fetch_all(&store.workers).await? {
        let count = unsigned(row.open);
        match (row.service_id, row.provider, row.service) {
            (Some(service), _, _) => {
                open.orders.insert(ServiceId(service), count);
            }
            (None, Some(provider), Some(service)) => {
                open.legs.insert((ProviderId(provider), service), count);
            }
            (None, Some(provider), None) => {
                open.looked_back_at.insert(ProviderId(provider), count);
            }
            (None, None, _) => {
                return Err(StoreError::Unexpected(
                    "a count of what is open without a name",
                ));
            }
        }
    }

    Ok(open)
}
