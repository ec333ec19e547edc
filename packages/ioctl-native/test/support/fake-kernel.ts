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
