//! The integration tests: one binary, one private database server, a chapter per verb.
#![allow(clippy::unwrap_used, reason = "clippy's exception for tests does not reach the functions that tests share")]

mod answers;
mod audit;
mod books;
mod catalogue;
mod commands;
mod config;
mod delivery;
mod doubt;
mod embedded;
mod hangups;
mod keys;
mod limits;
mod listen;
mod placing;
mod refusals;
mod refused;
mod repeats;
mod resolve;
mod scripted;
mod server;
mod settlement;
mod simulator;
mod wire;
mod workers;
mod world;
