SUMMARY = "The system of a Holdfast box"
DESCRIPTION = "The read-only root that image/build.sh makes of Debian's packages, of OpenEmbedded's: for the slot, the update and the disk."
SECTION = "base"
LICENSE = "Apache-2.0"

# Each stands here for its reason, as in image/packages.list.
# Starting and watching; names, addresses and time from the network (with systemd).
IMAGE_INSTALL = "\
    base-files base-passwd netbase \
    dbus \
    kernel-modules kmod \
    systemd systemd-extra-utils systemd-networkd udev \
    ${VIRTUAL-RUNTIME_base-utils} \
"
# What the scripts of image/root stand on: bash's /dev/tcp, sort -V, sync -f, findmnt.
IMAGE_INSTALL += "bash coreutils sed util-linux-findmnt util-linux-mount util-linux-umount"
# Signed updates, and the variables in which GRUB counts its tries.
IMAGE_INSTALL += "grub-editenv rauc rauc-service"
# The data partition, and the ESP.
IMAGE_INSTALL += "dosfstools e2fsprogs-e2fsck e2fsprogs-mke2fs"
# The agent, and what makes a box of it.
IMAGE_INSTALL += "holdfast-agent holdfast-appliance"

IMAGE_FEATURES = "read-only-rootfs"
IMAGE_LINGUAS = ""

inherit core-image

COMPATIBLE_MACHINE = "^holdfast-x86-64$"

# meta-rauc's service marks a slot good as soon as it has started; here the health gate does, once the box records.
# The kernel lies in the boot slot.
PACKAGE_EXCLUDE = "kernel-image-* rauc-mark-good"

# What lies below /var lies on data, which is mounted over it.
empty_var() {
    find ${IMAGE_ROOTFS}${localstatedir} -mindepth 1 -delete
}
empty_var[doc] = "Leaves nothing below /var, as nothing there would ever be seen"
IMAGE_PREPROCESS_COMMAND += "empty_var"
