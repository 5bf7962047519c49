SUMMARY = "The small system in memory that finds the root"
DESCRIPTION = "Waits for the partition that slot.cfg names, mounts it read-only and goes over to it."
SECTION = "base"
LICENSE = "Apache-2.0"

PACKAGE_INSTALL = "\
    base-passwd \
    initramfs-framework-base \
    initramfs-module-patience \
    initramfs-module-rootfs \
    initramfs-module-udev \
    udev \
    ${ROOTFS_BOOTSTRAP_INSTALL} \
    ${VIRTUAL-RUNTIME_base-utils} \
"

IMAGE_FEATURES = ""
IMAGE_LINGUAS = ""
IMAGE_FSTYPES = "cpio.zst"
IMAGE_NAME_SUFFIX = ""
IMAGE_ROOTFS_SIZE = "8192"
IMAGE_ROOTFS_EXTRA_SPACE = "0"

inherit core-image

COMPATIBLE_MACHINE = "^holdfast-x86-64$"
