"""The tar archive of a slot's root: of Debian's root, without what a slot does not hold, and with the version in it.

slot_tar.py <root.tar> <version> [<left out>...] writes to standard output. GNU tar's --delete loses folders beside what
it deletes.
"""

import io
import os
import re
import sys
import tarfile

# Kernel and initial memory disk lie in the boot slot, /var lies on data, /dev is the kernel's. The folders stay.
LEFT_OUT = re.compile(r"\./(boot/(?!efi/?$)|var/|dev/).+")


def slot(root, version, left_out, out):
    made = int(os.environ["SOURCE_DATE_EPOCH"])
    with tarfile.open(root) as whole, tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as kept:
        for member in whole:
            if not LEFT_OUT.match(member.name) and member.name not in left_out:
                kept.addfile(member, whole.extractfile(member) if member.isreg() else None)
        text = f"{version}\n".encode()
        said = tarfile.TarInfo("./usr/lib/holdfast/version")
        said.size, said.mtime, said.mode = len(text), made, 0o644
        kept.addfile(said, io.BytesIO(text))


if __name__ == "__main__":
    slot(sys.argv[1], sys.argv[2], [f"./{path}" for path in sys.argv[3:]], sys.stdout.buffer)
