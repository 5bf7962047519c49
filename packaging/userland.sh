#!/usr/bin/env bash
# Makes a system as old as the glibc of cross.toml, to try programs in (packaging/within.sh): Debian 11 as it was
# unpacked, none of its scripts run, with Mosquitto, and with an FFmpeg that needs nothing of it, for its own is too old.
#
# userland.sh <Debian's name of the architecture> <folder>
set -euo pipefail
SUITE=bullseye
FFMPEG=0.6.0
MIRROR=${MIRROR:-http://deb.debian.org/debian}
arch=$1
folder=$2
case $arch in
amd64) platform=manylinux2014_x86_64 ;;
arm64) platform=manylinux2014_aarch64 ;;
*)
	echo "$arch: nothing is known of FFmpeg for it" >&2
	exit 1
	;;
esac
if [ -e "$folder/complete" ]; then
	exit
fi
rm -rf "$folder"
mkdir -p "$folder/root"
mmdebstrap --quiet --variant=extract --architectures="$arch" --aptopt='Apt::Install-Recommends "false"' \
	--include=libc6,libgcc-s1,ca-certificates,tzdata,mosquitto "$SUITE" "$folder/system.tar" "deb $MIRROR $SUITE main"
tar -xf "$folder/system.tar" -C "$folder/root" --exclude='./dev/*'
rm "$folder/system.tar"
# What their scripts would have made of what is there.
cat "$folder"/root/usr/share/ca-certificates/mozilla/*.crt > "$folder/root/etc/ssl/certs/ca-certificates.crt"
echo '127.0.0.1 localhost' > "$folder/root/etc/hosts"
echo 'hosts: files' > "$folder/root/etc/nsswitch.conf"
python3 -m venv "$folder/pip"
"$folder/pip/bin/pip" download --quiet --no-input --disable-pip-version-check --no-deps --only-binary :all: \
	--platform "$platform" --dest "$folder" "imageio-ffmpeg==$FFMPEG"
mkdir -p "$folder/root/usr/local/bin"
unzip -p "$folder"/imageio_ffmpeg-*.whl 'imageio_ffmpeg/binaries/ffmpeg-*' > "$folder/root/usr/local/bin/ffmpeg"
chmod +x "$folder/root/usr/local/bin/ffmpeg"
rm -r "$folder/pip" "$folder"/*.whl
touch "$folder/complete"
