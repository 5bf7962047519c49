//! Reports in: idempotent by (appliance, log, seq); acknowledgements and hints out.
