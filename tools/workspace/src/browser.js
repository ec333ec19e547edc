/** A headless Chromium: Debian's, installed when it is not there. */
import { chromium } from "playwright-core";
import { BROWSER } from "../../release/src/debian-packages.js";
import { ensureDebianPackages } from "../../release/src/debian.js";

const [executablePath = ""] = Object.keys(BROWSER);

/**
 * @returns {Promise<import("playwright-core").Browser>}
 * @throws {Error} with the command to type, if it is not there and may not be installed.
 */
export async function openBrowser() {
  ensureDebianPackages(BROWSER, "Looking at the documentation");
  return await chromium.launch({ executablePath });
}
