/** The rehearsal of a release: a registry, a release into it, and all kinds of consumers. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { makeRelease } from "./make-release.js";
import { download, lintPackage } from "./published.js";
import { startRegistry } from "./registry.js";
import { trials } from "../consumers/try-consumers.js";

/**
 * @typedef {{ consumer: string, how: string, passed: boolean, result: string, seconds: number }} Row
 * @typedef {{ name: string, version: string, before: string, files: string[] }} PublishedPackage
 * @typedef {{ packages: PublishedPackage[], rows: Row[] }} Outcome
 */

/**
 * @param {(step: string) => void} report
 * @param {AbortSignal} signal ends it, with nothing left behind.
 * @returns {Promise<Outcome>}
 */
export async function rehearse(report, signal) {
  const folder = mkdtempSync(path.join(tmpdir(), "vfio-release-"));
  try {
    const registry = await startRegistry(path.join(folder, "registry"));
    report(`a registry at ${registry.url}, in ${folder}`);
    try {
      return await releaseAndTry({ folder: path.join(folder, "tried"), registry, signal }, folder, report);
    } finally {
      await registry.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {import("../consumers/consumer.js").Surroundings} surroundings
 * @param {string} folder
 * @param {(step: string) => void} report
 * @returns {Promise<Outcome>}
 */
async function releaseAndTry(surroundings, folder, report) {
  const released = await makeRelease(
    path.join(folder, "copy"),
    surroundings.registry,
    report,
    surroundings.signal,
  );
  /** @type {Outcome} */
  const outcome = { packages: [], rows: [] };
  const attempt = async (/** @type {import("../consumers/try-consumers.js").Trial} */ trial) => {
    report(`${trial.consumer}: ${trial.how}`);
    outcome.rows.push(await tried(trial, surroundings.signal));
  };
  for (const { name, version, before } of released) {
    const published = await download(surroundings, name);
    outcome.packages.push({ name, version, before, files: published.files });
    const run = () => lintPackage(surroundings, published);
    await attempt({ consumer: "publint, attw", how: `${name} ${version} (was ${before})`, run });
  }
  for (const trial of trials(
    surroundings,
    released.map(({ name }) => name),
  ))
    await attempt(trial);
  return outcome;
}

/**
 * @param {import("../consumers/try-consumers.js").Trial} trial
 * @param {AbortSignal} signal
 * @returns {Promise<Row>}
 */
async function tried({ consumer, how, run }, signal) {
  const started = performance.now();
  const row = (/** @type {boolean} */ passed, /** @type {string} */ result) => {
    return { consumer, how, passed, result, seconds: (performance.now() - started) / 1000 };
  };
  try {
    return row(true, (await run()) ?? "works");
  } catch (error) {
    // Stopped by the user, not failed.
    signal.throwIfAborted();
    return row(false, error instanceof Error ? error.message : String(error));
  }
}
