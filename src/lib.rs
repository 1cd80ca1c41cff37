//! panelgate: the gateway a reseller runs between v2 API customers and upstream panels.
//!
//! `ARCHITECTURE.md` draws the floors; a module names only modules on floors below its own.

pub mod domain;
pub mod pricing;
pub mod routing;
pub mod store;
pub mod upstream;
