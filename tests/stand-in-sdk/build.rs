//! The library carries the vendor's file name as its SONAME, as the real one does.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libhcnetsdk.so");
    println!("cargo:rerun-if-changed=build.rs");
}
