//! The actions: each reads what it needs from the form, asks one verb of the house, and says what
//! it answers.

pub mod add;
pub mod balance;
pub mod cancel;
pub mod refill;
pub mod services;
pub mod status;
