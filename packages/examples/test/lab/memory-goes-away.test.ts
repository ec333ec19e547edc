import { execFileSync } from "node:child_process";
import path from "node:path";
import { leavesNothingBehind } from "@vfio/test-support";
import { describe, expect, it } from "vitest";

leavesNothingBehind();

/** JavaScript without types. */
const NODES: string = "@vfio/release/nodes";
const { nodeBinaries } = (await import(NODES)) as {
  nodeBinaries: () => { readonly version: string; readonly path: string }[];
};
const PROGRAM = path.join(import.meta.dirname, "reads-while-memory-goes.mjs");
const ALL = 20_000;
const fine = { ones: 0, odd: 0 };
/** An edu in a slot, and the port before it. */
const [SLOT_EDU, SLOT] = ["0000:02:00.0", "0000:00:16.0"];

describe.each(nodeBinaries())(
  "a BAR that is read and written in a loop, on Node.js $version",
  ({ path: node }) => {
    it("gives ones and says so when its memory goes away, and works when it is mapped anew", () => {
      const seen: unknown = JSON.parse(execFileSync(node, [PROGRAM, SLOT_EDU, SLOT], { encoding: "utf8" }));
      expect(seen).toEqual({
        warm: fine,
        worker: { odd: 0, gone: true, last: 0xffff_ffff },
        within: [
          ...[fine, fine],
          // Its memory space is off, then it is closed, then something else lies there, then the BAR again.
          ...[{ ones: ALL, odd: 0 }, { ones: ALL, odd: 0 }, true],
          ...[0, true, 77],
          ...[fine, fine],
        ],
        off: { ones: ALL, odd: 0, gone: true, present: false },
        codes: ["ERR_VFIO_DEVICE_GONE", "ERR_VFIO_DEVICE_GONE", "ERR_VFIO_DEVICE_GONE"],
        again: { ones: 0, odd: 0, gone: false, present: true },
        // QEMU's port then forwards no config access any more, but memory still.
        cut: { ones: 0, odd: 0, present: false },
        maps: false,
      });
    });
  },
);
