import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { finished, NOBODY, runAsNobody } from "@vfio/test-support";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const EDU = "0000:00:10.0";
const node = `/dev/vfio/${path.basename(readlinkSync(`/sys/bus/pci/devices/${EDU}/iommu_group`))}`;

/** A project that everybody may read, with Node.js: the clone and the host's Node.js may lie in somebody's private folder. */
let project: string;
const nodejs = () => path.join(project, "node");

beforeAll(() => {
  project = mkdtempSync(path.join(tmpdir(), "vfio-user-"));
  chmodSync(project, 0o755);
  for (const name of ["dma", "ioctl-native"]) {
    const from = path.resolve(import.meta.dirname, "../../..", name);
    const to = path.join(project, "node_modules/@vfio", name);
    for (const part of ["package.json", "dist", "native/build"].filter((each) =>
      existsSync(path.join(from, each)),
    )) {
      cpSync(path.join(from, part), path.join(to, part), { recursive: true });
    }
  }
  expect(finished("chmod", ["-R", "a+rX", project]).status).toBe(0);
  writeFileSync(nodejs(), "");
  expect(finished("mount", ["--bind", process.execPath, nodejs()]).status).toBe(0);
  chownSync(node, NOBODY, NOBODY);
});
afterAll(() => {
  expect(finished("umount", [nodejs()]).status).toBe(0);
  rmSync(project, { recursive: true });
  chownSync(node, 0, 0);
});

/** Runs a few lines with this package as an ordinary user; they print what happened as JSON. */
function asNobody(limits: string, lines: string): { code?: string; message: string; segments?: number } {
  const program = `
    import { openFile, ioctl } from "@vfio/ioctl-native";
    import { vfioIoctls } from "@vfio/ioctl-native/vfio";
    import { DmaMapper, HugepageMemory } from "@vfio/dma";
    const group = openFile("${node}");
    const container = openFile("/dev/vfio/vfio");
    ioctl(group, vfioIoctls.VFIO_GROUP_SET_CONTAINER, container.fd);
    ioctl(container, vfioIoctls.VFIO_SET_IOMMU, 3);
    try {
      ${lines}
    } catch ({ code, message }) {
      console.log(JSON.stringify({ code, message }));
    }`;
  writeFileSync(path.join(project, "program.mjs"), program);
  chmodSync(path.join(project, "program.mjs"), 0o644);
  const result = runAsNobody(`cd ${project}; ${limits} exec ./node program.mjs`);
  expect(result.stderr).toBe("");
  return JSON.parse(result.stdout) as ReturnType<typeof asNobody>;
}

describe("given an ordinary user to whom the group was given", () => {
  it("IOVA = PA is impossible, since the kernel hides physical addresses: the error offers another mode", () => {
    const outcome = asNobody(
      "",
      `
      const memory = HugepageMemory.allocate({ bytes: 1 });
      new DmaMapper(container, { iova: "physical" }).map(memory);`,
    );

    expect(outcome.code).toBe("ERR_VFIO_PHYSICAL_ADDRESSES_HIDDEN");
    expect(outcome.message).toContain("CAP_SYS_ADMIN");
    expect(outcome.message).toContain('iova: "virtual"');
  });

  it("a fixed IOVA needs no rights beyond the group", () => {
    const outcome = asNobody(
      "ulimit -l 8192;",
      `
      const memory = HugepageMemory.allocate({ bytes: 1 });
      const mapping = new DmaMapper(container, { iova: "physical" }).map(memory, { iova: 0x10000000n });
      console.log(JSON.stringify({ message: "mapped", segments: mapping.pieces.length }));`,
    );

    expect(outcome).toEqual({ message: "mapped", segments: 1 });
  });

  it("more than RLIMIT_MEMLOCK is ENOMEM: the error tells the limit, what is used, what was asked for, and the ways to raise it", () => {
    const outcome = asNobody(
      "ulimit -l 64;",
      `
      const memory = HugepageMemory.allocate({ bytes: 1 });
      new DmaMapper(container, { iova: "physical" }).map(memory, { iova: 0x10000000n });`,
    );

    expect(outcome.code).toBe("ENOMEM");
    expect(outcome.message).toContain("RLIMIT_MEMLOCK is 64 kB, in use 0 kB, needed 2048 kB more");
    expect(outcome.message).toContain("ulimit -l unlimited");
  });

  it("when the limit is met in the middle of a memory, the error tells all that is still needed", () => {
    const outcome = asNobody(
      "ulimit -l 4096;",
      `
      const memory = HugepageMemory.allocate({ bytes: 16 << 20 });
      new DmaMapper(container, { iova: "allocate" }).map(memory, { pieceBytes: 2 << 20 });`,
    );

    expect(outcome.code).toBe("ENOMEM");
    expect(outcome.message).toContain("RLIMIT_MEMLOCK is 4096 kB, in use 4096 kB, needed 12288 kB more");
  });
});
