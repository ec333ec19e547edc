import { fakeSysfs } from "@vfio/test-support";
import { afterEach, beforeEach } from "vitest";
import { realKernel, useKernel, type Kernel } from "../../src/index.js";

/** For each test of the file: the real kernel, with some of its functions replaced. */
export function withKernel(replaced: Partial<Kernel>): void {
  let undo: Disposable;
  beforeEach(() => {
    undo = useKernel({ ...realKernel(), ...replaced });
  });
  afterEach(() => undo[Symbol.dispose]());
}

export { pciDevice } from "@vfio/test-support";

/** A kernel of which only sysfs is there: files and links from a table. Every other call fails the test. */
export function sysfsOnly(...tables: Parameters<typeof fakeSysfs>): Kernel {
  return fakeSysfs(...tables) as Partial<Kernel> as Kernel;
}
