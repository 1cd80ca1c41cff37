//! Ids at a panel that moved: an order got its id at the address before, and the panel at the
//! present one may have given the same id to an order of ours whose answer was lost. Nobody owns it
//! there yet, so nobody would notice.
//!
//! While such a doubt is open and could be what is shown, the end that is shown is not believed.
//! Where nothing is in doubt at the new address, or its figures or ids are others, a panel that
//! only changed its name is followed as before.

use crate::domain::id::{LegId, PanelOrder};
use crate::domain::provider::PanelAddress;
use crate::domain::provider::PanelStatus;
use crate::domain::settlement::Report;
use crate::orders::Delivery;
use crate::store::StoreError;
use crate::store::addresses::{self, Unnamed};
use crate::upstream::Panel;

/// Why an end that a panel shows is not believed.
pub(super) const MAY_BE_A_DOUBTS: &str = "the panel's address changed since, and this id may be \
                                          an order's that is in doubt there: decide that one \
                                          first, then this one goes on by itself";

/// Whose order a panel may be speaking of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderOwner {
    /// The one that was asked about.
    Its,
    /// One that is on its way, and will be known in a moment.
    UnderWay,
    /// One in doubt: a person, or its ladder, must decide first.
    ADoubts,
}

impl Delivery {
    /// Whose end a panel shows under a leg's id.
    pub(super) async fn whose_end(
        &self,
        panel: &Panel,
        leg: LegId,
        id: &PanelOrder,
        shown: &Report,
    ) -> Result<OrderOwner, StoreError> {
        if !ends(shown.status) || !self.is_of_former_address(panel, leg, id).await? {
            return Ok(OrderOwner::Its);
        }
        let may_be = |unnamed: &Unnamed| unnamed.sought.may_have_ended_so(shown);
        self.whose(panel, leg, id, may_be).await
    }

    /// Whether what is asked of a panel under a leg's id may befall an order in doubt.
    pub(super) async fn would_befall_a_doubt(
        &self,
        panel: &Panel,
        leg: LegId,
        id: &PanelOrder,
    ) -> Result<bool, StoreError> {
        if !self.is_of_former_address(panel, leg, id).await? {
            return Ok(false);
        }

        Ok(self
            .whose(panel, leg, id, |unnamed| !unnamed.under_way)
            .await?
            == OrderOwner::ADoubts)
    }

    async fn is_of_former_address(
        &self,
        panel: &Panel,
        leg: LegId,
        id: &PanelOrder,
    ) -> Result<bool, StoreError> {
        addresses::is_of_former_address(
            &self.store,
            PanelAddress {
                provider: &panel.settings().id,
                address: &panel.address(),
            },
            leg,
            id,
        )
        .await
    }

    async fn whose(
        &self,
        panel: &Panel,
        leg: LegId,
        id: &PanelOrder,
        may_be: impl Fn(&Unnamed) -> bool + Send,
    ) -> Result<OrderOwner, StoreError> {
        let (settings, address) = (panel.settings(), panel.address());
        let there = PanelAddress {
            provider: &settings.id,
            address: &address,
        };

        if addresses::is_late_id(&self.store, there, leg, id).await? {
            return Ok(OrderOwner::ADoubts);
        }

        // Too many to be compared: any of them may be it.
        let Some(unnamed) = addresses::list_unnamed(&self.store, there, leg).await? else {
            return Ok(OrderOwner::ADoubts);
        };

        let mut whose = OrderOwner::Its;
        for unnamed in unnamed.iter().filter(|unnamed| may_be(unnamed)) {
            if settings.doubts.ids_grow && self.is_outside(panel, unnamed, id).await? {
                continue;
            }

            if !unnamed.under_way {
                return Ok(OrderOwner::ADoubts);
            }
            whose = OrderOwner::UnderWay;
        }

        Ok(whose)
    }

    /// Whether an id lies outside of where a doubt's must lie, at a panel whose ids grow.
    async fn is_outside(
        &self,
        panel: &Panel,
        unnamed: &Unnamed,
        id: &PanelOrder,
    ) -> Result<bool, StoreError> {
        let Ok(id) = id.0.parse::<u128>() else {
            return Ok(false);
        };
        let gap = self.gap(panel, &unnamed.sought).await?;
        Ok(gap.is_some_and(|gap| id <= gap.before || id >= gap.after))
    }
}

/// Whether a status ends an order, and so may move money.
fn ends(status: PanelStatus) -> bool {
    match status {
        PanelStatus::Pending | PanelStatus::Processing | PanelStatus::InProgress => false,
        PanelStatus::Completed
        | PanelStatus::Partial
        | PanelStatus::Canceled
        | PanelStatus::Failed
        | PanelStatus::Expired => true,
    }
}
