//! panelgate: the gateway between v2 API customers and upstream panels.

pub mod store;
