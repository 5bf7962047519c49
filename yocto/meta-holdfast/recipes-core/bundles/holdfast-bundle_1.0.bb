SUMMARY = "The signed update of a Holdfast system"
DESCRIPTION = "The RAUC bundle that image/build.sh makes: the same two images, the same compatible string, the same names."
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

SRC_URI = "file://LICENSE"

inherit bundle holdfast_keys holdfast_tree holdfast_version

COMPATIBLE_MACHINE = "^holdfast-x86-64$"

# What a box asks for (image/root/etc/rauc/system.conf).
RAUC_BUNDLE_COMPATIBLE = "holdfast-x86_64"
RAUC_BUNDLE_VERSION = "${HOLDFAST_VERSION}"
RAUC_BUNDLE_BUILD = "${HOLDFAST_VERSION}"
RAUC_BUNDLE_FORMAT = "verity"

RAUC_BUNDLE_SLOTS = "boot root"
RAUC_SLOT_boot = "holdfast-boot"
RAUC_SLOT_boot[type] = "file"
RAUC_SLOT_boot[file] = "holdfast-boot.img"
RAUC_SLOT_boot[rename] = "boot.img"
RAUC_SLOT_root = "holdfast-image"
RAUC_SLOT_root[fstype] = "squashfs-zst"
RAUC_SLOT_root[rename] = "root.img"

RAUC_KEY_FILE = "${HOLDFAST_KEYS}/sign.key"
RAUC_CERT_FILE = "${HOLDFAST_KEYS}/sign.pem"
RAUC_KEYRING_FILE = "${HOLDFAST_KEYS}/keyring.pem"

BUNDLE_NAME = "holdfast-${HOLDFAST_VERSION}"
