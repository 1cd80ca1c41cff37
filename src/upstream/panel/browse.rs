//! A panel's catalog: asked for in one part or many, and whether this process sells by it.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::service::PanelService;
use crate::upstream::dialect::{Ask, Catalog};
use crate::upstream::failure::{Failure, FailureKind};
use crate::upstream::panel::{Call, Panel};

/// The longest catalog: the largest seen has two megabytes.
const CATALOG_BYTES_MAX: usize = 64 << 20;
/// The most parts of a catalog that is told in parts: of 500 rows each, as many rows as one
/// answer may have.
const CATALOG_PARTS_MAX: usize = 100;

/// How often the wait for another try doubles.
const DOUBLINGS_MAX: u32 = 10;

/// When its catalog was asked for last, and how often in a row it was not read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Browsed {
    at: Option<Timestamp>,
    in_vain: u32,
}

impl Panel {
    /// Whether this process sells by what this very account lists at this address: nothing is
    /// placed before, or it would be by what another one asks for it.
    pub fn is_listed(&self) -> bool {
        self.listed.load(Ordering::Acquire)
    }

    /// This process sells by what it lists, or does no more: what is stored is another account's.
    pub fn list(&self, is_sold_by: bool) {
        self.listed.store(is_sold_by, Ordering::Release);
    }

    /// Its catalog was read.
    pub fn was_browsed(&self) {
        self.browsed().in_vain = 0;
        self.list(true);
    }

    /// Whether its catalog may be asked for: so long after it was asked for last, twice that
    /// after each time in vain, and never later than after `most`. It counts as asked for then,
    /// and in vain until it was read.
    pub fn may_be_browsed(&self, now: Timestamp, least: TimeDelta, most: TimeDelta) -> bool {
        let mut browsed = self.browsed();
        let doublings = browsed.in_vain.saturating_sub(1).min(DOUBLINGS_MAX);
        let after = most.min(least * (1 << doublings));
        let may = browsed.at.is_none_or(|at| now - at >= after || at > now);

        if may {
            *browsed = Browsed {
                at: Some(now),
                in_vain: browsed.in_vain.saturating_add(1),
            };
        }

        may
    }

    pub(super) fn browsed(&self) -> MutexGuard<'_, Browsed> {
        self.browsed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks what is sold. Rows that cannot be read are left out and counted in the log.
    pub async fn services(&self) -> Result<Vec<PanelService>, Failure> {
        let first = self.services_from(0).await?;
        if !self.settings.services_offset {
            return Ok(self.exchanged_all(first.services));
        }
        Ok(self.exchanged_all(self.further_services(first).await?))
    }

    /// The rest of a catalog that is told in parts: until a part brings nothing new.
    async fn further_services(&self, first: Catalog) -> Result<Vec<PanelService>, Failure> {
        let mut from = first.rows();
        let mut seen: HashSet<String> = first
            .services
            .iter()
            .map(|row| row.service.clone())
            .collect();

        let mut services = first.services;
        for _ in 1..CATALOG_PARTS_MAX {
            if from == 0 {
                return Ok(services);
            }

            let part = self.services_from(from).await?;
            let (rows, before) = (part.rows(), services.len());

            services.extend(
                part.services
                    .into_iter()
                    .filter(|row| seen.insert(row.service.clone())),
            );

            if rows == 0 || services.len() == before {
                return Ok(services);
            }

            from += rows;
        }

        // Half a catalog would switch the other half off.
        let words = format!("the catalog has more than {CATALOG_PARTS_MAX} parts");
        Err(Failure {
            kind: FailureKind::Unreadable,
            words,
        })
    }

    async fn services_from(&self, from: usize) -> Result<Catalog, Failure> {
        let timeout = self.settings.catalog_timeout();
        let said = self
            .question(Call::new(
                Ask::Services { from },
                timeout,
                CATALOG_BYTES_MAX,
            ))
            .await?;

        let catalog = self.answer(&said, self.dialect.catalog(&said.text))?;
        if catalog.skipped > 0 {
            let read = catalog.services.len();
            tracing::warn!(provider = %self.settings.id, read, skipped = catalog.skipped,
                "unreadable catalog rows");
        }

        Ok(catalog)
    }

    fn exchanged_all(&self, services: Vec<PanelService>) -> Vec<PanelService> {
        services
            .into_iter()
            .map(|service| self.exchanged(service))
            .collect()
    }

    /// A row of the catalog with its rate in the gateway's currency; a rate that is too large is
    /// none.
    fn exchanged(&self, service: PanelService) -> PanelService {
        let Some(exchange) = self.settings.exchange else {
            return service;
        };

        let rate = service
            .rate
            .and_then(|rate| rate.exchanged_rounding_up(exchange).ok());
        PanelService { rate, ..service }
    }
}
