import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it } from "vitest";

const program = path.resolve(import.meta.dirname, "../docs-serve.mjs");
const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

/** Starts it; gives the first line it prints and the address in it. */
async function serve(...args: string[]): Promise<{ child: ChildProcess; address: string }> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  started.push(child);
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return { child, address: /http:\S+/.exec(line)?.[0] ?? line };
}

describe("given the site", () => {
  it("when it is served, then the address that is printed shows the front page, on this machine only", async () => {
    const { address } = await serve("--port", "0");
    expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    expect(await (await fetch(address)).text()).toContain("userspace PCI drivers in TypeScript");
  });

  it("when a page is asked for that is not there, or lies outside, then the answer is 404", async () => {
    const { address } = await serve("--port", "0");
    expect((await fetch(`${address}none.html`)).status).toBe(404);
    expect((await fetch(`${address}..%2f..%2fpackage.json`)).status).toBe(404);
  });

  it.each(["SIGINT", "SIGTERM"] as const)("when %s comes, then it ends in order", async (signal) => {
    const { child, address } = await serve("--port", "0");
    await fetch(address);
    child.kill(signal);
    expect(await once(child, "exit")).toEqual([0, null]);
  });

  it("when the port is taken, then the message says so, and the exit code is 1", async () => {
    const { address } = await serve("--port", "0");
    const { port } = new URL(address);
    const { status, stderr } = spawnSync(process.execPath, [program, "--port", port], { encoding: "utf8" });
    expect(stderr).toContain(`cannot be served on port ${port}: listen EADDRINUSE`);
    expect(status).toBe(1);
  });

  it.each([
    ["--port", "70000"],
    ["--port", "x"],
    ["--prot", "1"],
  ])("when it is started with %s %s, then the usage is told", (...args) => {
    const { status, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: "utf8" });
    expect(stderr).toContain("Usage: npm run docs:serve");
    expect(status).toBe(1);
  });
});
