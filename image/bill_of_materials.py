#!/usr/bin/env python3
"""The bill of materials (CycloneDX 1.5): Debian's packages in the root, and the crates in the agent.

bill_of_materials.py <version> <packages.tsv> <root.tar>; packages.tsv has name, version, architecture, source.
"""
import json
import os
import re
import sys
import tarfile
import uuid
from datetime import datetime, timezone

sys.path.append(os.path.join(os.path.dirname(__file__), "../packaging"))
from crates import crates_of

COPYRIGHT = re.compile(r"\./usr/share/doc/([^/]+)/copyright")


def debian_licences(root):
    """By package, the names that its copyright file gives, or all of a file that is for people only."""
    licences, links = {}, {}
    with tarfile.open(root) as tar:
        for member in tar:
            found = COPYRIGHT.fullmatch(member.name)
            if found and member.isfile():
                text = tar.extractfile(member).read().decode(errors="replace")
                names = re.findall(r"^License:[ \t]*(\S.*?)\s*$", text, re.MULTILINE)
                whole = {"name": "see text", "text": {"contentType": "text/plain", "content": text}}
                licences[found[1]] = [{"name": name} for name in sorted(set(names))] or [whole]
            elif member.issym() and member.name.startswith("./usr/share/doc/"):
                links[os.path.basename(member.name)] = os.path.basename(member.linkname)
    for package, other in links.items():
        licences.setdefault(package, licences.get(other, []))
    return licences


def debian(packages, root):
    licences = debian_licences(root)
    for line in open(packages, encoding="utf-8"):
        name, version, architecture, source = line.rstrip("\n").split("\t")
        yield {
            "type": "library",
            "name": name,
            "version": version,
            "purl": f"pkg:deb/debian/{name}@{version}?arch={architecture}&distro=bookworm",
            "licenses": [{"license": licence} for licence in licences.get(name, [])],
            "properties": [{"name": "debian:source", "value": source}],
        }


def crates():
    for package in crates_of("edge-agent"):
        licence = package["license"]
        yield {
            "type": "library",
            "name": package["name"],
            "version": package["version"],
            "purl": f"pkg:cargo/{package['name']}@{package['version']}",
            "licenses": [{"expression": licence.replace("/", " OR ")}] if licence else [],
        }


def main():
    version, packages, root = sys.argv[1:]
    made = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), timezone.utc)
    components = [*debian(packages, root), *crates()]
    content = json.dumps(components, sort_keys=True)
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # The same content has the same number.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "timestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "operating-system", "name": "holdfast-image", "version": version},
        },
        "components": components,
    }
    json.dump(bill, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main()
