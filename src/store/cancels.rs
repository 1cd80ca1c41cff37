//! Cancels: what is asked of a panel for an order that it has; once for each order.

use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, OrderId, PanelOrder, ProviderId};
use crate::store::{Store, StoreError, Tx};

/// Who wants an order back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedBy {
    /// Its customer.
    Customer,
    /// We: the customer has the money already.
    House,
}

impl AskedBy {
    fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::House => "house",
        }
    }
}

/// Keeps that an order is wanted back. Asking again changes nothing, but for the house: an order
/// that it gave the money back for is asked for anew, whatever became of it before.
pub async fn request_cancel(
    tx: &mut Tx,
    order: OrderId,
    by: AskedBy,
    now: Timestamp,
) -> Result<(), StoreError> {
    let asked = sqlx::query!(
        r#"
        insert into cancel_request (order_id, asked_by, asked_at, next_at)
        values ($1, $2, $3, $3)
        on conflict (order_id) do update
        set asked_by = excluded.asked_by, state = 'ready', attempt = cancel_request.attempt + 1,
            next_at = $3, given_up_at = null
        where excluded.asked_by = 'house'
        "#,
        order.0,
        by.as_str(),
        now
    );

    asked.execute(&mut **tx).await?;
    Ok(())
}

/// Whether an order is wanted back by these.
pub async fn is_asked_by(tx: &mut Tx, order: OrderId, by: AskedBy) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from cancel_request where order_id = $1 and asked_by = $2)
            as "found!""#,
        order.0,
        by.as_str()
    );

    Ok(found.fetch_one(&mut **tx).await?)
}

/// The order is over: what was not asked of its panel yet need not be.
pub async fn close_unasked(tx: &mut Tx, order: OrderId) -> Result<(), StoreError> {
    let closed = sqlx::query!(
        r#"
        update cancel_request
        set state = 'refused', words = 'the order was over before its panel was asked'
        where order_id = $1 and state in ('ready', 'sending')
        "#,
        order.0
    );

    closed.execute(&mut **tx).await?;
    Ok(())
}

/// Whether an order is wanted back.
pub async fn is_asked(tx: &mut Tx, order: OrderId) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from cancel_request where order_id = $1) as "found!""#,
        order.0
    );
    Ok(found.fetch_one(&mut **tx).await?)
}

/// A cancel in a worker's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueCancel {
    /// The order.
    pub order: OrderId,
    /// Its leg at the panel.
    pub leg: LegId,
    /// Its id there.
    pub panel_order: PanelOrder,
    /// Which attempt this is.
    pub attempt: i32,
    /// How many of them only waited for the panel's address.
    pub address_waits: i32,
}

/// Takes cancels that are due at a panel: of orders that it has, not asked yet, or asked by
/// somebody who ended. Asking a panel twice to cancel is as good as once.
pub async fn claim_due_cancels(
    store: &Store,
    provider: &ProviderId,
    epoch: i64,
    cancels_max: i64,
    overdue: Timestamp,
    now: Timestamp,
) -> Result<Vec<DueCancel>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with due as materialized (
            select c.order_id, l.id, l.panel_order
            from cancel_request c
            join leg l on l.order_id = c.order_id and l.state = 'accepted' and l.provider = $1
            where c.next_at <= $5
                and (c.state = 'ready'
                    or (c.state = 'sending' and (c.epoch < $2 or c.sending_at < $4)))
                and exists (select from provider p where p.id = $1 and p.epoch = $2
                    and p.held_until > $5)
            order by c.next_at, c.order_id
            limit $3
            for update of c skip locked
        )
        update cancel_request c
        set state = 'sending', attempt = attempt + 1, epoch = $2, sending_at = $5
        from due
        where c.order_id = due.order_id
        returning c.order_id, c.attempt, c.address_waits, due.id, due.panel_order as "panel_order!"
        "#,
        provider.0,
        epoch,
        cancels_max,
        overdue,
        now
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| DueCancel {
            order: OrderId(row.order_id),
            leg: LegId(row.id),
            panel_order: PanelOrder(row.panel_order),
            attempt: row.attempt,
            address_waits: row.address_waits,
        });

    Ok(rows.collect())
}

/// What a panel made of a cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It promised.
    Taken,
    /// It refused.
    Refused,
    /// Nobody asks any more since this moment: it never answered, or was not back at the order's
    /// address. A person is told.
    GivenUp(Timestamp),
    /// Nobody knows: asked again at this moment.
    AskAgain(Timestamp),
    /// It was not asked, being at another address: looked at again at this moment.
    Elsewhere(Timestamp),
}

/// Writes down what a panel made of a cancel. `false`: somebody else has it since.
pub async fn record_cancel(
    tx: &mut Tx,
    cancel: &DueCancel,
    heard: &CancelOutcome,
    words: &str,
) -> Result<bool, StoreError> {
    let (state, next_at) = match heard {
        CancelOutcome::Taken => ("taken", None),
        CancelOutcome::Refused | CancelOutcome::GivenUp(_) => ("refused", None),
        CancelOutcome::AskAgain(at) | CancelOutcome::Elsewhere(at) => ("ready", Some(*at)),
    };

    let given_up_at = match heard {
        CancelOutcome::GivenUp(at) => Some(*at),
        CancelOutcome::Taken
        | CancelOutcome::Refused
        | CancelOutcome::AskAgain(_)
        | CancelOutcome::Elsewhere(_) => None,
    };

    let address_waits = i32::from(matches!(heard, CancelOutcome::Elsewhere(_)));
    let kept = sqlx::query!(
        r#"
        update cancel_request
        set state = $3, next_at = coalesce($4, next_at), words = $5,
            address_waits = address_waits + $6,
            given_up_at = $7
        where order_id = $1 and state = 'sending' and attempt = $2
        "#,
        cancel.order.0,
        cancel.attempt,
        state,
        next_at,
        words,
        address_waits,
        given_up_at
    );

    Ok(kept.execute(&mut **tx).await?.rows_affected() == 1)
}
