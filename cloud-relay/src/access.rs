//! One question, answered in one place: may this principal do this to that (Q3).
