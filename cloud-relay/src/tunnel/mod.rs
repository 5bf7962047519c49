//! The tunnel's end at the relay: appliances dial in and wait; the hub sends HTTP requests to them.

pub mod hub;
pub mod listener;
mod pool;
#[cfg(test)]
mod tests;
