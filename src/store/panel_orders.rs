//! Panels' ids of orders: which leg each is of, at which address.

use std::collections::HashSet;

use crate::domain::id::{LegId, OrderId, PanelOrder, ProviderId};
use crate::domain::provider::PanelAddress;
use crate::store::legs::LockedLeg;
use crate::store::{Store, StoreError, Tx};

/// Who says that a panel has a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// The panel, in its answer or by what it shows.
    Panel,
    /// A person who looked at the panel.
    Person,
}

/// Makes a leg the owner of an id at the address that was asked for it. Where nobody kept that
/// address, the id must be nobody's at any; and an owner whose own address nobody kept keeps it
/// from the leg, but not against a person's word once nobody follows that owner any more: it may
/// have been at another panel of the same name.
pub(super) async fn own_id(
    tx: &mut Tx,
    leg: &LockedLeg,
    id: &PanelOrder,
    witness: Witness,
) -> Result<bool, StoreError> {
    let owned = sqlx::query!(
        r#"
        insert into panel_order (provider, address, id, leg_id)
        select $1, mine.address, $2, $3
        from (
            select coalesce(max(address), '') as address, max(account) as account
            from attempt
            where leg_id = $3 and n = $4
        ) mine
        where not exists (
            -- What came late, of a leg that had been found not placed, is that leg's.
            select
            from leg late
            join attempt e on e.leg_id = late.id and e.n = late.attempt
            where late.late_order = $2 and late.id <> $3 and late.provider = $1 and not $5
                and mine.address <> ''
                and e.address = mine.address
        ) and not exists (
            -- In one account an id is one order's, whatever block it was bought through.
            select
            from panel_order other
            join attempt e on e.leg_id = other.leg_id
            where other.id = $2 and other.provider <> $1 and e.account = mine.account
        ) and not exists (
            select
            from panel_order other
            where other.provider = $1 and other.id = $2
                and (
                    mine.address = ''
                    or (
                        other.address = ''
                        and (not $5 or exists (select from tracked_leg where tracked_leg.leg_id = other.leg_id))
                    )
                )
        )
        on conflict do nothing
        "#,
        leg.route.provider.0,
        id.0,
        leg.id.0,
        leg.attempt,
        witness == Witness::Person
    );

    Ok(owned.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Those of the legs whose ids are other legs' at an address. The panel there went under another
/// address before: nothing that is asked of it now would be about them.
pub async fn ids_elsewhere(
    store: &Store,
    PanelAddress { provider, address }: PanelAddress<'_>,
    legs: impl IntoIterator<Item = (LegId, &PanelOrder)> + Send,
) -> Result<HashSet<LegId>, StoreError> {
    let (legs, ids): (Vec<i64>, Vec<String>) = legs
        .into_iter()
        .map(|(leg, id)| (leg.0, id.0.clone()))
        .unzip();

    let found = sqlx::query_scalar!(
        r#"
        select asked.leg_id as "leg_id!"
        from unnest($3::bigint[], $4::text[]) as asked (leg_id, id)
        where exists (
            select
            from panel_order other
            where other.provider = $1 and other.id = asked.id and other.address = $2
                and other.leg_id <> asked.leg_id
        )
        "#,
        provider.0,
        address,
        &legs,
        &ids
    );

    Ok(found
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(LegId)
        .collect())
}

/// The order whose leg got that id at a panel last, to be told to a person.
pub async fn find_owner(
    tx: &mut Tx,
    provider: &ProviderId,
    id: &PanelOrder,
) -> Result<Option<OrderId>, StoreError> {
    let owner = sqlx::query_scalar!(
        r#"
        select l.order_id
        from panel_order p
        join leg l on l.id = p.leg_id
        where p.provider = $1 and p.id = $2
        order by l.id desc
        limit 1
        "#,
        provider.0,
        id.0
    );

    Ok(owner.fetch_optional(&mut **tx).await?.map(OrderId))
}
