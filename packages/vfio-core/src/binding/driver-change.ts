import { VfioError } from "@vfio/ioctl-native";
import { addSuppressed, driverOf, PCI_DEVICES, readSysfs } from "@vfio/ioctl-native/internal";
import type { SysfsSteps } from "./sysfs-steps.js";

/**
 * Takes a device from its driver and gives it to another, or to none. After a failure it has its former driver again.
 * @param claim keeps others from opening the device's group; disposed of when the device has left its driver.
 * @returns the former driver.
 */
export function* changeDriver(
  bdf: string,
  to: string | undefined,
  claim: Disposable,
): SysfsSteps<string | undefined> {
  try {
    const from = driverOf(bdf);
    if (from !== to) yield* undoing(moveChecked(bdf, from, to, claim), () => giveBack(bdf, from));
    return from;
  } finally {
    claim[Symbol.dispose]();
  }
}

function* moveChecked(...[bdf, from, to, claim]: Parameters<typeof move>): SysfsSteps {
  yield* move(bdf, from, to, claim);
  const now = driverOf(bdf);
  if (now !== to) throw bindError(bdf, to, now);
}

function* giveBack(bdf: string, former: string | undefined): SysfsSteps {
  const now = driverOf(bdf);
  if (now !== former) yield* moveChecked(bdf, now, former);
}

/**
 * The override serves this change alone: a driver keeps its device without it. So the former one is restored, and does
 * not decide who gets the device next.
 */
function* move(
  bdf: string,
  from: string | undefined,
  to: string | undefined,
  claim?: Disposable,
): SysfsSteps {
  if (to === undefined) return yield* rebind(bdf, from, to, claim);
  const file = `${PCI_DEVICES}/${bdf}/driver_override`;
  const former = readSysfs(file);
  // The file reads as "(null)" without an override, and an empty line removes one.
  const restore = (): SysfsSteps => write(file, former === "(null)" ? "\n" : `${former}\n`);
  yield* write(file, `${to}\n`);
  yield* undoing(rebind(bdf, from, to, claim), restore);
  yield* restore();
}

function* rebind(...[bdf, from, to, claim]: Parameters<typeof move>): SysfsSteps {
  try {
    if (from !== undefined) yield* write(`${PCI_DEVICES}/${bdf}/driver/unbind`, bdf);
  } finally {
    claim?.[Symbol.dispose]();
  }
  if (to !== undefined) yield* write("/sys/bus/pci/drivers_probe", bdf);
}

function* write(file: string, text: string): SysfsSteps {
  yield { file, text };
}

/** Throws the first failure. */
function* undoing(steps: SysfsSteps, undo: () => SysfsSteps): SysfsSteps {
  try {
    yield* steps;
  } catch (failure) {
    try {
      yield* undo();
    } catch (later) {
      throw addSuppressed(failure, later);
    }
    throw failure;
  }
}

function bindError(bdf: string, wanted: string | undefined, got: string | undefined): VfioError {
  const hint =
    wanted === undefined
      ? "Another program bound it again at once"
      : "`dmesg` may say why the driver refused it";
  return new VfioError(
    "ERR_VFIO_BIND_FAILED",
    `${bdf} went to ${got ?? "no driver"} instead of ${wanted ?? "none"}`,
    { hint },
  );
}
