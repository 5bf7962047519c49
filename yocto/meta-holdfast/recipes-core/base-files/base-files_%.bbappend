# fstab and hosts are those of the image.
FILESEXTRAPATHS:prepend:holdfast := "${HOLDFAST_TREE}/image/root/etc:"
