#!/usr/bin/env bash
# Installs, upgrades, removes and purges the packages in a fresh Debian 12, whose systemd runs the services. Needs root.
#
# DEBS  folder of the packages   NEXT  folder of their next version   OUT  folder for the system that is tried
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C
: "${DEBS:?}" "${NEXT:?}" "${OUT:?}"
MIRROR=${MIRROR:-http://deb.debian.org/debian}
mkdir -p "$OUT"
OUT=$(realpath "$OUT")
ROOT=$OUT/root

says() { echo "deb-test: $*"; }

if [ ! -e "$OUT/base.tar" ]; then
	says "a Debian 12 with systemd and nothing else"
	mmdebstrap --quiet --format=tar --variant=minbase --include=systemd-sysv,dbus,curl,procps \
		--aptopt='Apt::Install-Recommends "false"' bookworm "$OUT/base.part" "deb $MIRROR bookworm main"
	mv "$OUT/base.part" "$OUT/base.tar"
fi
rm -rf "$ROOT"
mkdir "$ROOT"
tar -xf "$OUT/base.tar" -C "$ROOT" --exclude='./dev/*'
mkdir "$ROOT/root/debs" "$ROOT/root/next"
cp "$DEBS"/*.deb "$ROOT/root/debs/"
cp "$NEXT"/*.deb "$ROOT/root/next/"
cp packaging/deb-story.sh "$ROOT/root/"
# Thrown away afterwards: nothing has to be on the disk for certain.
echo force-unsafe-io > "$ROOT/etc/dpkg/dpkg.cfg.d/deb-test"
# What makes no sense in a box within a box, or waits for what is not there.
for unit in systemd-resolved systemd-networkd-wait-online getty@tty1 console-getty systemd-timesyncd; do
	ln -sf /dev/null "$ROOT/etc/systemd/system/$unit.service"
done
cat > "$ROOT/etc/systemd/system/deb-story.service" <<UNIT
[Unit]
After=multi-user.target
# How the story ended is how the whole system ends.
SuccessAction=exit
FailureAction=exit

[Service]
Type=oneshot
StandardOutput=append:/root/story.log
StandardError=append:/root/story.log
Environment=DEBIAN_FRONTEND=noninteractive LC_ALL=C HOME=/root
ExecStart=/bin/bash /root/deb-story.sh
UNIT
mkdir -p "$ROOT/etc/systemd/system/default.target.wants"
ln -s ../deb-story.service "$ROOT/etc/systemd/system/default.target.wants/"

# With the network of this machine: packages are fetched, and the ports 8080, 8090, 8443, 8444 and 8883 must be free.
says "the life of both packages under systemd"
touch "$ROOT/root/story.log"
tail -f "$ROOT/root/story.log" &
follower=$!
ended=0
systemd-nspawn --quiet --directory="$ROOT" --boot --register=no --keep-unit --link-journal=no \
	--resolv-conf=copy-host --console=pipe < /dev/null > "$OUT/boot.log" 2>&1 || ended=$?
kill "$follower"
if [ "$ended" != 0 ]; then
	says "it ended with $ended; see $OUT/boot.log"
	exit 1
fi
