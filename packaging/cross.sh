#!/usr/bin/env bash
# Builds both programs for the targets of cross.toml, each with its oldest glibc, and checks that they need no newer one.
# Zig is their C compiler and linker: it carries the C library of every target in every version.
#
# cross.sh <profile> <target>…   no target: all of them
# OUT  folder of what is built: <target>/<profile>/<program>
set -euo pipefail
cd "$(dirname "$0")/.."
CARGO_ZIGBUILD=0.24.0
ZIG=0.15.2
: "${OUT:?}"
profile=$1
shift
mkdir -p "$OUT"
# A folder of its own: other features are united here than in a build of the whole workspace.
export CARGO_TARGET_DIR=$(realpath "$OUT")
TOOLS=$CARGO_TARGET_DIR/tools/$CARGO_ZIGBUILD-$ZIG

if [ ! -e "$TOOLS/complete" ]; then
	python3 -m venv "$TOOLS"
	"$TOOLS/bin/pip" install --quiet --no-input --disable-pip-version-check \
		"cargo-zigbuild==$CARGO_ZIGBUILD" "ziglang==$ZIG"
	touch "$TOOLS/complete"
fi
export PATH=$TOOLS/bin:$PATH CARGO_ZIGBUILD_PYTHON_PATH=$TOOLS/bin/python

# "<target> <oldest glibc>", a line each; names that are not in cross.toml are refused.
python3 - "$@" > "$CARGO_TARGET_DIR/floors" <<'PYTHON'
import sys, tomllib
with open("cross.toml", "rb") as file:
    targets = tomllib.load(file)["target"]
for name in sys.argv[1:] or targets:
    if name not in targets:
        sys.exit(f"{name} is not in cross.toml, which has: {' '.join(targets)}")
    print(name, targets[name]["zig"])
PYTHON

while read -r target floor <&3; do
	[ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || rustup target add "$target"
	options=(--locked --package edge-agent --package cloud-relay --target "$target.$floor")
	[ "$profile" = debug ] || options+=("--$profile")
	# By a build id debug symbols find their program; zig gives none by itself.
	variable=CARGO_TARGET_${target^^}_RUSTFLAGS
	env "${variable//-/_}=-Clink-arg=-Wl,--build-id=sha1" cargo zigbuild "${options[@]}"
	for program in edge-agent cloud-relay; do
		packaging/glibc_floor.py "$CARGO_TARGET_DIR/$target/$profile/$program" "$floor"
	done
done 3< "$CARGO_TARGET_DIR/floors"
