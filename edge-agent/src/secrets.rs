//! Credentials sealed at rest (R11); the only file that can open them.
