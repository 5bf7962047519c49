//! The vendor library; runs only inside the worker process; the only place with `unsafe`.
