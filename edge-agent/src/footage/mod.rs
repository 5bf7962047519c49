//! Media bytes on disk: readable paths (R8), staging, volumes.
