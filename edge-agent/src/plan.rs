//! Pure: pending recordings, limits, priority -> next orders (R5, R6).
