SUMMARY = "initramfs module that starts a box again when it cannot find its root"
DESCRIPTION = "Without it the framework would wait for somebody for ever, and no slot would be given up."
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

SRC_URI = "\
    file://LICENSE \
    file://patience \
"

S = "${UNPACKDIR}"

inherit allarch holdfast_tree

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    install -D -m 0755 ${S}/patience ${D}/init.d/02-patience
}

FILES:${PN} += "/init.d/02-patience"
RDEPENDS:${PN} = "initramfs-framework-base"
