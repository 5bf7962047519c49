#!/bin/sh
# Runs a program in another system, with its C library and its programs instead of this machine's. Needs no root, but a
# user namespace; nothing of this machine is changed.
#
# within.sh <folder of the system> <folder of programs, there /opt> <folder, there of the same name> <program> <argument>…
# EMULATOR  a static emulator for programs of another processor; empty: none is needed, or this machine knows one
set -eu
if [ "${1:-}" != --inside ]; then
	exec unshare --user --map-root-user --mount -- "$0" --inside "$@"
fi
root=$2 programs=$3 shared=$4
shift 4
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/opt"
for folder in proc sys dev; do
	mount --rbind "/$folder" "$root/$folder"
done
mount -t tmpfs none "$root/tmp"
mkdir -p "$root$shared"
mount --bind "$shared" "$root$shared"
mount --bind "$programs" "$root/opt"
if [ -n "${EMULATOR:-}" ]; then
	# Whatever is started there, also by the program itself. A user namespace has rules of its own since Linux 6.7.
	rules=/proc/sys/fs/binfmt_misc
	mount -t binfmt_misc none $rules || {
		echo "this kernel lets only an administrator set an emulator; \`apt install binfmt-support qemu-user-static\` does" >&2
		exit 1
	}
	# An ELF program of 64 bits, little end first, for ARM (183).
	printf '%s' ':emulator:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:'"$EMULATOR"':F' > $rules/register
fi
exec chroot "$root" "$@"
