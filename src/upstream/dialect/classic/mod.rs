//! The PerfectPanel family's tongue: a form with an `action`, an answer in JSON of many shapes.

mod asks;
mod balance;
mod catalogue;
mod complaint;
mod form;
mod order;
mod rows;
mod words;

pub(super) use asks::{cancel_rows, refill, refill_rows};
pub(super) use balance::balance;
pub(super) use catalogue::catalogue;
pub(super) use form::form;
pub(super) use order::added;
pub(super) use rows::{error_row, rows};

/// Where an order's id stands, the likeliest first.
const ORDER_NAMES: [&str; 5] = ["order", "order_id", "orderId", "orderID", "id"];

/// The longest text of a panel that is kept in a row.
const TEXT_BYTES_MAX: usize = 256;
