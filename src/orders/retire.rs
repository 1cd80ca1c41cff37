//! What waits at a panel that the file names no more: nothing of it was sent, so it goes by another
//! route of its service that keeps the margin; where there is none, it waits, shown `Pending`,
//! until there is one, the panel's block comes back, or its customer cancels.

use chrono::TimeDelta;

use crate::domain::leg::LeasedLeg;
use crate::orders::Delivery;
use crate::orders::park::LEGS_MAX;
use crate::orders::reroute::{self, Leaving, RoutingContext, Sale};
use crate::orders::submit::LEG_LEASE_S;
use crate::store::leases::{self, MarginHold};
use crate::store::{StoreError, parked};
use crate::upstream::Panel;

/// How long a leg waits before another route is looked for again.
const HELD_FOR: TimeDelta = TimeDelta::minutes(1);

impl Delivery {
    /// Passes on what waits at a retired panel. How many legs went by another route.
    pub async fn pass_on(&self, panel: &Panel, epoch: i64) -> Result<usize, StoreError> {
        let (id, now) = (&panel.settings().id, self.clock.now());

        // Whatever they waited for here, they shall not be sent here: how they stand with the panel
        // is not asked, but for what it may have taken of our money, which is settled by then.
        let parked = parked::due_legs(&self.store, id, now, now, LEGS_MAX).await?;
        let parked: Vec<_> = parked.into_iter().map(|(leg, _)| leg).collect();

        if !parked.is_empty() {
            parked::unpark_legs(&self.store, &parked, now).await?;
        }

        let until = now + TimeDelta::seconds(LEG_LEASE_S);
        let mut passed_on = 0;
        for leg in
            leases::claim_due_legs(&self.store, id, None, epoch, LEGS_MAX, until, now).await?
        {
            passed_on += usize::from(self.pass_on_one(&leg, epoch).await?);
        }

        Ok(passed_on)
    }

    async fn pass_on_one(&self, leg: &LeasedLeg, epoch: i64) -> Result<bool, StoreError> {
        let (from, now) = (&leg.route.provider, self.clock.now());
        let tried = self.tried_before(leg.order, leg.n).await?;
        let (catalog, panels) = (self.catalog.now(), self.catalog.panels());

        let (context, sale) = (
            RoutingContext {
                catalog: &catalog,
                panels: &panels,
            },
            Sale::from(leg),
        );

        let leaving = Leaving {
            from: &leg.route,
            why: "was taken out of the file",
        };

        let (held, words) = match reroute::next_route(context, &sale, leaving, &tried) {
            Ok(chosen) => {
                let words = format!(
                    "{from} was taken out of the file; {} is tried",
                    chosen.route.provider
                );
                (MarginHold::Elsewhere(chosen), words)
            }
            Err(others) => {
                let words = format!(
                    "held: {from} was taken out of the file, and no other route keeps the margin"
                );

                let choice = reroute::stay_reasons(context, &sale, &leg.route, &words, others);
                (
                    MarginHold::Here {
                        until: now + HELD_FOR,
                        choice,
                    },
                    words,
                )
            }
        };

        let ours = leases::hold_leg(&self.store, leg, epoch, &held, &words, now).await?;
        if ours {
            tracing::warn!(order = %leg.order, provider = %from, "a panel is gone: {words}");
        }

        Ok(ours && matches!(held, MarginHold::Elsewhere(_)))
    }
}
