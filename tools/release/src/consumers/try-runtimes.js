/** Runtimes with Node-API other than Node.js: what works there, and that they survive. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { Consumer } from "./consumer.js";
import { installed } from "../programs/installed.js";
import * as programs from "./programs.js";
import { freshEnvironment } from "../run.js";

/**
 * @typedef {object} Runtime
 * @property {string} name
 * @property {string} program the file in the set of runtimes.
 * @property {string[]} args before the file to run.
 */

/** @type {Runtime[]} */
const RUNTIMES = [
  { name: "Bun", program: "@oven/bun-linux-x64-baseline/bin/bun", args: [] },
  {
    name: "Deno",
    program: "@deno/linux-x64-glibc/deno",
    args: ["run", "-A", "--no-prompt", "--no-remote", "--node-modules-dir=manual"],
  },
];

/**
 * @param {import("./consumer.js").Surroundings} surroundings
 * @returns {import("./try-consumers.js").Trial[]}
 */
export function inOtherRuntimes(surroundings) {
  return RUNTIMES.map((runtime) => ({
    consumer: runtime.name,
    how: "system calls, waits, primary and secondaries, a worker; reads by native calls",
    run: async () => {
      const stranger = new Consumer(surroundings);
      await stranger.install(["@vfio/mp-sync"]);
      stranger.write("program.mjs", programs.USES_THE_ADDON);
      stranger.write("waits.mjs", programs.WAITS_IN_ALL_WAYS);
      stranger.write("worker.mjs", programs.WORKER_THAT_WAITS);
      const run = runnerOf(stranger, runtime);
      assert.deepEqual(await run("program.mjs", "wait"), { arch: "x64", ...programs.ITS_ANSWER });
      // Not below the consumer's folder: the address of a socket has at most 107 bytes.
      const sockets = mkdtempSync("/tmp/vfio-");
      try {
        assert.deepEqual(await run("waits.mjs", path.join(sockets, "primary")), programs.ITS_WAITS);
      } finally {
        rmSync(sockets, { recursive: true });
      }
    },
  }));
}

/** @param {Consumer} stranger @param {Runtime} runtime */
function runnerOf(stranger, { program, args }) {
  const command = path.join(installed("runtimes"), program);
  // Nothing may stay in this user's cache.
  const env = freshEnvironment({
    DENO_DIR: path.join(stranger.folder, "deno"),
    DENO_NO_UPDATE_CHECK: "1",
    BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0",
  });
  return async (/** @type {string[]} */ ...rest) =>
    JSON.parse(await stranger.run(command, [...args, ...rest], env));
}
