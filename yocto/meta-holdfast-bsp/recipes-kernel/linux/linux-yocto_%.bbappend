FILESEXTRAPATHS:prepend:holdfast-x86-64 := "${THISDIR}/files:"

SRC_URI:append:holdfast-x86-64 = " file://holdfast.cfg"

COMPATIBLE_MACHINE:holdfast-x86-64 = "^holdfast-x86-64$"
KMACHINE:holdfast-x86-64 = "common-pc-64"
