SUMMARY = "The boot slot of a Holdfast system"
DESCRIPTION = "Kernel, initial memory disk and how the slot is started (image/grub/slot.cfg), as a squashfs that GRUB reads."
SECTION = "bootloaders"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

DEPENDS = "squashfs-tools-native"

SRC_URI = "\
    file://LICENSE \
    file://image/grub/slot.cfg \
"

S = "${UNPACKDIR}"

inherit deploy holdfast_tree nopackages

COMPATIBLE_MACHINE = "^holdfast-x86-64$"
INHIBIT_DEFAULT_DEPS = "1"

do_configure[noexec] = "1"
do_install[noexec] = "1"

do_compile[cleandirs] = "${B}"
do_compile[depends] += "virtual/kernel:do_deploy holdfast-initramfs:do_image_complete"
B = "${WORKDIR}/build"
do_compile() {
    install -d boot
    install -m 0644 ${DEPLOY_DIR_IMAGE}/${KERNEL_IMAGETYPE} boot/vmlinuz
    install -m 0644 ${DEPLOY_DIR_IMAGE}/holdfast-initramfs-${MACHINE}.cpio.zst boot/initrd.img
    install -m 0644 ${S}/image/grub/slot.cfg boot/slot.cfg
    find boot -exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} +
    # Not zstd: the GRUB of the ESP is never updated, and older ones do not read it.
    mksquashfs boot boot.img -no-progress -comp gzip -all-root -noappend
}

do_deploy() {
    install -m 0644 ${B}/boot.img ${DEPLOYDIR}/holdfast-boot.img
}
addtask deploy after do_compile before do_build
