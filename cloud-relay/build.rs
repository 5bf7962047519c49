//! Gathers the built web page for embedding. Where it is not built, a page that says so stands in, so that a plain
//! `cargo build` works.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>Holdfast</title>
<h1>UI not built: make ui</h1>
<p>This relay was built without its page. Run <code>make ui</code>, then build again. The API works:
<a href=\"/openapi.json\">/openapi.json</a>.</p>
</html>
";

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo")).join("ui");
    let dist = manifest.join("../web-ui/dist/relay");
    // Cargo runs this again at every build when what it watches does not exist, so the (ignored, empty) folder is made.
    // In a read-only source tree that fails, and nothing is lost but time.
    let _ = fs::create_dir_all(&dist);
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=build.rs");

    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    fs::create_dir_all(&out)?;
    if dist.join("index.html").is_file() {
        copy(&dist, &out)
    } else {
        fs::write(out.join("index.html"), NOT_BUILT)
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
