/** A headless Chromium: Debian's, installed if missing. */
import { chromium } from "playwright-core";
import { BROWSER } from "@vfio/set-up/debian-packages.js";
import { ensureDebianPackages } from "@vfio/set-up/debian.js";

const [executablePath = ""] = Object.keys(BROWSER);

/**
 * @returns {Promise<import("playwright-core").Browser>}
 * @throws {Error} with the command to type, if it is missing and may not be installed.
 */
export async function openBrowser() {
  await ensureDebianPackages(BROWSER, "Looking at the documentation");
  return await chromium.launch({ executablePath });
}
