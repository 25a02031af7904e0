"""What the service manager that started blockd is told of it, and keeps for it: systemd's protocol (sd_notify(3))."""
