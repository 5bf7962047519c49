//! `cloud-relay`: the program far away. Parses, sets up tracing, dispatches.
#![forbid(unsafe_code)]
#![allow(dead_code)] // while the house is being built; goes with the wiring

mod access;
mod api;
mod audit;
mod broker;
mod claim;
mod config;
mod fleet;
mod identity;
mod index;
mod ingest;
mod mqtt;
mod pki;
mod relay;
mod store;
mod tenancy;
mod tunnel;

fn main() {}
