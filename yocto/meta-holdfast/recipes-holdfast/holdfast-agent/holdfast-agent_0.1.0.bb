SUMMARY = "Holdfast edge agent"
DESCRIPTION = "Finds the footage that a recorder holds, fetches and verifies it, keeps it in a ring on disk and serves it."
SECTION = "multimedia"
# Ours is Apache-2.0; the others are those that deny.toml lets crates have, which are linked in.
LICENSE = "Apache-2.0 & Apache-2.0-with-LLVM-exception & MIT & BSD-3-Clause & ISC & 0BSD & Zlib & Unicode-3.0 & Unlicense & MPL-2.0 & BSL-1.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

require holdfast-agent-crates.inc
# Cargo wants to see the whole workspace. Of the pages, what `make ui` has built (yocto/README.md says why).
SRC_URI += "\
    file://Cargo.lock;subdir=${BP} \
    file://Cargo.toml;subdir=${BP} \
    file://LICENSE;subdir=${BP} \
    file://base;subdir=${BP} \
    file://cloud-relay;subdir=${BP} \
    file://edge-agent;subdir=${BP} \
    file://systemd;subdir=${BP} \
    file://tests;subdir=${BP} \
    file://web-ui/dist/agent;subdir=${BP} \
    file://wire;subdir=${BP} \
"

inherit cargo holdfast_tree systemd useradd

CARGO_BUILD_FLAGS:append = " --package edge-agent"

# nooelint: oelint.task.noanonpython - a recipe is left out, and why is said, only while it is read
python () {
    page = os.path.join(d.getVar("HOLDFAST_TREE"), "web-ui/dist/agent/index.html")
    bb.parse.mark_dependency(d, page)
    if not os.path.exists(page):
        raise bb.parse.SkipRecipe(f"{page} is missing: build the pages first (make ui)")
}

do_install:append() {
    install -D -m 0644 -t ${D}${systemd_system_unitdir} ${S}/systemd/system/holdfast-agent.service ${S}/systemd/system/holdfast.slice
    install -D -m 0644 -t ${D}${systemd_unitdir}/system-preset ${S}/systemd/system-preset/80-holdfast.preset
    install -D -m 0644 -t ${D}${nonarch_libdir}/sysusers.d ${S}/systemd/sysusers.d/holdfast.conf
    install -D -m 0644 -t ${D}${nonarch_libdir}/tmpfiles.d ${S}/systemd/tmpfiles.d/holdfast.conf
}

SYSTEMD_SERVICE:${PN} = "holdfast-agent.service"

# The users of systemd/sysusers.d with its numbers, there before the first start: /etc is read-only.
USERADD_PACKAGES = "${PN}"
GROUPADD_PARAM:${PN} = "--system tss; --system --gid 950 holdfast"
USERADD_PARAM:${PN} = "\
    --system --uid 950 --gid holdfast --groups tss --home-dir ${localstatedir}/lib/holdfast --no-create-home --shell ${base_sbindir}/nologin holdfast \
"

FILES:${PN} += "\
    ${nonarch_libdir}/sysusers.d \
    ${nonarch_libdir}/tmpfiles.d \
    ${systemd_system_unitdir}/holdfast.slice \
    ${systemd_unitdir}/system-preset \
"
# What the agent stands on: pictures, certificates of mail servers, time zones.
RDEPENDS:${PN} = "ca-certificates ffmpeg tzdata"
