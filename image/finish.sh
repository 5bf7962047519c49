#!/bin/sh
# The last steps inside the new root.
set -eu
systemd-sysusers
systemctl enable --quiet systemd-networkd systemd-resolved systemd-timesyncd \
	holdfast-agent holdfast-name holdfast-health holdfast-console@tty1 holdfast-console@ttyS0
# Nobody logs in: there is no password, no SSH, and no login on any screen.
passwd --quiet --lock root
mkdir -p /data /boot/efi /etc/holdfast
# Made by each box: an empty file, over which systemd lays the id.
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id
echo holdfast > /etc/hostname
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
# What was left out of FFmpeg's libraries is linked by nothing.
for program in ffmpeg ffprobe edge-agent; do
	if ldd "/usr/bin/$program" | grep 'not found'; then
		echo "$program lacks a library" >&2
		exit 1
	fi
done
ffmpeg -hide_banner -v error -f lavfi -i testsrc=d=0.1 -f null -
# Differs from run to run, and is made anew where it is missed.
rm -f /var/cache/ldconfig/aux-cache /etc/.pwd.lock /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow-
dpkg-query -W -f '${Package}\t${Version}\t${Architecture}\t${source:Package}\n' | sort > /tmp/packages.tsv
