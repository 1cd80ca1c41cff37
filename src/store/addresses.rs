//! Ids at the addresses of a panel that moved: whose an id is, and what may have got one there that
//! nobody knows.

use crate::domain::doubt::Sought;
use crate::domain::id::{LegId, OrderId, PanelOrder};
use crate::domain::money::{ExchangeRate, Money};
use crate::domain::provider::PanelAddress;
use crate::store::doubts::DOUBTS_MAX;
use crate::store::{Store, StoreError, unsigned};

/// Whether a leg got its id at another address of its panel than this one, as far as anybody kept
/// it.
pub async fn is_of_former_address(
    store: &Store,
    PanelAddress { provider, address }: PanelAddress<'_>,
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

/// Whether a panel gave an id at an address to another leg of ours after that had been found not
/// placed.
pub async fn is_late_id(
    store: &Store,
    PanelAddress { provider, address }: PanelAddress<'_>,
    leg: LegId,
    id: &PanelOrder,
) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"
        select exists (
            select
            from leg l
            join attempt e on e.leg_id = l.id and e.n = l.attempt
            where l.late_at is not null and l.late_order = $2 and l.provider = $1 and l.id <> $3
                and e.address = $4
        ) as "found!"
        "#,
        provider.0,
        id.0,
        leg.0,
        address
    );

    Ok(found.fetch_one(&store.workers).await?)
}

/// A doubt at an address, or what is on its way there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unnamed {
    /// As it is looked for.
    pub sought: Sought,
    /// Whether its answer is still awaited.
    pub under_way: bool,
}

/// What was sent to a panel's address and has no id yet: on its way, in doubt, or given up in
/// doubt. `None`: they are too many to be compared.
pub async fn list_unnamed(
    store: &Store,
    PanelAddress { provider, address }: PanelAddress<'_>,
    except: LegId,
) -> Result<Option<Vec<Unnamed>>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select l.id, l.order_id, l.cost, l.fx_rate, o.units, o.package,
            l.state = 'sending' as "under_way!",
            coalesce(l.doubted_at, l.sending_at, l.ready_at) as "doubted_at!",
            e.sent_at,
            coalesce(greatest(l.sending_at, l.repeated_at), l.doubted_at, l.ready_at)
                as "last_sent_at!"
        from leg l
        join orders o on o.id = l.order_id
        join attempt e on e.leg_id = l.id and e.n = l.attempt
        where l.provider = $1 and l.state in ('sending', 'in_doubt', 'written_off')
            and e.address in ($2, '')
            and e.verdict in ('sending', 'in_doubt') and l.id <> $3
        limit $4
        "#,
        provider.0,
        address,
        except.0,
        DOUBTS_MAX + 1
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| Unnamed {
            sought: Sought {
                leg: LegId(row.id),
                order: OrderId(row.order_id),
                cost: Money::from_decimal(row.cost),
                exchange: ExchangeRate::from_decimal(row.fx_rate),
                units: (!row.package).then_some(unsigned(row.units)),
                sent_at: row.sent_at,
                last_sent_at: row.last_sent_at,
                doubted_at: row.doubted_at,
            },
            under_way: row.under_way,
        });

    let unnamed: Vec<_> = rows.collect();
    Ok(Some(unnamed)
        .filter(|unnamed| i64::try_from(unnamed.len()).is_ok_and(|count| count <= DOUBTS_MAX)))
}
