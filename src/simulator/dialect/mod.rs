//! How panels spell what they say; strict writers, one per dialect.

pub(super) mod classic;
