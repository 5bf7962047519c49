//! cloud-relay
fn main() {}
