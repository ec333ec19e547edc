import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errnoOf, kernel, VfioSystemError } from "../src/index.js";
import { exists, listFolder, readLinkName, readSysfs, writeSysfs } from "../src/internal.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";

let folder = "";
const at = (name: string): string => path.join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "vfio-sysfs-"));
  writeFileSync(at("vendor"), "0x1234\n");
  mkdirSync(at("devices"));
  for (const name of ["b", "a"]) writeFileSync(at(`devices/${name}`), "");
  symlinkSync("../../../bus/pci/drivers/vfio-pci", at("driver"));
  symlinkSync("loop", at("loop"));
});
afterAll(() => rmSync(folder, { recursive: true }));
fdsStayAsTheyWere();

describe("what is there", () => {
  it("a file's text comes without its newline", () => expect(readSysfs(at("vendor"))).toBe("0x1234"));
  it("a link's target is its last part, dangling or not", () =>
    expect(readLinkName(at("driver"))).toBe("vfio-pci"));
  it("a folder's names come in order", () => expect(listFolder(at("devices"))).toEqual(["a", "b"]));
  it("files and folders exist", () => expect([exists(at("vendor")), exists(folder)]).toEqual([true, true]));
  it("an attribute is written whole", () => {
    writeSysfs(at("vendor"), "1");
    expect(readFileSync(at("vendor"), "utf8")).toBe("1");
    writeSysfs(at("vendor"), "0x1234\n");
  });
  it("it is written off the event loop, too, if it is there", async () => {
    const { writeTextAsync } = kernel();
    writeFileSync(at("bind"), "something longer");
    expect(await writeTextAsync(at("bind"), "0000:00:10.0")).toBe(0);
    expect(readFileSync(at("bind"), "utf8")).toBe("0000:00:10.0");
    expect(await writeTextAsync(at("bnid"), "x")).toBe(errnoOf("ENOENT"));
    expect(await writeTextAsync(folder, "x")).toBe(errnoOf("EISDIR"));
  });
});

describe("what is absent, itself or the folder above it", () => {
  it.each(["none", "none/none", "vendor/none"])("%s is undefined, empty or false, and no error", (name) => {
    expect(readSysfs(at(name))).toBeUndefined();
    expect(readLinkName(at(name))).toBeUndefined();
    expect(listFolder(at(name))).toEqual([]);
    expect(exists(at(name))).toBe(false);
  });

  it("is an error to write to, and is not created", () => {
    const error = errorOf(() => writeSysfs(at("driver_override"), "vfio-pci"));
    expect(error).toMatchObject({ code: "ENOENT", syscall: "write", path: at("driver_override") });
    expect(error.message).toContain(`cannot write "vfio-pci" to ${at("driver_override")}`);
    expect(existsSync(at("driver_override"))).toBe(false);
  });
});

describe("every other failure is an error with errno and path", () => {
  it.each([
    ["reading a folder", "EISDIR", "devices", readSysfs],
    ["reading a link that is none", "EINVAL", "vendor", readLinkName],
    ["reading in a circle", "ELOOP", "loop", readSysfs],
    ["listing a circle", "ELOOP", "loop", listFolder],
    ["asking whether a circle exists", "ELOOP", "loop", exists],
    ["a NUL in a path", "EINVAL", "vendor\0x", readSysfs],
  ] as const)("%s: %s", (_, code, name, use) => {
    const error = errorOf(() => use(at(name)));
    expect(error).toBeInstanceOf(VfioSystemError);
    expect(error).toMatchObject({ code, path: at(name) });
    expect(error.message).toContain(at(name));
  });

  it("writing to a folder: EISDIR", () => {
    expect(errorOf(() => writeSysfs(folder, "x")).code).toBe("EISDIR");
  });
});
