//! The LAN HTTP API: every route in `router.rs`, one file per noun, one error shape (spec E).
