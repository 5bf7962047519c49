//! Turns facts into reports: health, state, presence.
