//! The only owner of SQLite: `schema.sql`, one file of SQL per noun, check and repair.

pub mod people;
