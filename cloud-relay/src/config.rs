//! The TOML file, made of the `Config` structs that each module owns; unknown keys are refused.
