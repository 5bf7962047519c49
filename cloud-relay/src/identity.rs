//! Login, sessions, lock-out, passwords (Q4).
