# Nobody logs in but who was signed for, and while that holds: support-access starts the server itself.
SYSTEMD_AUTO_ENABLE:${PN}:holdfast = "disable"
