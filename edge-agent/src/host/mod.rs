//! The box: who it is, how it fares, and what systemd hears of it.

pub mod block;
pub mod clock;
pub mod health;
pub mod identity;
pub mod signature;
pub mod smart;
pub mod watchdog;
