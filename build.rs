//! Builds again when a migration is added: the migrations are embedded by a macro, which only sees
//! files it already knew.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
