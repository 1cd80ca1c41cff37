//! By what an edit's sales are judged: margins by the higher of two floors, and how far prices and
//! costs may move.

use crate::catalog::Service;
use crate::catalog::mapping::Mapping;
use crate::catalog::plan::buyers::{Buyers, Payer};
use crate::catalog::plan::dangers::{Danger, PlannedSale};
use crate::catalog::plan::services::{PlannedOffer, place};
use crate::domain::money::{Money, Percent, Rate};

/// A charge, to be compared as rates are.
pub(super) fn charge(money: Money) -> Rate {
    Rate::from_decimal(money.decimal())
}

/// What a sale leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SaleVerdict {
    Enough,
    BelowFloor,
    Loss,
}

fn verdict(offer: PlannedOffer, floor: Percent) -> SaleVerdict {
    if offer.price < offer.cost {
        return SaleVerdict::Loss;
    }

    let keeps = offer
        .price
        .for_package()
        .keeps_margin(offer.cost.for_package(), floor);

    if keeps {
        SaleVerdict::Enough
    } else {
        SaleVerdict::BelowFloor
    }
}

/// A service, and what it is offered for.
#[derive(Clone, Copy)]
struct Offered<'a> {
    service: &'a Service,
    offer: PlannedOffer,
}

/// By what sales are judged: an edit cannot wave itself through.
pub(super) struct Judges {
    /// How far a price may move, as the version in force says.
    pub jump: Percent,
    /// What sales had to leave before.
    before: Percent,
    /// What they have to leave: the higher of the two sides' floors.
    floor: Percent,
}

impl Judges {
    pub fn of(old: &Mapping, new: &Mapping) -> Self {
        Self {
            jump: old.price_jump,
            before: old.margin_floor,
            floor: old.margin_floor.max(new.margin_floor),
        }
    }

    /// What sales had to leave before, and what they have to leave.
    pub fn floors(&self) -> (Percent, Percent) {
        (self.before, self.floor)
    }

    /// What is dangerous about selling this, that was sold as that.
    pub fn of_sale(
        &self,
        before: Option<&Service>,
        sold: &Service,
        buyers: &Buyers<'_>,
    ) -> Vec<Danger> {
        let Some(before) = before else {
            let offers = buyers.offers(sold).into_iter();
            return offers
                .filter_map(|(who, offer)| self.of_margin(sold, who, offer))
                .collect();
        };

        let mut dangers = Vec::new();
        for (who, old, new) in buyers.pairs(before, sold) {
            if old != new || verdict(old, self.before) != verdict(new, self.floor) {
                dangers.extend(self.of_margin(sold, who.clone(), new));
            }
            dangers.extend(self.of_price(
                Offered {
                    service: before,
                    offer: old,
                },
                Offered {
                    service: sold,
                    offer: new,
                },
                who,
            ));
        }

        if dangers.is_empty() {
            dangers.extend(self.of_costs(before, sold));
        }

        dangers
    }

    fn of_margin(&self, sold: &Service, who: Payer, offer: PlannedOffer) -> Option<Danger> {
        match verdict(offer, self.floor) {
            SaleVerdict::Enough => None,
            SaleVerdict::BelowFloor => Some(Danger::BelowFloor(sale(sold, who, offer), self.floor)),
            SaleVerdict::Loss => Some(Danger::Loss(sale(sold, who, offer))),
        }
    }

    /// Two prices of a package are compared only where they are for the same: it may be billed by
    /// its units.
    fn of_price(&self, before: Offered<'_>, after: Offered<'_>, who: Payer) -> Option<Danger> {
        let (old, sold, new) = (before.offer, after.service, after.offer);
        let jump = self.jump;
        let billed = (before.service.billed(1), sold.billed(1));
        if billed.0 == billed.1 {
            let jumps = old.price.moves_more_than(jump, new.price);
            return jumps.then(|| Danger::PriceJump {
                sale: sale(sold, who, new),
                from: old.price,
                jump,
            });
        }

        let charges = (billed.0.at(old.price).ok()?, billed.1.at(new.price).ok()?);
        let jumps = charge(charges.0).moves_more_than(jump, charge(charges.1));
        jumps.then(|| Danger::PackageJump {
            sale: sale(sold, who, new),
            charges,
            jump,
        })
    }

    /// The first route that both sides have and that costs something quite else.
    fn of_costs(&self, before: &Service, sold: &Service) -> Option<Danger> {
        let jump = self.jump;
        sold.routes.iter().find_map(|(route, cost)| {
            let cost = (*cost)?;
            let from = before.routes.iter().find(|(other, _)| other == route)?.1?;
            let offer = PlannedOffer {
                price: sold.price.rate,
                cost,
            };

            let (service, name) = (sold.id, sold.name.clone());
            from.moves_more_than(jump, cost).then(|| Danger::CostJump {
                sale: PlannedSale {
                    service,
                    name,
                    who: Payer::Everybody,
                    offer,
                    route: place(route),
                },
                from,
                jump,
            })
        })
    }
}

fn sale(sold: &Service, who: Payer, offer: PlannedOffer) -> PlannedSale {
    let priced = sold
        .routes
        .iter()
        .find(|(_, cost)| *cost == Some(offer.cost))
        .or(sold.routes.first());

    let route = priced.map(|(route, _)| place(route)).unwrap_or_default();
    PlannedSale {
        service: sold.id,
        name: sold.name.clone(),
        who,
        offer,
        route,
    }
}
