//! Our database: all SQL lives here, one file per noun.

pub mod embedded;
