#!/run/vfio-lab/busybox sh
# Asks the host to pull a device out or to put it back: /run/vfio-lab/hotplug unplug|plug <name>;
# or to have a device report an error (AER): /run/vfio-lab/hotplug nonfatal-error|fatal-error <name>
# Port 4: one line there, "ok" or "error <why>" back. "ok" to unplug says that the guest's kernel was asked for the device.

exec 3<> "$(echo /dev/vport*p4)" || exit 1
echo "$*" >&3
read -r answer why <&3
[ "$answer" = ok ] && exit 0
echo "hotplug: $why" >&2
exit 1
