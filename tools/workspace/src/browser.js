/** A headless Chromium: Debian's, installed when it is not there. */
import { chromium } from "playwright-core";
import { ensureDebianPackages } from "../../release/src/debian.js";

/**
 * @returns {Promise<import("playwright-core").Browser>}
 * @throws {Error} with the command to type, if it is not there and may not be installed.
 */
export async function openBrowser() {
  ensureDebianPackages({ "/usr/bin/chromium": "chromium" }, "Looking at the documentation");
  return await chromium.launch({ executablePath: "/usr/bin/chromium" });
}
