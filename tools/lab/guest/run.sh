# PID 1 after the switch to the real root: runs the one command and tells the host how it ended.
# Ports: 1 stdout, 2 stderr, 3 control, 4 hotplug (hotplug.sh). Control lines: "ready <uptime>", "exit <code>", "fail <what>".

cd /run/vfio-lab || exit
. ./settings.sh
busybox() { /run/vfio-lab/busybox "$@"; }
control=$(echo /dev/vport*p3)
# The kernel's own hard limit of 4096 open files is lower than any distribution's.
ulimit -Hn 524288

# A virtio port can be opened once at a time, so a command that opens /dev/stderr again would get EBUSY. It gets pipes instead.
run_command() {
  busybox mkfifo -m 666 stdout stderr
  busybox cat < stdout > "$(echo /dev/vport*p1)" & stdout_reader=$!
  busybox cat < stderr > "$(echo /dev/vport*p2)" & stderr_reader=$!
  # In the foreground: a shell makes what it starts with "&" ignore SIGINT.
  busybox setsid /run/vfio-lab/busybox sh ./command.sh < /dev/null > stdout 2> stderr
  code=$?
  kill_all_but " 1 $stdout_reader $stderr_reader "
  wait $stdout_reader $stderr_reader
}

# What the command left running still holds the pipes; without it they end, and everything written is with the host.
kill_all_but() {
  victims=
  for process in /proc/[0-9]*; do
    process=${process#/proc/}
    case "$1" in *" $process "*) ;; *) victims="$victims $process" ;; esac
  done
  kill -9 $victims 2> /dev/null
}

run_shell() {
  busybox setsid -c /run/vfio-lab/busybox sh ./command.sh < /dev/hvc0 > /dev/hvc0 2>&1
  code=$?
}

if [ "$LAB_MODE" = shell ]; then
  # Held open from before the first key: the last close of a terminal throws away what was typed.
  exec 4<> /dev/hvc0
  busybox stty rows "$LAB_ROWS" cols "$LAB_COLUMNS" <&4
fi
echo "ready $(busybox cut -d ' ' -f 1 /proc/uptime)" > "$control"
if [ "$LAB_MODE" = shell ]; then run_shell; else run_command; fi
busybox sync
echo "exit $code" > "$control"
busybox poweroff -f
