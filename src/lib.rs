//! panelgate: the gateway a reseller runs between v2 API customers and upstream panels.
//!
//! `ARCHITECTURE.md` draws the floors; a module names only modules on floors below its own.

pub mod alerts;
pub mod app;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod customers;
pub mod domain;
pub mod downstream;
pub mod ledger;
pub mod orders;
pub mod pricing;
pub mod reload;
pub mod routing;
pub mod store;
pub mod telemetry;
pub mod treasury;
pub mod upstream;
pub mod webhooks;
pub mod workers;
