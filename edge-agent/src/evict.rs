//! Who must go: a pure choice of victims, then removal (S1, S2).
