/** A new folder that installs from the registry, as a stranger would. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { run } from "../run.js";

/**
 * @typedef {object} Surroundings
 * @property {string} folder for the consumers' folders.
 * @property {import("../rehearsal/registry.js").Registry} registry
 * @property {AbortSignal} signal
 */

export class Consumer {
  /** @type {string} */
  folder;
  #surroundings;

  /**
   * @param {Surroundings} surroundings
   * @param {Record<string, unknown>} [manifest] more of its package.json.
   */
  constructor(surroundings, manifest = {}) {
    this.#surroundings = surroundings;
    mkdirSync(surroundings.folder, { recursive: true });
    this.folder = mkdtempSync(path.join(surroundings.folder, "consumer-"));
    this.write("package.json", JSON.stringify({ name: "consumer", private: true, ...manifest }));
  }

  /**
   * `npm install` of the named packages.
   * @param {readonly string[]} packages
   * @param {{ node?: string, args?: readonly string[], env?: Record<string, string> }} [how] `node` is the program that
   *   runs npm.
   */
  async install(packages, { node = process.execPath, args = [], env = {} } = {}) {
    const { registry } = this.#surroundings;
    // Packages' scripts run the `node` on PATH.
    const PATH = `${path.dirname(node)}:${registry.env["PATH"] ?? ""}`;
    await this.run(node, [npm(), "install", ...args, ...packages], { ...registry.env, PATH, ...env });
  }

  /** @param {string} file @param {string} text */
  write(file, text) {
    writeFileSync(path.join(this.folder, file), text);
  }

  /** @param {string} command @param {readonly string[]} args @param {NodeJS.ProcessEnv} [env] */
  run(command, args, env) {
    const { signal } = this.#surroundings;
    return run(command, args, { cwd: this.folder, signal, ...(env === undefined ? {} : { env }) });
  }

  installed() {
    const top = path.join(this.folder, "node_modules");
    const names = readdirSync(top).filter((name) => !name.startsWith("."));
    return names.flatMap((name) =>
      name.startsWith("@") ? readdirSync(path.join(top, name)).map((each) => `${name}/${each}`) : [name],
    );
  }

  installedBytes() {
    const top = path.join(this.folder, "node_modules");
    const entries = readdirSync(top, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    return files.reduce((bytes, entry) => bytes + statSync(path.join(entry.parentPath, entry.name)).size, 0);
  }
}

function npm() {
  const folders = (process.env["PATH"] ?? "").split(":");
  const found = folders.map((folder) => path.join(folder, "npm")).find((file) => existsSync(file));
  if (found === undefined) throw new Error("There is no npm on PATH.");
  return realpathSync(found);
}
