//! The integration tests: one binary, one private database server, a chapter per verb.
#![allow(clippy::unwrap_used, reason = "clippy's exception for tests does not reach the functions that tests share")]

mod after_the_end;
mod answers;
mod audit;
mod backup;
mod books;
mod catalogue;
mod commands;
mod config;
mod decided;
mod delivery;
mod doubt;
mod embedded;
mod faults;
mod gates;
mod hangups;
mod keys;
mod ladder;
mod listen;
mod lost;
mod placing;
mod refusals;
mod refused;
mod resolve;
mod scripted;
mod server;
mod settlement;
mod simulator;
mod wire;
mod workers;
mod world;
