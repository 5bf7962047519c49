#!/usr/bin/env python3
"""Writes the list of crates that the recipe fetches, from Cargo.lock: what Cargo is given is what the lock names.

crates.py <Cargo.lock> <holdfast-agent-crates.inc>; the order is the lock's, so the same lock gives the same bytes.
"""
import sys
import tomllib

REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def crates(lock):
    for package in tomllib.loads(lock)["package"]:
        source = package.get("source")
        if source is None:
            continue  # ours: it lies in the tree
        if source != REGISTRY:
            sys.exit(f"crates.py: {package['name']} comes from {source}; the list can hold crates of crates.io only")
        yield package["name"], package["version"], package["checksum"]


def main():
    lock, target = sys.argv[1:]
    with open(lock, encoding="utf-8") as file:
        found = list(crates(file.read()))
    lines = ["# Written by `make yocto-crates` from Cargo.lock; a test holds the two together.", 'SRC_URI += "\\']
    lines += [f"    crate://crates.io/{name}/{version} \\" for name, version, _ in found]
    lines += ['"', ""]
    lines += [f'SRC_URI[{name}-{version}.sha256sum] = "{checksum}"' for name, version, checksum in found]
    with open(target, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


main()
