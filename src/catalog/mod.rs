//! What is sold, and by which panels it is delivered.

pub mod mapping;
