//! tests/stand-in-sdk
