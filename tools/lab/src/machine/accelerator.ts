import { accessSync, constants } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { Accelerator } from "../run/lab-options.js";
import { makeFolder } from "../host/make-folder.js";

/** Boots the lab's machine with KVM. @returns whether it came up. */
export type KvmProbe = () => Promise<boolean>;

/**
 * Chooses KVM only after it has run the machine once: inside another virtual machine /dev/kvm may open, and QEMU then
 * abort or hang. accelerator.json in the cache keeps the probe's result for each host kernel; removing it makes the
 * next run probe again.
 */
export async function chooseAccelerator(
  cache: string,
  probe: KvmProbe,
  device = "/dev/kvm",
): Promise<Accelerator> {
  if (!isAccessible(device)) return "tcg";
  const file = path.join(cache, "accelerator.json");
  const known = await readVerdict(file);
  if (known !== undefined) return known;
  const accelerator = (await probe()) ? "kvm" : "tcg";
  await makeFolder(cache);
  await writeFile(file, `${JSON.stringify({ hostKernel: os.release(), accelerator })}\n`);
  return accelerator;
}

async function readVerdict(file: string): Promise<Accelerator | undefined> {
  try {
    const { hostKernel, accelerator } = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
    if (hostKernel !== os.release()) return undefined;
    return accelerator === "kvm" || accelerator === "tcg" ? accelerator : undefined;
  } catch {
    return undefined;
  }
}

function isAccessible(device: string): boolean {
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
