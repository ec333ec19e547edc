import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { NOBODY, runAsNobody } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isBuilt, noteBuilt } from "@vfio/set-up/writable.js";

const workspace = path.resolve(import.meta.dirname, "..");
const setUp = path.resolve(workspace, "../set-up/src");
const COMMANDS = ["start.mjs", "lab.mjs", "test.mjs", "mutate.mjs", "bench.mjs", "../release/rehearse.mjs"];

let folder: string;
beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), "set-up-"))));
afterEach(() => rmSync(folder, { recursive: true }));

function node(args: readonly string[], env: Record<string, string> = {}) {
  return spawnSync(process.execPath, args, { encoding: "utf8", env: { ...process.env, ...env } });
}

describe("given a Node.js that is too old", () => {
  // Its number alone: what it lacks, such as import.meta.dirname, it would miss only after the number is looked at.
  const old =
    'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.20.8" } })';

  it.each(COMMANDS)("%s says so, and what to do, before all else", (command) => {
    const preload = `data:text/javascript,${encodeURIComponent(old)}`;
    const { status, stdout, stderr } = node(["--import", preload, path.join(workspace, command)]);

    expect(stderr).toMatch(
      /^This needs Node\.js 20\.19 or later, and this is v\S+\. Install a newer one .*\n$/,
    );
    expect([status, stdout]).toEqual([command === "lab.mjs" ? 125 : 1, ""]);
  });

  it("the module that looks at it has nothing that Node.js 14 cannot read", () => {
    const source = readFileSync(path.join(setUp, "../check-node.mjs"), "utf8");

    expect(source).not.toMatch(/import\.meta|\?\?=|\bawait\b|\busing\b|#\w+|^import /m);
  });
});

describe("given a folder for temporary files", () => {
  const place = "the folder for temporary files,";

  it.each([
    ["is not there", "/no/such", "is not there. Make it, or set TMPDIR to another one (ENOENT)"],
    ["is no folder", "/dev/null", "is no folder. Set TMPDIR to another one (ENOTDIR)"],
    ["takes no files", "/proc", "cannot be written to. Set TMPDIR to another one (ENOENT)"],
  ])("that %s, the command names it and the remedy, and nothing is begun", (_, TMPDIR, words) => {
    const { status, stderr } = node([path.join(workspace, "start.mjs")], { TMPDIR, VFIO_SET_UP: "" });

    expect([status, stderr]).toEqual([1, `${TMPDIR}, ${place} ${words}.\n`]);
  });

  it("that this user may not write to, it is not told to make it", () => {
    const command = `TMPDIR='${workspace}' VFIO_SET_UP= '${process.execPath}' '${workspace}/start.mjs'`;
    const { status, stderr } = runAsNobody(command);

    const words = "cannot be written to by this user. Set TMPDIR to another one (EACCES)";
    expect([status, stderr]).toEqual([1, `${workspace}, ${place} ${words}.\n`]);
  });
});

describe("given a clone", () => {
  const write = (file: string, text: string) => {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  };
  const setTime = (file: string, seconds: number) => utimesSync(path.join(folder, file), seconds, seconds);
  beforeEach(() => {
    write("packages/dma/package.json", "{}");
    write("packages/dma/src/index.ts", "1");
    write("packages/dma/dist/index.js", "1");
    write("tools/workspace/package.json", "{}");
    mkdirSync(path.join(folder, ".nx"));
  });

  it("whose packages were built after the last change, it is built; before it, it is not", () => {
    setTime("packages/dma/src/index.ts", 1000);
    setTime("packages/dma/dist/index.js", 2000);
    expect(isBuilt(folder)).toBe(true);

    setTime("packages/dma/src/index.ts", 3000);
    expect(isBuilt(folder)).toBe(false);
  });

  it("that was copied with new times, it is built if set-up has noted these sources, and no others", () => {
    noteBuilt(folder);
    setTime("packages/dma/src/index.ts", 3000);
    setTime("packages/dma/dist/index.js", 2000);
    expect(isBuilt(folder)).toBe(true);

    write("packages/dma/src/index.ts", "2");
    expect(isBuilt(folder)).toBe(false);
  });

  it("without anything built, it is not", () => {
    noteBuilt(folder);
    rmSync(path.join(folder, "packages/dma/dist"), { recursive: true });
    expect(isBuilt(folder)).toBe(false);
  });

  it("of another user's, the first folder that cannot be written to is named, with the reason", () => {
    cpSync(path.join(setUp, "writable.js"), path.join(folder, "writable.mjs"));
    spawnSync("chmod", ["-R", "go+rX", folder]);
    const program = `import { notWritable } from "${folder}/writable.mjs"; console.log(JSON.stringify(notWritable("${folder}")))`;
    const { stdout } = runAsNobody(`'${process.execPath}' --input-type=module -e '${program}'`);

    expect(NOBODY).not.toBe(process.getuid?.());
    expect(JSON.parse(stdout)).toEqual({ folder, reason: "this user may not write there (EACCES)" });
  });
});

describe("given a command whose program runs", () => {
  const RUN = path.join(setUp, "run-program.js");

  /** A command that runs a shell script in the way of set-up, and says how that ended. */
  function command(script: string) {
    const program = `
      import { endedBy, exitCodeOf, runProgram } from "${RUN}";
      const ended = await runProgram("sh", ["-c", ${JSON.stringify(script)}], { alone: true });
      if (ended.endedBy !== undefined) console.log(endedBy(ended.endedBy), exitCodeOf(ended.endedBy));
      else console.log("exit code", ended.exitCode);`;
    return spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
  }

  async function outputOf(child: ReturnType<typeof command>): Promise<string> {
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (more: string) => (text += more));
    await once(child, "close");
    return text;
  }

  it.each([
    ["SIGINT", "ended by Ctrl-C 130\n"],
    ["SIGTERM", "ended by SIGTERM 143\n"],
  ] as const)("%s ends it with all that it has started, and is told", async (signal, expected) => {
    const ready = path.join(folder, "ready");
    const left = path.join(folder, "left");
    // What is in the background ignores SIGINT, as a shell makes it.
    const child = command(`(touch ${ready}; sleep 30; touch ${left}) & wait`);
    const output = outputOf(child);
    await expect.poll(() => existsSync(ready), { timeout: 20_000 }).toBe(true);

    child.kill(signal);

    expect(await output).toBe(expected);
    expect(spawnSync("pgrep", ["-f", left]).status).toBe(1);
  });

  it("its exit code is the program's; after a signal of its own 128 + n", async () => {
    expect(await outputOf(command("exit 7"))).toBe("exit code 7\n");
    expect(await outputOf(command("kill -TERM $$"))).toBe("exit code 143\n");
  });
});
