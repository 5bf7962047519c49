//! Every route of the relay in `router.rs`, one file per noun, one error shape (spec E).
