//! Staged file -> `Verified` or `Rejected`: size, container, decodes, covers its time, digest (R7).
