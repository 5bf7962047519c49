//! Appliances and their presence.
