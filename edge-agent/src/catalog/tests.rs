//! Stages: a real catalog and files in a temporary folder, simulated time.

mod adoption;
mod clocks;
mod costs;
mod devices;
mod flow;
mod interruption;
mod lists;
mod observing;
mod protection;
mod reach;
mod reports;
mod sequences;
mod upgrades;
