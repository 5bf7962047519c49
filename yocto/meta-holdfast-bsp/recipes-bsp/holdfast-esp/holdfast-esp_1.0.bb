SUMMARY = "The partition that a Holdfast box starts from"
DESCRIPTION = "GRUB with Holdfast's choice of a slot, and the variables in which it counts tries, as image/build.sh makes them."
SECTION = "bootloaders"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

DEPENDS = "dosfstools-native grub-efi grub-native mtools-native"

SRC_URI = "\
    file://LICENSE \
    file://image/grub/early.cfg \
    file://image/grub/grub.cfg \
"

S = "${UNPACKDIR}"

inherit deploy holdfast_tree nopackages

COMPATIBLE_MACHINE = "^holdfast-x86-64$"
INHIBIT_DEFAULT_DEPS = "1"

do_configure[noexec] = "1"
do_install[noexec] = "1"

do_compile[cleandirs] = "${B}"
B = "${WORKDIR}/build"
do_compile() {
    install -d esp/EFI/BOOT esp/grub
    grub-mkimage -O x86_64-efi -d ${STAGING_LIBDIR}/grub/x86_64-efi -p /grub -c ${S}/image/grub/early.cfg \
        -o esp/EFI/BOOT/BOOTX64.EFI \
        part_gpt fat squash4 linux normal loadenv test echo sleep reboot serial terminal regexp configfile efi_gop efi_uga video video_fb
    install -m 0644 ${S}/image/grub/grub.cfg esp/grub/grub.cfg
    grub-editenv esp/grub/grubenv create
    grub-editenv esp/grub/grubenv set ORDER="A B" A_OK=1 A_TRY=0 B_OK=0 B_TRY=0 data=new
    find esp -exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} +
    truncate -s 64M esp.img
    mkfs.vfat -F 32 -n ESP -i 401DFA57 --invariant esp.img
    mcopy -i esp.img -s -m esp/EFI esp/grub ::/
}

do_deploy() {
    install -m 0644 ${B}/esp.img ${DEPLOYDIR}/holdfast-esp.img
}
addtask deploy after do_compile before do_build
