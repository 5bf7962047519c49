//! One order -> parts with digests and a journal; resume, progress, bandwidth (R6).
