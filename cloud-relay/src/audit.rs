//! Who saw what, who changed what (Q6).
