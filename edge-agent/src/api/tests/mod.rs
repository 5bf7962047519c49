//! The whole API over a real catalog in a temporary folder, asked without a network.

mod appliance;
mod disks;
mod doors;
mod footage;
mod gaps;
mod house;
mod live;
mod login;
mod nouns;
mod several;
mod shape;
mod update;
