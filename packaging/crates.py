#!/usr/bin/env python3
"""The crates in one of our programs, and the licences that ask to travel with them.

crates.py <program> writes the text that lies in its package; image/bill_of_materials.py asks for the list.
"""
import json
import os
import re
import subprocess
import sys

LICENCE = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)


def crates_of(program, target="x86_64-unknown-linux-gnu"):
    """What is linked into a program, or runs while it is built: everything below it but what only tests need. As cargo's
    metadata has it, by name and version."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={target}"]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in told["packages"]}
    nodes = {node["id"]: node for node in told["resolve"]["nodes"]}
    found, todo = set(), [p["id"] for p in told["packages"] if p["name"] == program]
    while todo:
        node = todo.pop()
        if node in found:
            continue
        found.add(node)
        todo += [
            dep["pkg"]
            for dep in nodes[node]["deps"]
            if any(kind["kind"] != "dev" for kind in dep["dep_kinds"])
        ]
    return sorted((packages[node] for node in found), key=lambda p: (p["name"], p["version"]))


def texts(folder):
    """The licence texts at the top of a crate."""
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if LICENCE.match(name) and os.path.isfile(path) and not name.endswith(".rs"):
            with open(path, encoding="utf-8", errors="replace") as file:
                yield file.read().strip()


def main():
    holders, without = {}, []
    for package in crates_of(sys.argv[1]):
        if package["source"] is None:
            continue
        name = f"{package['name']} {package['version']} ({package['license'] or 'see below'})"
        found = list(texts(os.path.dirname(package["manifest_path"])))
        if not found:
            without.append(name)
        for text in found:
            # The same text, however its lines are broken, stands here once.
            holders.setdefault(" ".join(text.split()), (text, []))[1].append(name)
    print("Rust crates in this program, each under its licence as its authors give it.\n")
    for text, names in sorted(holders.values(), key=lambda it: it[1]):
        print("-" * 80, *sorted(set(names)), "", text, "", sep="\n")
    if without:
        print("-" * 80, "Crates that come without a text of their own:", *without, "", sep="\n")


if __name__ == "__main__":
    main()
