import { LabError } from "./lab-error.js";
import type { Machine, QemuEnd } from "../machine/machine.js";
import { lastLines } from "../host/packages.js";

export function endedEarly(machine: Machine, end: QemuEnd, phase: "booting" | "running"): LabError {
  const consoleTail = machine.console.tail();
  const { panic } = machine.console;
  if (panic !== undefined) return panicked(panic, consoleTail);
  if (end.signal !== null || end.code !== 0) return qemuFailed(end, consoleTail);
  return new LabError(
    "ERR_LAB_GUEST_STOPPED",
    `The guest switched itself off while ${phase === "booting" ? "booting" : "the command was running"}`,
    {
      hint:
        phase === "booting"
          ? "The console shows how far it came."
          : "The command must not power off or restart the guest.",
      consoleTail,
    },
  );
}

function panicked(reason: string, consoleTail: string): LabError {
  return new LabError("ERR_LAB_GUEST_PANIC", `The guest's kernel panicked: ${reason}`, {
    hint: "The console says where; the machine is gone, the host is untouched.",
    consoleTail,
  });
}

function qemuFailed(end: QemuEnd, consoleTail: string): LabError {
  const how = end.signal === null ? `with exit code ${end.code}` : `by ${end.signal}`;
  return new LabError(
    "ERR_LAB_QEMU_FAILED",
    `QEMU ended ${how}: ${lastLines(end.complaints) || "it said nothing"}`,
    { hint: hintFor(end), consoleTail },
  );
}

function hintFor({ signal, complaints }: QemuEnd): string {
  if (signal === "SIGABRT") return "One of its devices got a request that it does not survive.";
  if (signal === "SIGKILL")
    return "Somebody ended it: if it was the kernel for want of memory, dmesg says so.";
  if (/cannot set up guest memory|Cannot allocate memory/.test(complaints))
    return "This machine has not so much memory free: give the guest less (memory, hugepages).";
  return /^qemu-system-\S+: -device/m.test(complaints) ? "It does not take an argument in extraDevices." : "";
}

export function setupFailed(machine: Machine, what: string): LabError {
  return new LabError("ERR_LAB_GUEST_SETUP", `The guest could not set itself up: ${what}`, {
    consoleTail: machine.console.tail(),
  });
}

export function bootTimedOut(machine: Machine, milliseconds: number): LabError {
  return new LabError("ERR_LAB_BOOT_TIMEOUT", `The guest did not come up within ${milliseconds / 1000} s`, {
    hint: "Raise bootTimeoutMs on a slow or busy machine; the console shows how far it came.",
    consoleTail: machine.console.tail(),
  });
}

export function commandTimedOut(
  machine: Machine,
  command: readonly string[],
  milliseconds: number,
): LabError {
  return new LabError(
    "ERR_LAB_TIMEOUT",
    `The command did not end within ${milliseconds / 1000} s: ${command.join(" ")}`,
    {
      hint: "Raise the time limit (timeoutMs, --timeout), or find out what it waits for.",
      consoleTail: machine.console.tail(),
    },
  );
}
