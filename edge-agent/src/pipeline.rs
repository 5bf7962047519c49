//! The only file that names the stages in order; owns concurrency, priorities, retries and hand-over.
