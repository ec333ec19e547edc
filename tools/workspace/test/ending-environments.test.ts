import { spawnSync } from "node:child_process";
import path from "node:path";
import { nodeBinaries } from "@vfio/release/nodes";
import { describe, expect, it } from "vitest";

const program = path.join(import.meta.dirname, "ending-environments/program.mjs");

/** Runs the program with one way of ending; `status` is null if a signal ended it. */
function end(node: string, way: string) {
  const { status, signal, stderr } = spawnSync(node, [program, way], { encoding: "utf8", timeout: 60_000 });
  return { status, signal, stderr };
}

describe.each(nodeBinaries())(
  "given every native function in Node.js $version, when the environment in which it is called …, then the process lives",
  ({ path: node }) => {
    it.each([
      ["… was terminated while another native function ran", "terminate-in-straight-line", 1],
      ["… is terminated at any time", "terminate-any-time", 1],
      ["… was terminated, and loads the addon", "terminate-while-loading", 1],
      ["… is terminated at any time while it loads the package", "terminate-any-time-while-loading", 1],
      ["… was terminated, and a watched fd is ready", "terminate-in-a-callback", 1],
      ["… ends with process.exit() of the main thread", "exit-in-straight-line", 1],
      ["… ends with process.exit() of the main thread at any time", "exit-any-time", 3],
      ["… ran out of the time that node:vm gave it", "vm-timeout", 1],
      ["… has hardly any stack left", "stack-overflow", 1],
    ])("%s", (_, way, times) => {
      for (let time = 0; time < times; time++)
        expect(end(node, way)).toEqual({ status: 0, signal: null, stderr: "" });
    });
  },
);
