//! panelgate.
fn main() {}
