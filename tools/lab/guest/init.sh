#!/bin/busybox sh
# PID 1 in the initrd: loads the modules, puts the host's root under a writable overlay, binds the devices, and hands over to run.sh.
# The host's root is read-only; everything written in the guest lands in a tmpfs and is gone afterwards.

/bin/busybox --install -s /bin
export PATH=/bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev

fail() {
  echo "fail $1" > "$(echo /dev/vport*p3)"
  poweroff -f
}

for module in /modules/*.ko; do
  insmod "$module" || fail "insmod $module"
done

# msize: the virtio transport takes at most 128 pages per request (512000 fits); cache=loose: the host's files are not expected to change.
nine_p=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "ro,$nine_p,cache=loose" host /host || fail "mount of the host's root"
mount -t 9p -o "ro,$nine_p" job /job || fail "mount of the job"
. /job/settings.sh

mount -t tmpfs -o size=75% tmpfs /written
mkdir /written/files /written/work
mount -t overlay -o lowerdir=/host,upperdir=/written/files,workdir=/written/work overlay /root || fail "mount of the overlay"

# What the command needs (its working directory, say) and a fresh tmpfs would hide: kept at hand, mounted back below.
place_like() {
  if [ -d "$1" ]; then mkdir -p "$2"; else : > "$2"; fi
}
kept=0
keep() {
  kept=$((kept + 1))
  place_like "/root$1" "/keep/$kept"
  mount --bind "/root$1" "/keep/$kept" || fail "there is no $1"
}
for_each_kept_path keep

mkdir -p "/root/lib/modules/$(uname -r)" /root/proc /root/sys /root/dev /root/tmp /root/run
mount --bind "/host$LAB_MODULES" "/root/lib/modules/$(uname -r)" || fail "mount of the kernel modules"
mount -t tmpfs -o mode=1777 tmpfs /root/tmp
mount -t tmpfs -o mode=755 tmpfs /root/run

# /var/run and /var/lock are links to /run on Debian; a fresh /run needs the folder behind the second.
mkdir -m 1777 /root/run/lock
mkdir -p /dev/pts /dev/shm /dev/hugepages /dev/mqueue
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t mqueue mqueue /dev/mqueue

kept=0
give_back() {
  kept=$((kept + 1))
  # The root's /dev is still this one.
  case $1 in /dev/*) place=$1 ;; *) place=/root$1 ;; esac
  place_like "/keep/$kept" "$place"
  mount --move "/keep/$kept" "$place" || fail "mount of $1"
}
for_each_kept_path give_back

mount -t hugetlbfs -o mode=1777 hugetlbfs /dev/hugepages
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing

# Else a page that is not pinned may move while a test compares its physical address.
echo 0 > /proc/sys/vm/compaction_proactiveness

if [ -n "$LAB_HAS_OUTPUT" ]; then
  mkdir -p /root/run/vfio-lab/output
  mount -t 9p -o "$nine_p,cache=mmap" output /root/run/vfio-lab/output || fail "mount of the output directory"
fi

ip link set lo up
hostname vfio-lab

for device in $LAB_VFIO_DEVICES; do
  echo vfio-pci > "/sys/bus/pci/devices/$device/driver_override" || fail "no PCI device $device"
  # A virtio device has its driver already: that is part of the kernel.
  [ ! -e "/sys/bus/pci/devices/$device/driver" ] || echo "$device" > "/sys/bus/pci/devices/$device/driver/unbind"
  echo "$device" > /sys/bus/pci/drivers_probe
  [ -e "/sys/bus/pci/drivers/vfio-pci/$device" ] || fail "vfio-pci did not take $device"
done

mkdir -p /root/run/vfio-lab
cp /hotplug.sh /root/run/vfio-lab/hotplug
cp /bin/busybox /run.sh /job/settings.sh /job/command.sh /job/option.rom /root/run/vfio-lab/
umount /job
for folder in proc sys dev; do mount --move "/$folder" "/root/$folder"; done
exec switch_root /root /run/vfio-lab/busybox sh /run/vfio-lab/run.sh
