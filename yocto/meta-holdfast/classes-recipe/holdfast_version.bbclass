# The version of the system, as `make image` has it: that of the workspace, and the time of the last change. Boxes compare
# it before they take an update, so root and bundle have the same one.
HOLDFAST_VERSION ?= "${@holdfast_version(d)}"

# A new change makes no recipe look different.
BB_DONT_CACHE = "1"

def holdfast_version(d):
    import re, subprocess, time
    tree = d.getVar("HOLDFAST_TREE")
    with open(os.path.join(tree, "Cargo.toml"), encoding="utf-8") as file:
        version = re.search(r'^version = "([^"]+)"', file.read(), re.MULTILINE).group(1)
    told = subprocess.run(["git", "-C", tree, "log", "-1", "--format=%ct"], capture_output=True, text=True)
    if told.returncode != 0:
        bb.fatal(f"When {tree} was last changed is not known: set HOLDFAST_VERSION ({told.stderr.strip()})")
    return version + "+" + time.strftime("%Y%m%d%H%M%S", time.gmtime(int(told.stdout)))
