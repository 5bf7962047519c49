//! The tunnel: `hub` knows which appliance is connected and lends its spare connections (design.md §6).
