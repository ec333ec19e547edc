import { execFileSync } from "node:child_process";
import { constants, mkdtempSync, readlinkSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { leavesNothingBehind } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { openFile, type Fd } from "../../src/index.js";
import { isAnonymousMemory, sizeGuaranteeOf } from "../../src/internal.js";

leavesNothingBehind();

/** A file whose filesystem is gone from all folders, so that its name begins where the filesystem did. */
function fileOfUnmounted(type: string, name: string): Fd {
  const folder = mkdtempSync(path.join(tmpdir(), "vfio-unmounted-"));
  execFileSync("mount", ["-t", type, "none", folder]);
  try {
    return openFile(path.join(folder, name), { flags: constants.O_RDWR | constants.O_CREAT });
  } finally {
    execFileSync("umount", ["--lazy", folder]);
    rmdirSync(folder);
  }
}

describe("given a file whose name in /proc is that of anonymous memory", () => {
  it.each(["tmpfs", "ramfs"])("of an unmounted %s, it is not taken for that", (type) => {
    using file = fileOfUnmounted(type, "memfd:vfio-dma");

    expect(readlinkSync(`/proc/self/fd/${file.fd}`)).toBe("/memfd:vfio-dma");
    expect(isAnonymousMemory(file)).toBe(false);
    expect(sizeGuaranteeOf(file)).toBe(type === "tmpfs" ? "not sealable" : "no memory");
  });
});
