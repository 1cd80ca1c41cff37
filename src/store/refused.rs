//! Refusals that may be of a second asking: doubts that our balance at the panel is to decide, and
//! what is parked after one that it decided.

use rust_decimal::Decimal;

use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, OrderId, ProviderId};
use crate::domain::money::Money;
use crate::domain::provider::RefusalClass;
use crate::store::{Store, StoreError, Tx};

/// A leg that its panel refused, as far as comparing our balance needs it.
#[derive(Clone, Debug)]
pub struct RefusedLeg {
    /// The leg.
    pub leg: LegId,
    /// Its order.
    pub order: OrderId,
    /// Where it was refused.
    pub provider: ProviderId,
    /// The attempt that was refused.
    pub attempt: i32,
    /// What it costs there, in the panel's currency.
    pub cost: Money,
    /// The account that was asked, as far as it was kept.
    pub account: Option<String>,
    /// When it was sent there first: the panel may have taken it ever since.
    pub first_sent_at: Timestamp,
    /// When the refusal was heard.
    pub refused_at: Timestamp,
    /// Until when our balance showed that nothing was taken for it.
    pub clear_until: Option<Timestamp>,
}

impl RefusedLeg {
    /// What a comparison is measured against was read by this moment.
    pub fn base_until(&self) -> Timestamp {
        self.clear_until
            .map_or(self.first_sent_at, |clear| clear.max(self.first_sent_at))
    }
}

/// A row of such a leg.
struct RefusedRow {
    id: i64,
    order_id: i32,
    provider: String,
    attempt: i32,
    cost: Decimal,
    account: Option<String>,
    first_sent_at: Timestamp,
    refused_at: Timestamp,
    clear_until: Option<Timestamp>,
}

impl From<RefusedRow> for RefusedLeg {
    fn from(row: RefusedRow) -> Self {
        Self {
            leg: LegId(row.id),
            order: OrderId(row.order_id),
            provider: ProviderId(row.provider),
            attempt: row.attempt,
            cost: Money::from_decimal(row.cost),
            account: row.account,
            first_sent_at: row.first_sent_at,
            refused_at: row.refused_at,
            clear_until: row.clear_until,
        }
    }
}

fn refused_legs(rows: Vec<RefusedRow>) -> Vec<RefusedLeg> {
    rows.into_iter().map(RefusedLeg::from).collect()
}

/// A leg that was just put in doubt waits there for our balance, which is looked at from this
/// moment on; it is believed to be refused for this reason where nothing was taken.
pub async fn await_comparison(
    tx: &mut Tx,
    leg: LegId,
    class: RefusalClass,
    at: Timestamp,
) -> Result<(), StoreError> {
    let put = sqlx::query!(
        "update leg set refused_for = $2, check_at = $3 where id = $1 and state = 'in_doubt'",
        leg.0,
        class.as_str(),
        at
    );

    match put.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected("a leg moved under its lock")),
    }
}

/// The doubts of a panel that our balance is to decide and that are due, longest waiting first; and
/// this one of them, due or not.
pub async fn find_waiting(
    store: &Store,
    provider: &ProviderId,
    only: Option<LegId>,
    now: Timestamp,
    legs_max: i64,
) -> Result<Vec<RefusedLeg>, StoreError> {
    let rows = sqlx::query_as!(
        RefusedRow,
        r#"
        select l.id, l.order_id, l.provider, l.attempt, round(l.cost / l.fx_rate, 8) as "cost!",
            (select e.account from attempt e where e.leg_id = l.id and e.n = l.attempt)
                as "account?",
            coalesce(
                (
                    select min(e.sent_at)
                    from attempt e
                    where e.leg_id = l.id and e.provider = l.provider and e.verdict <> 'never_sent'
                ),
                l.sending_at, l.doubted_at
            ) as "first_sent_at!",
            coalesce(
                (
                    select e.answered_at from attempt e
                    where e.leg_id = l.id and e.n = l.attempt
                ),
                l.doubted_at
            ) as "refused_at!",
            l.clear_until
        from leg l
        where l.provider = $1 and l.state = 'in_doubt' and l.refused_for is not null
            and case when $2::bigint is null then l.check_at <= $3 else l.id = $2 end
        order by l.check_at, l.id
        limit $4
        "#,
        provider.0,
        only.map(|leg| leg.0),
        now,
        legs_max
    );

    Ok(refused_legs(rows.fetch_all(&store.workers).await?))
}

/// The parked legs of a panel of which a late charge would still be noticed, that were refused by
/// `refused_max` and are due to be looked at.
pub async fn find_to_settle(
    store: &Store,
    provider: &ProviderId,
    refused_max: Timestamp,
    now: Timestamp,
    legs_max: i64,
) -> Result<Vec<RefusedLeg>, StoreError> {
    let rows = sqlx::query_as!(
        RefusedRow,
        r#"
        select l.id, l.order_id, l.provider, l.attempt, round(l.cost / l.fx_rate, 8) as "cost!",
            e.account as "account?", l.clear_until as "first_sent_at!",
            least(e.answered_at, l.clear_until) as "refused_at!", l.clear_until
        from leg l
        join attempt e on e.leg_id = l.id and e.n = l.attempt
        where l.provider = $1 and l.state = 'parked' and l.clear_until is not null
            and least(e.answered_at, l.clear_until) <= $2
            and coalesce(l.check_at, $3) <= $3
        order by l.id
        limit $4
        "#,
        provider.0,
        refused_max,
        now,
        legs_max
    );

    Ok(refused_legs(rows.fetch_all(&store.workers).await?))
}

/// What a parked leg was refused for is settled: nothing was taken for it.
pub async fn settle(store: &Store, leg: LegId, attempt: i32) -> Result<(), StoreError> {
    let settled = sqlx::query!(
        r#"
        update leg
        set clear_until = null, check_at = null
        where id = $1 and attempt = $2 and state = 'parked'
        "#,
        leg.0,
        attempt
    );

    // Nothing moves where it was let go or taken back meanwhile.
    settled.execute(&store.workers).await?;
    Ok(())
}

/// For which reason a locked leg was refused, while our balance is to decide of this attempt of it.
pub async fn awaited_class(
    tx: &mut Tx,
    leg: LegId,
    attempt: i32,
) -> Result<Option<RefusalClass>, StoreError> {
    let class = sqlx::query_scalar!(
        r#"
        select refused_for as "class!"
        from leg
        where id = $1 and attempt = $2 and state = 'in_doubt' and refused_for is not null
        "#,
        leg.0,
        attempt
    );

    let class = class.fetch_optional(&mut **tx).await?;
    Ok(class.as_deref().and_then(RefusalClass::from_word))
}

/// A doubt is looked at again at this moment.
pub async fn look_again(store: &Store, leg: LegId, at: Timestamp) -> Result<(), StoreError> {
    let put = sqlx::query!(
        "update leg set check_at = $2 where id = $1 and refused_for is not null",
        leg.0,
        at
    );

    // Nothing moves where the doubt is over already.
    put.execute(&store.workers).await?;
    Ok(())
}

/// What waits parked is not settled yet, and looked at again at this moment; whoever looks at it
/// reads why.
pub async fn settle_later(
    store: &Store,
    leg: LegId,
    attempt: i32,
    why: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let put = sqlx::query!(
        r#"
        update leg
        set check_at = $4, reason = $3
        where id = $1 and attempt = $2 and state = 'parked' and clear_until is not null
        "#,
        leg.0,
        attempt,
        why,
        at
    );

    // Nothing moves where it was taken or taken back meanwhile.
    put.execute(&store.workers).await?;
    Ok(())
}

/// Nothing was taken for a leg, so what its panel said is believed; where a moment is given, only
/// until then, and a late charge would still be noticed.
pub async fn believe_refusal(
    tx: &mut Tx,
    leg: LegId,
    attempt: i32,
    clear_until: Option<Timestamp>,
) -> Result<(), StoreError> {
    let believed = sqlx::query!(
        r#"
        with believed as (
            update leg set refused_for = null, clear_until = $3 where id = $1 and attempt = $2
            returning id
        )
        update attempt e
        set verdict = 'refused'
        from believed b
        where e.leg_id = b.id and e.n = $2 and e.verdict = 'in_doubt'
        "#,
        leg.0,
        attempt,
        clear_until
    );

    match believed.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected(
            "a refusal that was there a moment ago is gone",
        )),
    }
}

/// Our balance does not decide a doubt: it is one as any other from now on.
pub async fn stay_in_doubt(
    tx: &mut Tx,
    leg: LegId,
    why: &str,
    check_at: Timestamp,
) -> Result<(), StoreError> {
    let stays = sqlx::query!(
        r#"
        update leg set refused_for = null, reason = $2, check_at = $3
        where id = $1 and refused_for is not null
        "#,
        leg.0,
        why,
        check_at
    );

    match stays.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected("a leg moved under its lock")),
    }
}

/// A refusal that was believed is not any more.
pub async fn disbelieve_refusal(tx: &mut Tx, leg: LegId, attempt: i32) -> Result<(), StoreError> {
    let disbelieved = sqlx::query!(
        "update attempt set verdict = 'in_doubt' where leg_id = $1 and n = $2 and verdict \
         = 'refused'",
        leg.0,
        attempt
    );

    disbelieved.execute(&mut **tx).await?;
    Ok(())
}

/// The other names under which the file has a panel's account: what they take, they take from the
/// same balance.
pub async fn find_names_of_account(
    tx: &mut Tx,
    provider: &ProviderId,
) -> Result<Vec<ProviderId>, StoreError> {
    let names = sqlx::query_scalar!(
        r#"
        select other.id
        from provider this
        join provider other on other.catalog_account = this.catalog_account
        where this.id = $1 and other.id <> this.id
        "#,
        provider.0
    );

    Ok(names
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(ProviderId)
        .collect())
}
