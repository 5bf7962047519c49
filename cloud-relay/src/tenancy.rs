//! Organisations and their sites.
