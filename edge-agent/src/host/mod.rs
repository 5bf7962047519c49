//! The box: disks, memory, temperature, systemd notify and watchdog.
