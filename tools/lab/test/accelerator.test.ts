import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { chooseAccelerator } from "../src/machine/accelerator.js";

let cache: string;
beforeEach(() => (cache = mkdtempSync(path.join(os.tmpdir(), "lab-test-"))));
afterEach(() => rmSync(cache, { recursive: true }));

test("without the device there is nothing to probe", async () => {
  const probe = vi.fn(async () => true);
  expect(await chooseAccelerator(cache, probe, path.join(cache, "no-kvm"))).toBe("tcg");
  expect(probe).not.toHaveBeenCalled();
});

test.each([
  [true, "kvm"],
  [false, "tcg"],
] as const)("a probe that answers %s means %s, and is not asked again", async (works, expected) => {
  const probe = vi.fn(async () => works);
  expect(await chooseAccelerator(cache, probe, "/dev/null")).toBe(expected);
  expect(await chooseAccelerator(cache, probe, "/dev/null")).toBe(expected);
  expect(probe).toHaveBeenCalledTimes(1);
});
