//! panelgate: the gateway a reseller runs between v2 API customers and upstream panels.
//!
//! `ARCHITECTURE.md` draws the floors; a module names only modules on floors below its own.

pub mod catalog;
pub mod customers;
pub mod domain;
pub mod downstream;
pub mod orders;
pub mod pricing;
pub mod routing;
pub mod store;
