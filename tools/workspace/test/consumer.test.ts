import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { runInLab } from "@vfio/lab";
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

const TYPED = `
import { DmaMapper, HugepageMemory, type DmaMapping } from "@vfio/dma";
const memory: HugepageMemory = HugepageMemory.allocate({ bytes: 1 });
const mapping: DmaMapping = new DmaMapper({ fd: 3 }, { iova: "allocate" }).map(memory);
const iova: bigint = mapping.iovaOf(0);
// @ts-expect-error: an address is a bigint
const wrong: number = iova;
export { wrong };
`;

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    cwd: consumer,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
}

beforeAll(() => {
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
  it("nothing else of ours is installed, and no compiler ran: the addon came in the package", () => {
    expect(readdirSync(path.join(consumer, "node_modules/@vfio")).sort()).toEqual(["dma", "ioctl-native"]);
    const addon = "node_modules/@vfio/ioctl-native/prebuilds/linux-x64/ioctl-native.node";
    expect(existsSync(path.join(consumer, addon))).toBe(true);
    expect(existsSync(path.join(consumer, "node_modules/@vfio/ioctl-native/native"))).toBe(false);
  });

  it("import and require() both work", () => {
    const imported = run(
      process.execPath,
      "--input-type=module",
      "-e",
      'import * as dma from "@vfio/dma"; console.log(typeof dma.DmaMapper)',
    );
    const required = run(process.execPath, "-e", 'console.log(typeof require("@vfio/dma").DmaMapper)');

    expect([imported.trim(), required.trim()]).toEqual(["function", "function"]);
  });

  it.each([
    ["node16", "node16"],
    ["esnext", "bundler"],
  ])("its types hold with module %s and resolution %s", (module, moduleResolution) => {
    writeFileSync(path.join(consumer, "typed.mts"), TYPED);
    const types = path.join(root, "node_modules/@types");
    const options = ["--strict", "--noEmit", "--target", "es2022", "--lib", "es2023,esnext.disposable"];
    const node = ["--typeRoots", types, "--types", "node"];

    // Throws, with the compiler's words, if there is an error.
    run(
      path.join(root, "node_modules/.bin/tsc"),
      ...options,
      ...node,
      "--module",
      module,
      "--moduleResolution",
      moduleResolution,
      "typed.mts",
    );
  });

  it("in the lab it maps memory in a container of its own", async () => {
    writeFileSync(path.join(consumer, "program.mjs"), PROGRAM);

    const result = await runInLab([process.execPath, "program.mjs"], { cwd: consumer });

    expect(result.stderr).toBe("");
    expect(JSON.parse(result.stdout)).toEqual({ bytes: 4 << 20, iova: "0", buffer: String(4 << 20) });
  }, 120_000);
});
