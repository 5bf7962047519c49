SUMMARY = "What makes a box of a system with the Holdfast agent"
DESCRIPTION = "Slots, data partition, health gate, updates from a stick, name and screen of the box: image/root, as it lies there."
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

# image/root, but for fstab and hosts (base-files has them) and the memory disk of Debian's making.
SRC_URI = "\
    file://LICENSE \
    file://image/root/etc/dbus-1 \
    file://image/root/etc/modprobe.d \
    file://image/root/etc/rauc \
    file://image/root/etc/sysctl.d \
    file://image/root/etc/systemd/network \
    file://image/root/etc/systemd/resolved.conf.d \
    file://image/root/etc/systemd/system.conf.d \
    file://image/root/etc/systemd/system/emergency.service \
    file://image/root/etc/systemd/system/holdfast-adopt.path \
    file://image/root/etc/systemd/system/holdfast-adopt.service \
    file://image/root/etc/systemd/system/holdfast-alive.service \
    file://image/root/etc/systemd/system/holdfast-alive.timer \
    file://image/root/etc/systemd/system/holdfast-clock.path \
    file://image/root/etc/systemd/system/holdfast-clock.service \
    file://image/root/etc/systemd/system/holdfast-console@.service \
    file://image/root/etc/systemd/system/holdfast-disk@.service \
    file://image/root/etc/systemd/system/holdfast-disks.path \
    file://image/root/etc/systemd/system/holdfast-disks.service \
    file://image/root/etc/systemd/system/holdfast-first-boot.service \
    file://image/root/etc/systemd/system/holdfast-health.service \
    file://image/root/etc/systemd/system/holdfast-name.service \
    file://image/root/etc/systemd/system/holdfast-network.service \
    file://image/root/etc/systemd/system/holdfast-smart.service \
    file://image/root/etc/systemd/system/holdfast-smart.timer \
    file://image/root/etc/systemd/system/holdfast-stick@.service \
    file://image/root/etc/systemd/system/holdfast-update.path \
    file://image/root/etc/systemd/system/holdfast-update.service \
    file://image/root/etc/systemd/timesyncd.conf.d \
    file://image/root/etc/tmpfiles.d \
    file://image/root/etc/udev \
    file://image/root/usr \
    file://keyring.pem \
    file://systemd/journald.conf.d/holdfast.conf \
"

S = "${UNPACKDIR}"

inherit holdfast_keys holdfast_tree holdfast_version systemd

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    tar -C ${S}/image/root --owner=0 --group=0 --mode=u=rwX,go=rX -c . | tar -C ${D} --no-same-owner -x
    # Nobody logs in. BitBake cannot read these two where they lie: they are links to a device.
    ln -s /dev/null ${D}${sysconfdir}/systemd/system/getty@.service
    ln -s /dev/null ${D}${sysconfdir}/systemd/system/serial-getty@.service
    install -m 0644 ${S}/keyring.pem ${D}${sysconfdir}/rauc/keyring.pem
    install -D -m 0644 -t ${D}${systemd_unitdir}/journald.conf.d ${S}/systemd/journald.conf.d/holdfast.conf
    install -d ${D}${nonarch_libdir}/holdfast
    echo "${HOLDFAST_VERSION}" > ${D}${nonarch_libdir}/holdfast/version
    # Who was signed for is let in by what is laid over this.
    install -d -m 0700 ${D}${ROOT_HOME}/.ssh
    # Where data, the ESP and the settings are mounted.
    install -d ${D}/data ${D}/boot/efi ${D}${sysconfdir}/holdfast
}

# What image/finish.sh enables of it.
SYSTEMD_SERVICE:${PN} = "\
    holdfast-name.service \
    holdfast-network.service \
    holdfast-health.service \
    holdfast-smart.timer \
    holdfast-update.path \
    holdfast-disks.path \
    holdfast-adopt.path \
    holdfast-clock.path \
    holdfast-alive.timer \
    holdfast-console@tty1.service \
    holdfast-console@ttyS0.service \
"

FILES:${PN} += "\
    /boot/efi \
    /data \
    ${ROOT_HOME}/.ssh \
    ${datadir}/holdfast \
    ${exec_prefix}/local/bin \
    ${nonarch_libdir}/holdfast \
    ${nonarch_libdir}/repart.d \
    ${systemd_unitdir}/journald.conf.d \
"
RDEPENDS:${PN} = "\
    bash \
    dropbear \
    e2fsprogs-e2fsck \
    e2fsprogs-mke2fs \
    grub-editenv \
    holdfast-agent \
    openssl-bin \
    rauc \
    util-linux-blkid \
    util-linux-findmnt \
    util-linux-flock \
    util-linux-lsblk \
    util-linux-setpriv \
    util-linux-sfdisk \
"

# RAUC's settings and keyring are these.
RPROVIDES:${PN} = "virtual-rauc-conf"
RCONFLICTS:${PN} = "rauc-conf"
