# For recipes that trust or sign updates: `file://keyring.pem` is that of HOLDFAST_KEYS, never one of this tree.
# nooelint: oelint.vars.fileextrapaths,oelint.vars.outofcontext - this class is for finding files elsewhere
FILESEXTRAPATHS:prepend := "${HOLDFAST_KEYS}:"

# nooelint: oelint.task.noanonpython - a recipe is left out, and why is said, only while it is read
python () {
    keyring = os.path.join(d.getVar("HOLDFAST_KEYS"), "keyring.pem")
    bb.parse.mark_dependency(d, keyring)
    if not os.path.exists(keyring):
        raise bb.parse.SkipRecipe(f"{keyring} is missing: make keys (image/keys.sh), or name their folder by HOLDFAST_KEYS")
}
