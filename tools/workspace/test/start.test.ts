import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../../..");

// This target's dependencies have built everything; the set-up would build once more, beside the other tests.
const env = { ...process.env, VFIO_DEVICE: "", VFIO_SET_UP: "done" };

function start(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync("npm", ["start", "--silent", "--", ...args], { cwd: root, encoding: "utf8", env });
}

describe("given a person who types npm start", () => {
  it("with --json, standard output is one JSON document with the ten steps, facts and times, and nothing else", () => {
    const { status, stdout, stderr } = start("--json");
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
  });

  it("with a device that is not there, it is still one JSON document, which says so, and the exit code is 1", () => {
    const { status, stdout } = start("0000:ff:1f.7", "--json");

    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, where: "host", device: "0000:ff:1f.7" });
    expect(stdout).toContain("there is no PCI device 0000:ff:1f.7");
  });

  it("without --silent, nothing comes after the document of a run that failed, and npm's lines are explained", () => {
    const args = ["start", "--", "0000:ff:1f.7", "--json"];
    const { status, stdout, stderr } = spawnSync("npm", args, { cwd: root, encoding: "utf8", env });

    expect(status).toBe(1);
    const document = stdout.slice(stdout.search(/^\{/m));
    expect(JSON.parse(document)).toMatchObject({ ok: false, device: "0000:ff:1f.7" });
    if (document !== stdout) expect(stderr).toContain("Without them: npm start --silent -- --json");
  });

  it("with an address that is none, or a wrong option, the message names it", () => {
    const malformed = start("eth0");
    const wrong = start("--memory", "none");

    expect(malformed.status).toBe(1);
    expect(malformed.stderr).toContain('"eth0" is not a PCI address');
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toContain("It must be a whole number above 0.");
  });

  it("--help shows the options and what the exit codes mean", () => {
    const { status, stdout } = start("--help");

    expect(status).toBe(0);
    expect(stdout).toContain("VFIO_DEVICE");
    expect(stdout).toContain("Exit code");
  });
});

describe("given a person who types Ctrl-C while the lab works", () => {
  const scratch = () => readdirSync(os.tmpdir()).filter((name) => name.startsWith("vfio-lab-"));

  it.each([
    ["npm start", "start.mjs", [], /^Device /m, "ended by Ctrl-C\n"],
    ["npm run lab", "lab.mjs", ["--", "sleep", "1000"], /Guest is up/, "lab: ended by Ctrl-C\n"],
  ] as const)(
    "%s says so, its exit code is 130, and nothing is left",
    async (_command, program, args, begun, last) => {
      const file = path.join(root, "tools/workspace", program);
      const before = scratch();
      const child = spawn(process.execPath, [file, ...args], {
        cwd: root,
        env,
        stdio: ["ignore", "pipe", "pipe"],
      });
      let said = "";
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", (text: string) => (said += text));
      await expect.poll(() => said, { timeout: 120_000 }).toMatch(begun);

      child.kill("SIGINT");
      const [status] = (await once(child, "close")) as [number | null];

      expect(said.endsWith(last), said).toBe(true);
      expect(status).toBe(130);
      expect(scratch().filter((name) => !before.includes(name))).toEqual([]);
    },
  );
});
