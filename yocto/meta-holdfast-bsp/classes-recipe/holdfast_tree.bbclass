# For recipes that take files from the tree that the layers lie in: `file://` is looked for there first.
# nooelint: oelint.vars.fileextrapaths,oelint.vars.outofcontext - this class is for finding files elsewhere
FILESEXTRAPATHS:prepend := "${HOLDFAST_TREE}:"
