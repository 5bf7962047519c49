#!/usr/bin/env bash
# Builds the image: the flashable disk, the signed update of the same system, the bill of materials. Needs neither root
# nor mounts nor loop devices (user namespaces where it is not root). Made so that the same inputs give the same bytes.
#
#   image/build.sh all     everything
#   image/build.sh system  only slots and update, of the root that was built last (another VERSION)
#   image/build.sh spoilt <how>   an update that a box must not keep
#
# PROGRAM  the agent's binary        OUT   folder of what is made          VERSION  of the system
# COMPRESSION  of the root (zstd): what is only tried is packed quickly with lz4
# KEYS     keyring.pem, sign.pem, sign.key (docs/guide/image.md)           MIRROR, SECURITY_MIRROR  of Debian
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C TZ=UTC
: "${PROGRAM:?}" "${OUT:?}" "${VERSION:?}" "${KEYS:?}" "${SOURCE_DATE_EPOCH:?}"
export SOURCE_DATE_EPOCH
MIRROR=${MIRROR:-http://deb.debian.org/debian}
SECURITY_MIRROR=${SECURITY_MIRROR:-http://deb.debian.org/debian-security}
COMPRESSION=${COMPRESSION:-zstd}
HERE=$PWD/image
mkdir -p "$OUT"
OUT=$(realpath "$OUT")
KEYS=$(realpath "$KEYS")
PROGRAM=$(realpath "$PROGRAM")
WORK=$OUT/work
mkdir -p "$WORK"
# Which boxes an update is for.
compatible=holdfast-x86_64

says() { echo "image: $*"; }
# The lines of a list that are not comments.
lines() { grep -v '^#' "$1"; }
# Packs a folder the same way each time: owner root, one time, sorted, plain modes.
pack() { tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --mode=u=rwX,go=rX -C "$1" -c .; }
# Gives everything below a folder one time.
date_all() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }

# What is laid over Debian: image/root, the units of systemd/, the agent, whose updates are trusted.
overlay() {
	rm -rf "$WORK/overlay"
	mkdir -p "$WORK/overlay/usr/bin" "$WORK/overlay/usr/lib/systemd"
	cp -a "$HERE/root/." "$WORK/overlay/"
	for name in system system-preset journald.conf.d; do
		cp -r "systemd/$name" "$WORK/overlay/usr/lib/systemd/"
	done
	cp -r systemd/sysusers.d systemd/tmpfiles.d "$WORK/overlay/usr/lib/"
	# The relay is for another machine.
	find "$WORK/overlay/usr/lib" -name '*holdfast-relay*' -delete
	objcopy --strip-all "$PROGRAM" "$WORK/overlay/usr/bin/edge-agent"
	chmod 755 "$WORK/overlay/usr/bin/edge-agent"
	cp "$KEYS/keyring.pem" "$WORK/overlay/etc/rauc/keyring.pem"
	pack "$WORK/overlay" > "$WORK/overlay.tar"
	# What the initial memory disk is made by has to be there before the kernel is installed.
	pack "$WORK/overlay/etc/initramfs-tools" > "$WORK/initramfs-tools.tar"
}

# The root as a tar archive, and the list of its packages.
root() {
	local left_out=() stale=() pattern
	# A day of long ago is not forged for being old.
	[[ $MIRROR != *snapshot.debian.org* ]] || stale=(--aptopt='Acquire::Check-Valid-Until "false"')
	while read -r pattern; do left_out+=("--dpkgopt=path-exclude=$pattern"); done < <(lines "$HERE/leave-out.list")
	while read -r pattern; do left_out+=("--dpkgopt=path-include=$pattern"); done < <(lines "$HERE/keep.list")
	mmdebstrap --quiet --variant=minbase --format=tar \
		--include="$(lines "$HERE/packages.list" | paste -sd,)" \
		--aptopt='Apt::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
		"${stale[@]}" \
		--dpkgopt=force-confold "${left_out[@]}" \
		--essential-hook='mkdir -p "$1/etc/initramfs-tools"' \
		--essential-hook="tar-in $WORK/initramfs-tools.tar /etc/initramfs-tools" \
		--customize-hook="tar-in $WORK/overlay.tar /" \
		--customize-hook="copy-in $HERE/finish.sh /tmp" \
		--customize-hook='chroot "$1" sh /tmp/finish.sh' \
		--customize-hook="download /tmp/packages.tsv $WORK/packages.tsv" \
		--customize-hook='rm -f "$1/tmp/finish.sh" "$1/tmp/packages.tsv"' \
		bookworm "$WORK/root.tar" \
		"deb $MIRROR bookworm main" "deb $MIRROR bookworm-updates main" "deb $SECURITY_MIRROR bookworm-security main"
}

# boot.img and root.img of one slot. GRUB 2.06 reads no zstd.
slots() {
	rm -rf "$WORK/boot"
	mkdir -p "$WORK/boot"
	tar -xf "$WORK/root.tar" -C "$WORK/boot" --strip-components=2 --wildcards './boot/vmlinuz-*' './boot/initrd.img-*'
	mv "$WORK"/boot/vmlinuz-* "$WORK/boot/vmlinuz"
	mv "$WORK"/boot/initrd.img-* "$WORK/boot/initrd.img"
	cp "$HERE/grub/slot.cfg" "$WORK/boot/"
	date_all "$WORK/boot"
	mksquashfs "$WORK/boot" "$WORK/boot.img" -quiet -no-progress -comp gzip -all-root -noappend > /dev/null
	slot_root "$WORK/root.img"
}
# slot_root <root.img> [<left out>...]
slot_root() {
	local made=$1
	shift
	rm -f "$made"
	python3 "$HERE/slot_tar.py" "$WORK/root.tar" "$VERSION" "$@" |
		sqfstar -quiet -no-progress -exit-on-error -comp "$COMPRESSION" -b 256K -root-mode 755 -root-time "$SOURCE_DATE_EPOCH" "$made" > /dev/null
}

# bundle <file> <boot.img> <root.img> <compatible> <certificate> <key>: a signed update.
bundle() {
	rm -rf "$WORK/bundle" "$1"
	mkdir "$WORK/bundle"
	cp --reflink=auto "$2" "$WORK/bundle/boot.img"
	cp --reflink=auto "$3" "$WORK/bundle/root.img"
	cat > "$WORK/bundle/manifest.raucm" <<-MANIFEST
		[update]
		compatible=$4
		version=$VERSION

		[bundle]
		format=verity

		[image.boot]
		filename=boot.img

		[image.root]
		filename=root.img
	MANIFEST
	rauc --cert="$5" --key="$6" bundle "$WORK/bundle" "$1" > "$WORK/rauc.log" 2>&1 || { cat "$WORK/rauc.log"; return 1; }
	rm -r "$WORK/bundle"
}
update() {
	local made=$OUT/holdfast-$VERSION.raucb
	bundle "$made" "$WORK/boot.img" "$WORK/root.img" "$compatible" "$KEYS/sign.pem" "$KEYS/sign.key"
	rauc --keyring="$KEYS/keyring.pem" info "$made" > "$WORK/rauc.log" 2>&1 || { cat "$WORK/rauc.log"; return 1; }
}

# An update that a box must not keep, of the slots that were built last (docs/guide/image.md, "Trying it").
spoilt() {
	local made=$OUT/spoilt-$1.raucb boot=$WORK/boot-spoilt root=$WORK/root.img for=$compatible says="" own="" lacks=()
	local certificate=$KEYS/sign.pem key=$KEYS/sign.key
	case "$1" in
	# Refused before anything is written.
	foreign) "$HERE/keys.sh" "$WORK/foreign-keys"; certificate=$WORK/foreign-keys/sign.pem; key=$WORK/foreign-keys/sign.key ;;
	machine) for=another-box ;;
	# Installed, and not healthy: the kernel finds nothing to start, systemd is dead and the watchdog barks, the agent
	# does not run, the slot cannot be read, no footage can be made, nobody is reached.
	crashes) says="rdinit=/missing" ;;
	hangs) says="systemd.crash_reboot=no systemd.run='/usr/bin/perl -ekill+11,1'" ;;
	useless) says="systemd.mask=holdfast-agent.service holdfast.patience=30"; own=yes ;;
	unreadable) ;;
	mute) says="systemd.mask=systemd-networkd.service systemd.mask=systemd-networkd.socket holdfast.patience=120"; own=yes ;;
	cannot-record) says="holdfast.patience=120"; own=yes; lacks=(usr/bin/ffmpeg) ;;
	*) echo "unknown: $1" >&2; return 2 ;;
	esac
	# The health gate asks the root which version it is: what gets as far as that must be of the bundle's.
	if [ -n "$own" ]; then
		root=$WORK/root-spoilt.img
		slot_root "$root" "${lacks[@]}"
	fi
	rm -rf "$boot" "$boot.img"
	cp -a "$WORK/boot" "$boot"
	[ -z "$says" ] || sed -i "s|\(^linux .*\)|\1 $says|" "$boot/slot.cfg"
	[ "$1" != unreadable ] || rm "$boot/slot.cfg"
	mksquashfs "$boot" "$boot.img" -quiet -no-progress -comp gzip -all-root -noappend > /dev/null
	bundle "$made" "$boot.img" "$root" "$for" "$certificate" "$key"
	rm -rf "$boot" "$boot.img" "$WORK/root-spoilt.img"
}

# The partition that the box starts from: GRUB, and the variables in which it counts tries. Without GRUB's drivers of the
# screen the kernel finds none, and the box stays dark.
esp() {
	rm -rf "$WORK/esp" "$WORK/esp.img"
	mkdir -p "$WORK/esp/EFI/BOOT" "$WORK/esp/grub"
	grub-mkimage -O x86_64-efi -p /grub -c "$HERE/grub/early.cfg" -o "$WORK/esp/EFI/BOOT/BOOTX64.EFI" \
		part_gpt fat squash4 linux normal loadenv test echo sleep reboot serial terminal regexp configfile efi_gop efi_uga video video_fb
	cp "$HERE/grub/grub.cfg" "$WORK/esp/grub/"
	grub-editenv "$WORK/esp/grub/grubenv" create
	grub-editenv "$WORK/esp/grub/grubenv" set ORDER="A B" A_OK=1 A_TRY=0 B_OK=0 B_TRY=0 data=new
	date_all "$WORK/esp"
	truncate -s 64M "$WORK/esp.img"
	mkfs.vfat -F 32 -n ESP -i 401DFA57 --invariant "$WORK/esp.img" > /dev/null
	mcopy -i "$WORK/esp.img" -s -m "$WORK/esp/EFI" "$WORK/esp/grub" ::/
}

# The whole disk. Slot B is empty until the first update; data is formatted by the box, which knows how large it is.
disk() {
	local image=$OUT/holdfast-$VERSION.img
	rm -f "$image"
	truncate -s 2434M "$image"
	sfdisk -q "$image" < <(lines "$HERE/disk.sfdisk")
	put() {
		local start size
		read -r start size < <(sfdisk -d "$image" | sed -n "s/.*start= *\([0-9]*\), size= *\([0-9]*\),.*name=\"$2\"/\1 \2/p")
		(($(stat -c %s "$1") <= size * 512)) || { says "$1 is larger than its partition"; return 1; }
		dd if="$1" of="$image" bs=512 seek="$start" conv=notrunc,sparse status=none
	}
	put "$WORK/esp.img" esp
	put "$WORK/boot.img" boot-a
	put "$WORK/root.img" root-a
}

bill() { python3 "$HERE/bill_of_materials.py" "$VERSION" "$WORK/packages.tsv" "$WORK/root.tar" > "$OUT/holdfast-$VERSION.cdx.json"; }

case "${1:-all}" in
all)
	says "the root, from Debian's packages"
	overlay
	root
	says "slots, update, disk, bill of materials"
	slots
	update
	esp
	disk
	bill
	;;
system)
	slots
	update
	;;
given)
	says "as flashing programs take it, and the digests of what is given away"
	gzip -n -c "$OUT/holdfast-$VERSION.img" > "$OUT/holdfast-$VERSION.img.gz"
	(cd "$OUT" && sha256sum "holdfast-$VERSION.img" "holdfast-$VERSION.img.gz" "holdfast-$VERSION.raucb" \
		"holdfast-$VERSION.cdx.json" > "holdfast-$VERSION.sha256")
	;;
spoilt)
	spoilt "$2"
	exit
	;;
*)
	echo "unknown: $1" >&2
	exit 2
	;;
esac
ls -l --block-size=M "$WORK/boot.img" "$WORK/root.img" "$OUT/holdfast-$VERSION".*
