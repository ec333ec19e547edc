import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { runInLab } from "@vfio/lab";
import { prebuilds } from "@vfio/release/prebuilds";
import { beforeAll, describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../../..");
/** Outside the workspace's node_modules tree, but where the lab's guest can see it. */
const consumer = path.join(root, ".results/consumer");

/** A program of somebody who has a container of their own, and of ours only @vfio/dma and what it depends on. */
const PROGRAM = `
import { readlinkSync } from "node:fs";
import path from "node:path";
import { DmaMapper, HugepageMemory } from "@vfio/dma";
import { ioctl, openFile, vfioIoctls } from "@vfio/ioctl-native";

const group = openFile("/dev/vfio/" + path.basename(readlinkSync("/sys/bus/pci/devices/0000:00:10.0/iommu_group")));
const container = openFile("/dev/vfio/vfio");
ioctl(group, vfioIoctls.VFIO_GROUP_SET_CONTAINER, container.fd);
ioctl(container, vfioIoctls.VFIO_SET_IOMMU, 3);

const memory = HugepageMemory.allocate({ bytes: 4 << 20 });
const dma = new DmaMapper({ fd: container.fd }, { iova: "allocate", addressBits: 32 });
const mapping = dma.map(memory);
const buffer = dma.alloc({ bytes: 1000 });
console.log(JSON.stringify({ bytes: memory.bytes, iova: String(mapping.iovaOf(0)), buffer: String(buffer.iova) }));
dma.close();
memory.close();
`;

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    cwd: consumer,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
}

// Everything that needs no kernel with VFIO is shown by the rehearsal of a release.
beforeAll(() => {
  prebuilds();
  rmSync(consumer, { recursive: true, force: true });
  mkdirSync(consumer, { recursive: true });
  writeFileSync(path.join(consumer, "package.json"), JSON.stringify({ name: "consumer", private: true }));
  const tarballs = ["ioctl-native", "dma"].map((name) => {
    execFileSync("npm", ["pack", "--pack-destination", consumer], {
      cwd: path.join(root, "packages", name),
      stdio: "ignore",
    });
    return `./${readdirSync(consumer).find((file) => file.startsWith(`vfio-${name}-`)) ?? ""}`;
  });
  run("npm", "install", "--offline", "--no-audit", "--no-fund", ...tarballs);
}, 120_000);

describe("given a project outside the workspace that installs only @vfio/dma and what it depends on", () => {
  it("in the lab it maps memory in a container of its own", async () => {
    writeFileSync(path.join(consumer, "program.mjs"), PROGRAM);

    const result = await runInLab([process.execPath, "program.mjs"], { cwd: consumer });

    expect(result.stderr).toBe("");
    expect(JSON.parse(result.stdout)).toEqual({ bytes: 4 << 20, iova: "0", buffer: String(4 << 20) });
  }, 120_000);
});
