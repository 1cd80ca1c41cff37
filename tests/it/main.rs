//! The integration tests: one binary, one private database server, a chapter per verb.
#![allow(clippy::unwrap_used, reason = "clippy's exception for tests does not reach the functions that tests share")]

mod answers;
mod catalogue;
mod config;
mod embedded;
mod hangups;
mod keys;
mod listen;
mod placing;
mod refusals;
mod server;
mod simulator;
mod wire;
mod world;
