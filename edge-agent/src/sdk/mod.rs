//! The vendor library; runs only inside the worker process; the only place with `unsafe`.
//!
//! In reading order: the worker's main loop, what it does with a recorder (session, search, download, live), and below
//! them the library itself with its structs, error numbers and texts. The agent's side is `recorder/`; the two share
//! `recorder::worker_protocol` and nothing else.

pub mod worker_main;

mod input;

mod cancel;
mod download;
mod live;
mod live_queue;
mod sandbox;
mod search;
mod session;

mod bindings;
mod codes;
mod library;
mod text;
