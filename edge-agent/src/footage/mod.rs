//! Media bytes on disk: readable paths (R8), staging, volumes, and the one order in which footage is kept and removed.

pub mod fragments;
