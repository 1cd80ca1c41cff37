//! Ids at the addresses of a panel that moved: whose an id is, where it was given.

use crate::domain::id::{LegId, PanelOrder, ProviderId};
use crate::store::{Store, StoreError};

/// Whether a leg got its id at another address of its panel than this one, as far as anybody kept it.
pub async fn is_of_former_address(
    store: &Store,
    (provider, address): (&ProviderId, &str),
    leg: LegId,
    id: &PanelOrder,
) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"
        select exists (
            select
            from panel_order
            where provider = $1 and id = $2 and leg_id = $3 and address not in ($4, '')
        ) as "found!"
        "#,
        provider.0,
        id.0,
        leg.0,
        address
    );
    Ok(found.fetch_one(&store.workers).await?)
}

/// Whether a panel gave an id at an address to another leg of ours after that had been found not placed.
pub async fn is_late_id(
    store: &Store,
    (provider, address): (&ProviderId, &str),
    leg: LegId,
    id: &PanelOrder,
) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"
        select exists (
            select
            from leg l
            join exchange e on e.leg_id = l.id and e.attempt = l.attempt
            where l.late_at is not null and l.late_order = $2 and l.provider = $1 and l.id <> $3 and e.address = $4
        ) as "found!"
        "#,
        provider.0,
        id.0,
        leg.0,
        address
    );
    Ok(found.fetch_one(&store.workers).await?)
}
