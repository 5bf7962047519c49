//! Asks one recorder what it holds in a window; answers an `Inventory` (R4).
