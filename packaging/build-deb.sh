#!/usr/bin/env bash
# Builds the Debian packages of agent and relay from programs that are there already. The same inputs give the same bytes.
#
# PROGRAMS  folder of edge-agent and cloud-relay      OUT      folder of what is made      VERSION  of the packages
# COMPRESSION  options of dpkg-deb                    MAINTAINER  name and address
# FOR       the target of cross.toml that the programs were built for; empty: this machine
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C TZ=UTC
: "${PROGRAMS:?}" "${OUT:?}" "${VERSION:?}" "${SOURCE_DATE_EPOCH:?}"
export SOURCE_DATE_EPOCH COMPRESSION=${COMPRESSION:-}
case ${FOR:=} in
x86_64-*) ARCH=amd64 ;;
aarch64-*) ARCH=arm64 ;;
*) ARCH=$(dpkg --print-architecture) ;;
esac
MAINTAINER=${MAINTAINER:-Holdfast maintainers <maintainers@holdfast.invalid>}
umask 022
mkdir -p "$OUT"
OUT=$(realpath "$OUT")
WORK=$OUT/holdfast

rm -rf "$WORK"
rm -f "$OUT"/holdfast-*_"$ARCH".deb "$OUT"/holdfast_*_"$ARCH".*
mkdir -p "$WORK/examples"
cp -r packaging/debian "$WORK/"
sed -i "s/@MAINTAINER@/$MAINTAINER/" "$WORK/debian/control"
mv "$WORK"/debian/*.toml "$WORK/"
cat > "$WORK/debian/changelog" <<CHANGELOG
holdfast ($VERSION) unstable; urgency=medium

  * What changed is told in CHANGELOG.md beside the sources.

 -- $MAINTAINER  $(date -R -d "@$SOURCE_DATE_EPOCH")
CHANGELOG

# The one source of units, users and folders.
for name in agent relay; do
	cp "systemd/system/holdfast-$name.service" "$WORK/debian/"
	cp "docs/ref/$name.toml" "$WORK/examples/"
done
cp systemd/sysusers.d/holdfast.conf "$WORK/debian/holdfast-agent.sysusers"
cp systemd/sysusers.d/holdfast-relay.conf "$WORK/debian/holdfast-relay.sysusers"
cp systemd/tmpfiles.d/holdfast.conf "$WORK/debian/holdfast-agent.tmpfiles"
cp systemd/system/holdfast.slice systemd/system-preset/*.preset "$WORK/"
# The journal is the whole box's: a proposal here, where the box is not ours alone.
cp systemd/journald.conf.d/holdfast.conf "$WORK/examples/journald.conf"

for program in edge-agent:agent cloud-relay:relay; do
	cp "$PROGRAMS/${program%:*}" "$WORK/"
	{ python3 packaging/crates.py "${program%:*}"; cat "web-ui/dist/${program#*:}/licences.txt"; } > "$WORK/third-party-${program#*:}.txt"
done

# What dpkg would work out of this machine's C library is told of the one that they are built for.
if [ -n "$FOR" ]; then
	floor=$(python3 -c 'import sys, tomllib; print(tomllib.load(open("cross.toml", "rb"))["target"][sys.argv[1]]["zig"])' "$FOR")
	for library in libc:6 libm:6 libdl:2 libpthread:0 librt:1 libutil:1 ld-linux-aarch64:1 ld-linux-x86-64:2; do
		echo "${library/:/ } libc6 (>= $floor)"
	done > "$WORK/debian/shlibs.local"
fi

cd "$WORK"
dpkg-buildpackage --build=binary --no-sign --no-check-builddeps --host-arch="$ARCH" > "$WORK.log" 2>&1 ||
	{ tail -40 "$WORK.log"; exit 1; }
ls -l --block-size=K ../holdfast-*_"$ARCH".deb
