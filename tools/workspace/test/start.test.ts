import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../../..");

/**
 * What `npm start` runs after its set-up. Not through npm, because npm adds a JSON object of its own to the standard
 * output of a failed run.
 */
function start(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const program = path.join(root, "packages/examples/dist/start.js");
  const env = { ...process.env, VFIO_DEVICE: "" };
  return spawnSync(process.execPath, [program, ...args], { cwd: root, encoding: "utf8", env });
}

describe("given a person who types npm start", () => {
  // This target's dependencies have built everything; the set-up would build once more, beside the other tests.
  it("with --json, standard output is one JSON document with the ten steps, facts and times, and nothing else", () => {
    const { status, stdout, stderr } = spawnSync("npm", ["start", "--", "--json"], {
      cwd: root,
      encoding: "utf8",
      env: { ...process.env, VFIO_SET_UP: "done" },
    });
    expect(status, stdout + stderr).toBe(0);

    const document = JSON.parse(stdout) as {
      ok: boolean;
      where: string;
      events: { number?: number; ms?: number }[];
    };
    expect(document).toMatchObject({ ok: true, where: "lab", device: "0000:00:10.0" });
    const numbered = document.events.filter(({ number }) => number !== undefined);
    expect(numbered.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(numbered.every(({ ms }) => typeof ms === "number")).toBe(true);
  }, 300_000);

  it("with a device that is not there, the report says so and the exit code is 1", () => {
    const { status, stdout } = start("0000:ff:1f.7", "--json");

    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, where: "host", device: "0000:ff:1f.7" });
    expect(stdout).toContain("there is no PCI device 0000:ff:1f.7");
  }, 60_000);

  it("with an address that is none, or a wrong option, the message names it", () => {
    const malformed = start("eth0");
    const wrong = start("--memory", "none");

    expect(malformed.status).toBe(1);
    expect(malformed.stderr).toContain('"eth0" is not a PCI address');
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toContain("It must be a whole number above 0.");
  }, 60_000);

  it("--help shows the options and what the exit codes mean", () => {
    const { status, stdout } = start("--help");

    expect(status).toBe(0);
    expect(stdout).toContain("VFIO_DEVICE");
    expect(stdout).toContain("Exit code");
  }, 60_000);
});
