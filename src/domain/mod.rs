//! The words everything else is written in: no I/O, no clock read, no JSON.

pub mod alert;
pub mod choice;
pub mod clock;
pub mod customer;
pub mod difference;
pub mod doubt;
pub mod expected_balance;
pub mod float;
pub mod given_back;
pub mod id;
pub mod leg;
pub mod limit;
pub mod money;
pub mod network;
pub mod order;
pub mod proof;
pub mod provider;
pub mod refill;
pub mod refusal;
pub mod service;
pub mod settlement;
pub mod spoken;
pub mod taken;
pub mod transfer;
pub mod wish;
