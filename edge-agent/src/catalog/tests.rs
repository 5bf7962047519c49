//! Stages: a real catalog and files in a temporary folder, simulated time.

mod flow;
