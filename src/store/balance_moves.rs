//! Float moves: what each leg took from our balance at its panel or brought back, in the panel's
//! currency, and between which moments it did.

use crate::domain::clock::Timestamp;
use crate::domain::id::LegId;
use crate::domain::money::Money;
use crate::domain::settlement::FinalCost;
use crate::store::legs::LockedLeg;
use crate::store::{Store, StoreError, Tx};

/// Moves forgotten at once.
const FORGOTTEN_MAX: i64 = 5_000;

/// A panel took what a leg is expected to cost: after it was sent first, and before this moment.
pub async fn note_taken(tx: &mut Tx, leg: &LockedLeg, now: Timestamp) -> Result<(), StoreError> {
    let took = Noted {
        booked: leg.cost,
        after_heard: false,
        rounding: Money::ZERO,
        said: true,
    };

    note_move(tx, leg.id, took, now).await
}

/// A leg's cost is another than was booked.
///
/// Where the panel told the booked charge while the order was open, the money came back after it
/// was heard to be open last; else the charge may have been another from the beginning.
pub async fn note_corrected(
    tx: &mut Tx,
    leg: &LockedLeg,
    cost: FinalCost,
    now: Timestamp,
) -> Result<(), StoreError> {
    let booked = cost.amount.minus(leg.booked);
    let booked = booked.map_err(|_| StoreError::Unexpected("a cost that the books cannot hold"))?;
    let corrected = Noted {
        booked,
        after_heard: true,
        rounding: cost.rounding,
        said: cost.said,
    };

    note_move(tx, leg.id, corrected, now).await
}

/// What is noted of a leg.
#[derive(Clone, Copy, Debug)]
struct Noted {
    /// In our currency, as the ledger has it.
    booked: Money,
    /// Whether it happened after the panel was heard last.
    after_heard: bool,
    /// How far the panel's own rounding may have moved it, in our currency.
    rounding: Money,
    /// Whether the panel said so.
    said: bool,
}

async fn note_move(
    tx: &mut Tx,
    leg: LegId,
    noted: Noted,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Noted {
        booked,
        after_heard,
        rounding,
        said,
    } = noted;

    if booked == Money::ZERO {
        return Ok(());
    }

    let noted = sqlx::query!(
        r#"
        insert into balance_move (provider, leg_id, order_id, booked, amount, slack, earliest,
            latest, epoch, said)
        select l.provider, l.id, l.order_id, $2::numeric, round($2::numeric / l.fx_rate, 8),
            -- Rates and amounts are rounded up to eight decimals of our currency: a rate's last
            -- decimal counts once for
            -- each thousand units, an amount's once; and what that makes in the panel's currency is
            -- rounded again.
            round((0.00000001 * (2 + o.units / 1000.0) + $5::numeric) / l.fx_rate, 8) + 0.00000001,
            least($4, coalesce(
                case when $3 and (w.ended_at is not null or w.charge = l.cost and $2::numeric < 0)
                    then w.heard_at end,
                (select min(e.sent_at) from attempt e where e.leg_id = l.id
                    and e.verdict <> 'never_sent'),
                l.sending_at,
                $4
            )),
            $4, l.epoch, $6
        from leg l
        join orders o on o.id = l.order_id
        left join tracked_leg w on w.leg_id = l.id
        where l.id = $1
        "#,
        leg.0,
        booked.decimal(),
        after_heard,
        now,
        rounding.decimal(),
        said
    );

    match noted.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected(
            "money moved at a panel that nobody knows",
        )),
    }
}

/// Forgets moves that were over before this moment, some of them each time.
pub async fn forget_moves(store: &Store, latest_min: Timestamp) -> Result<(), StoreError> {
    let forgotten = sqlx::query!(
        "delete from balance_move where id in (select id from balance_move where latest < $1 order \
         by \
         id limit $2)",
        latest_min,
        FORGOTTEN_MAX
    );

    forgotten.execute(&store.workers).await?;
    Ok(())
}
