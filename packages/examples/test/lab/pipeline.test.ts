import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { finished } from "@vfio/test-support";
import { afterEach, describe, expect, it } from "vitest";
import type { PipelineEvent } from "../../src/pipeline/events.js";
import { numberedSteps, pipelineWentWell, type ReportDocument } from "../../src/report/document.js";
import { RoleProcess } from "./role-process.js";

const EDU = "0000:00:10.0";
const NVME = "0000:00:11.0";
const START = path.resolve(import.meta.dirname, "../../dist/start.js");
const SOCKET = "/var/run/.vfio_mp_socket";
const ARGS = [EDU, "16", "vfio"];

const step = (title: RegExp) => (event: PipelineEvent) => event.event === "step" && title.test(event.title);
const listening = (event: PipelineEvent): boolean => event.event === "listening";

/** Everything on this machine that still has a VFIO file open. */
function vfioHolders(): string[] {
  const holders: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
        if (/^\/dev\/vfio\/|vfio-device/.test(target)) holders.push(`${pid}: ${target}`);
      }
    } catch {
      // The process ended meanwhile.
    }
  }
  return holders;
}

function freeHugepages(): string | undefined {
  return /HugePages_Free:\s*(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
}

afterEach(async () => {
  // The kernel gives a killed process's pages back a moment after its end is reported.
  for (let tries = 0; tries < 100 && (vfioHolders().length > 0 || freeHugepages() !== "256"); tries++)
    await sleep(50);
  expect(vfioHolders()).toEqual([]);
  expect(freeHugepages()).toBe("256");
});

describe("given the lab's edu device", () => {
  it("the whole pipeline runs: ten steps, DMA in both processes, the three answers of the protocol; the socket is gone after", async () => {
    await using pipeline = new RoleProcess("pipeline", ARGS);

    expect(await pipeline.ended()).toBe(0);

    const { events } = pipeline;
    expect(numberedSteps(events).map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(pipelineWentWell(events)).toBe(true);
    const facts = (title: RegExp) => (events.find(step(title)) as { facts: object } | undefined)?.facts;
    expect(facts(/^DMA to the device and back, completion/)).toMatchObject({
      bytesVerified: 4000,
      interruptType: "msi",
      interrupts: 2,
    });
    expect(facts(/^DMA .* in the shared memory/)).toMatchObject({ bytesVerified: 4000 });
    expect(facts(/registers/)).toEqual({ identification: "0x10000ed", inverter: "0x12345678 → 0xedcba987" });
    expect(facts(/does not exist/)).toMatchObject({ answer: "ERR", code: "ERR_VFIO_GROUP_REFUSED" });
    expect(facts(/not bound/)).toMatchObject({ answer: "NO_FD", code: "ERR_VFIO_GROUP_NO_FD" });
    expect(existsSync(SOCKET)).toBe(false);
  });

  it("another device, for which there is no driver here, gets the ten steps and the protocol; DMA is left out, and said so", async () => {
    await using pipeline = new RoleProcess("pipeline", [NVME, "16", "vfio"]);

    expect(await pipeline.ended()).toBe(0);

    expect(pipelineWentWell(pipeline.events)).toBe(true);
    expect(pipeline.events.filter(({ event }) => event === "left-out")).toHaveLength(2);
  });
});

describe("given npm start on a machine that has a device of its own", () => {
  /** The machine is the lab's, but start.js takes it for this host: it was given a device. */
  function start(environment: readonly string[], args: readonly string[]): ReportDocument {
    const run = finished("env", [...environment, process.execPath, START, ...args, "--json"]);
    expect(run.status, run.stdout + run.stderr).toBe(0);
    return JSON.parse(run.stdout) as ReportDocument;
  }

  it("the device's address as an argument: the whole pipeline runs on it, DMA left out and said so", () => {
    const document = start(["-u", "VFIO_DEVICE"], [NVME]);

    expect(document).toMatchObject({ ok: true, where: "host", device: NVME });
    expect(numberedSteps(document.events)).toHaveLength(10);
    expect(document.events.filter(({ event }) => event === "left-out")).toMatchObject([
      {
        role: "primary",
        title: expect.stringContaining("DMA to the device") as unknown,
        reason: "there is no driver here for this device",
      },
      {
        role: "secondary",
        title: expect.stringContaining("DMA in the shared") as unknown,
        reason: "there is no driver here for this device",
      },
    ]);
  });

  it("the device's address in VFIO_DEVICE: the whole pipeline runs on it, DMA too", () => {
    const document = start([`VFIO_DEVICE=${EDU}`], []);

    expect(document).toMatchObject({ ok: true, where: "host", device: EDU });
    expect(document.events.filter(({ event }) => event === "left-out")).toEqual([]);
    expect(document.events.filter(step(/^DMA /))).toHaveLength(2);
  });
});

describe("given a pipeline that cannot start", () => {
  it.each([
    [
      "a device that does not exist",
      ["0000:00:0f.0"],
      2,
      "ERR_VFIO_NO_SUCH_DEVICE",
      "there is no PCI device 0000:00:0f.0",
    ],
    ["an address that is none", ["eth0"], 2, "ERR_VFIO_BAD_BDF", '"eth0" is not a PCI address'],
    [
      "a device that nobody bound to VFIO",
      ["0000:00:1f.2"],
      3,
      "ERR_VFIO_GROUP_NOT_BOUND",
      "no device of IOMMU group",
    ],
  ])("%s: the failing step names it, and nothing is left", async (_what, args, number, code, words) => {
    await using pipeline = new RoleProcess("pipeline", args);

    expect(await pipeline.ended()).toBe(1);

    expect(pipeline.events.at(-1)).toMatchObject({ event: "failed", number, error: { code } });
    expect(JSON.stringify(pipeline.events.at(-1))).toContain(JSON.stringify(words).slice(1, -1));
    expect(existsSync(SOCKET)).toBe(false);
  });

  it("more memory than there are hugepages: step 6 fails and counts them, and nothing is left", async () => {
    await using pipeline = new RoleProcess("pipeline", [EDU, "4096", "vfio"]);

    expect(await pipeline.ended()).toBe(1);

    expect(pipeline.events.at(-1)).toMatchObject({ event: "failed", number: 6, error: { code: "ENOMEM" } });
    expect(JSON.stringify(pipeline.events.at(-1))).toContain("256 reserved, 256 free, 2048 needed");
    expect(existsSync(SOCKET)).toBe(false);
  });

  it("a second primary beside a live one: the group's holder is named", async () => {
    await using first = new RoleProcess("primary", ARGS);
    await first.told(listening);
    await using second = new RoleProcess("primary", ARGS);

    expect(await second.ended()).toBe(1);

    expect(second.events.at(-1)).toMatchObject({ event: "failed", number: 3, error: { code: "EBUSY" } });
    expect(JSON.stringify(second.events.at(-1))).toContain(`pid ${first.child.pid} (`);
    expect(await first.kill("SIGTERM")).toBe(0);
  });

  it("a secondary for a device that does not exist: the failing step names it", async () => {
    await using secondary = new RoleProcess("secondary", ["0000:00:0f.0"]);

    expect(await secondary.ended()).toBe(1);

    expect(secondary.events).toMatchObject([
      {
        event: "failed",
        title: "find the device's IOMMU group",
        error: { code: "ERR_VFIO_NO_SUCH_DEVICE" },
      },
    ]);
  });

  it("a secondary without a primary says where it looked", async () => {
    await using secondary = new RoleProcess("secondary", ARGS);

    expect(await secondary.ended()).toBe(1);

    expect(secondary.events.at(-1)).toMatchObject({ event: "failed", error: { code: "ENOENT" } });
    expect(JSON.stringify(secondary.events.at(-1))).toContain(SOCKET);
  });
});

describe("given processes that are killed halfway", () => {
  it("a primary ended by SIGTERM gives everything back, its socket file included", async () => {
    await using primary = new RoleProcess("primary", ARGS);
    await primary.told(listening);
    expect(existsSync(SOCKET)).toBe(true);

    expect(await primary.kill("SIGTERM")).toBe(0);

    expect(existsSync(SOCKET)).toBe(false);
  });

  it("a primary ended by SIGTERM while it waits for its DMA ends there, and says by what", async () => {
    await using primary = new RoleProcess("primary", ARGS, "enable bus mastering");
    await primary.stopped();
    primary.child.kill("SIGTERM");

    expect(await primary.kill("SIGCONT")).toBe(1);

    expect(primary.events.at(-1)).toMatchObject({
      event: "failed",
      title: "DMA to the device and back, completion by interrupt",
      error: { code: "ERR_VFIO_ABORTED", message: "ended by SIGTERM" },
    });
  });

  it("a secondary ended by SIGTERM halfway ends there and says by what; the next one does all its work", async () => {
    await using primary = new RoleProcess("primary", ARGS);
    await primary.told(listening);
    await using ended = new RoleProcess("secondary", ARGS, "attach the primary's hugepage memory");
    await ended.stopped();
    ended.child.kill("SIGTERM");

    expect(await ended.kill("SIGCONT")).toBe(1);

    expect(ended.events.at(-1)).toMatchObject({
      event: "failed",
      title: "DMA to the device and back in the shared memory",
      error: { code: "ERR_VFIO_ABORTED", message: "ended by SIGTERM" },
    });
    await using secondary = new RoleProcess("secondary", ARGS);
    expect(await secondary.ended()).toBe(0);
    expect(await primary.kill("SIGTERM")).toBe(0);
  });

  it("a primary killed with -9 leaves only a stale socket file, and the next primary takes it over", async () => {
    await using killed = new RoleProcess("primary", ARGS);
    await killed.told(listening);
    await killed.kill("SIGKILL");
    expect(existsSync(SOCKET)).toBe(true);
    await using lonely = new RoleProcess("secondary", ARGS);
    expect(await lonely.ended()).toBe(1);
    expect(lonely.events.at(-1)).toMatchObject({ event: "failed", error: { code: "ECONNREFUSED" } });

    await using next = new RoleProcess("primary", ARGS);
    await next.told(listening);
    await using secondary = new RoleProcess("secondary", ARGS);

    expect(await secondary.ended()).toBe(0);
    expect(await next.kill("SIGTERM")).toBe(0);
  });

  it("a primary killed while its secondary works: the secondary's own fds go on working, and its next request says who is missing", async () => {
    await using primary = new RoleProcess("primary", ARGS);
    await primary.told(listening);
    await using secondary = new RoleProcess("secondary", ARGS, "attach the primary's hugepage memory");
    await secondary.stopped();
    await primary.kill("SIGKILL");

    expect(await secondary.kill("SIGCONT")).toBe(1);

    // Container, group, device and memory are the secondary's too now: its DMA still went through.
    expect(secondary.events.some(step(/DMA .* in the shared memory/))).toBe(true);
    expect(secondary.events.at(-1)).toMatchObject({
      event: "failed",
      title: "ask for a group that does not exist",
    });
  });

  it.each([/get the container/, /get the group/, /device fd/, /map the BARs/, /hugepage memory/])(
    "a secondary killed after %s harms nobody: the next one does all its work",
    async (title) => {
      await using primary = new RoleProcess("primary", ARGS);
      await primary.told(listening);
      await using killed = new RoleProcess("secondary", ARGS);
      await killed.told(step(title));
      await killed.kill("SIGKILL");

      await using secondary = new RoleProcess("secondary", ARGS);

      expect(await secondary.ended()).toBe(0);
      expect(await primary.kill("SIGTERM")).toBe(0);
    },
  );

  it("when the process that started both is killed, both end by themselves", async () => {
    await using pipeline = new RoleProcess("pipeline", ARGS);
    await pipeline.told(listening);

    await pipeline.kill("SIGKILL");

    for (let tries = 0; tries < 200 && vfioHolders().length > 0; tries++) await sleep(50);
    expect(vfioHolders()).toEqual([]);
    expect(existsSync(SOCKET)).toBe(false);
  });
});
