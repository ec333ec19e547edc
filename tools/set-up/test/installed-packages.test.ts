import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { packagesAreInstalled } from "../src/installed-packages.js";

const LOCKED = {
  "": { name: "vfio", version: "0.0.0" },
  "node_modules/@vfio/dma": { resolved: "packages/dma", link: true },
  "node_modules/nx": { version: "22.7.12", integrity: "sha512-nx" },
  "node_modules/nx-for-linux": { version: "22.7.12", integrity: "sha512-linux", optional: true },
  "node_modules/nx-for-darwin": { version: "22.7.12", integrity: "sha512-darwin", optional: true },
  "packages/dma": { name: "@vfio/dma", version: "0.1.0" },
};
/** What npm writes down of them on Linux. */
const { "": _root, "node_modules/nx-for-darwin": _darwin, ...INSTALLED } = LOCKED;

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), "installed-"));
  mkdirSync(path.join(root, "node_modules"));
  write("package-lock.json", LOCKED);
});
afterEach(() => rmSync(root, { recursive: true }));

function write(file: string, packages: object): void {
  writeFileSync(path.join(root, file), JSON.stringify({ lockfileVersion: 3, packages }));
}

function isInstalled(packages: object): boolean {
  write("node_modules/.package-lock.json", packages);
  return packagesAreInstalled(root);
}

describe("given a lock file, when npm has installed", () => {
  it("all that this platform needs, then there is nothing to do, whoever asked npm for it", () => {
    expect(isInstalled(INSTALLED)).toBe(true);
  });

  it("nothing, or not to the end, then it must install", () => {
    expect(packagesAreInstalled(root)).toBe(false);
  });

  it.each(["node_modules/.package-lock.json", "package-lock.json"])("%s is cut off, then it must", (file) => {
    write("node_modules/.package-lock.json", INSTALLED);
    writeFileSync(path.join(root, file), '{ "packages": {');

    expect(packagesAreInstalled(root)).toBe(false);
  });

  it.each([
    ["another version", { ...INSTALLED, "node_modules/nx": { version: "22.7.11", integrity: "sha512-nx" } }],
    ["other bytes", { ...INSTALLED, "node_modules/nx": { version: "22.7.12", integrity: "sha512-other" } }],
    ["one that is not asked for", { ...INSTALLED, "node_modules/left": { version: "1.0.0" } }],
    ["all but one", { ...INSTALLED, "node_modules/nx": undefined }],
    ["all but a package of ours", { ...INSTALLED, "packages/dma": undefined }],
  ])("%s, then it must install", (_what, installed) => {
    expect(isInstalled(installed)).toBe(false);
  });
});

it("given this repository, whose tests are running, then there is nothing to do", () => {
  expect(packagesAreInstalled(path.resolve(import.meta.dirname, "../../.."))).toBe(true);
});
