//! The footage of every site as last reported (Q1).
