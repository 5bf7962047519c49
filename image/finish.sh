#!/bin/sh
# The last steps inside the new root.
set -eu
systemd-sysusers
systemctl enable --quiet systemd-networkd systemd-resolved systemd-timesyncd \
	holdfast-agent holdfast-name holdfast-network holdfast-health holdfast-update.path holdfast-smart.timer \
	holdfast-disks.path holdfast-adopt.path holdfast-clock.path holdfast-alive.timer \
	holdfast-console@tty1 holdfast-console@ttyS0
# What has nothing to do on a system that is read-only and asks its disks itself.
systemctl disable --quiet smartmontools apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
	e2scrub_reap.service
# No key and no lid puts a recorder to sleep.
systemctl mask --quiet sleep.target suspend.target hibernate.target hybrid-sleep.target suspend-then-hibernate.target
# Nobody logs in: there is no password, no SSH but what was signed for (support-access), and no login on any screen.
passwd --quiet --lock root
mkdir -p /data /boot/efi /etc/holdfast
install -d -m 700 /root/.ssh
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
