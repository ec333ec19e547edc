import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { isVfioError, type VfioError } from "@vfio/ioctl-native";
import { joinDpdkPrimary, type DpdkPrimary } from "@vfio/mp-sync";
import { iommuGroupOf } from "@vfio/vfio-core";
import { leavesNothingBehind, rejectionOf, expectRejection } from "@vfio/test-support";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { macAddress, transmitRing } from "../../src/dpdk/e1000e-registers.js";
import { joinDpdk } from "../../src/dpdk/join.js";
import { Testpmd } from "../../src/dpdk/testpmd.js";
import type { PipelineEvent } from "../../src/pipeline/events.js";
import { Reporter } from "../../src/pipeline/reporter.js";
import { RoleProcess } from "./role-process.js";

const CARD = "0000:00:12.0";
const EDU = "0000:00:10.0";
const MAC = "52:54:00:12:34:56";
/** Emulated, and with a core that polls without a rest. */
const SLOW = 240_000;

const join = (prefix: string): Promise<DpdkPrimary> => joinDpdkPrimary({ prefix, timeoutMs: 60_000 });

/** The sockets of guests that lie in a primary's directory. */
const repliesIn = (prefix: string): string[] =>
  readdirSync(`/var/run/dpdk/${prefix}`).filter((name) => name.startsWith(".vfio"));

const filesOf = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));

/** The kernel takes a killed process's hugepages and groups back a moment after its end is reported. */
async function hugepagesAreBack(): Promise<void> {
  const free = (): string | undefined =>
    /HugePages_Free:\s*(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  for (let tries = 0; tries < 200 && free() !== "256"; tries++) await sleep(50);
  expect(free()).toBe("256");
}

/** Runs a guest in a process of its own up to a step, and kills it there. */
async function killGuestAfter(step: string, prefix: string): Promise<void> {
  const guest = path.join(import.meta.dirname, "dpdk-guest.mjs");
  const child = spawn(process.execPath, [guest, CARD, prefix], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  for await (const line of createInterface({ input: child.stdout })) if (line.startsWith(step)) break;
  child.kill("SIGKILL");
  expect(await ended).toEqual([null, "SIGKILL"]);
}

describe("given the program that starts dpdk-testpmd, joins it and leaves", () => {
  it(
    "it reads from the card what DPDK says of it, sees DPDK's burst in the ring, and testpmd ends with status 0",
    async () => {
      await using program = new RoleProcess("dpdk-join", [CARD, "lab-program"]);

      expect(await program.ended()).toBe(0);

      const facts = (title: RegExp): unknown =>
        program.events.flatMap((event) =>
          event.event === "step" && title.test(event.title) ? [event.facts] : [],
        )[0];
      expect(facts(/^join/)).toEqual({
        directory: "/var/run/dpdk/lab-program",
        version: "22.11.11",
        groups: [String(iommuGroupOf(CARD))],
      });
      expect(facts(/IOMMU type/)).toMatchObject({ iommuType: 1 });
      const link = "up, 1000 Mbit/s, full duplex";
      expect(facts(/read the card/)).toMatchObject({ mac: MAC, link, transmitRing: "head 0, tail 0 of 256" });
      expect(facts(/read them again/)).toMatchObject({
        mac: MAC,
        link,
        transmitRing: "head 32, tail 32 of 256",
      });
      expect(facts(/go on/)).toEqual({ mac: MAC, link: "up", sent: "32" });
      expect(facts(/^end/)).toEqual({ status: 0 });
      expect(repliesIn("lab-program")).toEqual([]);
      await hugepagesAreBack();
    },
    SLOW,
  );

  it(
    "a device that DPDK can't have: the failing step says so, and nothing is left",
    async () => {
      await using program = new RoleProcess("dpdk-join", ["0000:00:0f.0", "lab-nothing"]);
      expect(await program.ended()).toBe(1);
      expect(program.events.at(-1)).toMatchObject({
        event: "failed",
        title: "find the card's IOMMU group",
        error: { code: "ERR_VFIO_NO_SUCH_DEVICE" },
      });
      await hugepagesAreBack();
    },
    SLOW,
  );
});

describe("given a running dpdk-testpmd", () => {
  const prefix = "lab-shared";
  let testpmd: Testpmd;
  const report = new Reporter("secondary", () => undefined);
  const goesOn = async (): Promise<void> => {
    // The card's link comes up some time after testpmd has started it; on a busy machine, later than we get here.
    await expect
      .poll(() => testpmd.command("show port info 0"), { timeout: 30_000 })
      .toMatch(/Link status: up/);
  };

  beforeAll(async () => {
    testpmd = await Testpmd.start({ bdf: CARD, prefix });
    await testpmd.command("start tx_first");
  }, SLOW);
  afterAll(async () => {
    expect(await testpmd.quit()).toBe(0);
    await hugepagesAreBack();
  }, SLOW);

  describe("when it is joined", () => {
    leavesNothingBehind();

    it(
      "three times in a row, then each guest reads the card, gives everything back, and testpmd goes on",
      async () => {
        for (let time = 0; time < 3; time++) {
          const signal = new AbortController().signal;
          await joinDpdk({ bdf: CARD, prefix, signal }, report, async (registers) => {
            expect(macAddress(registers)).toBe(MAC);
            expect(transmitRing(registers).tail).toBeGreaterThan(0);
            expect(Object.keys(registers).filter((name) => name.startsWith("write"))).toEqual([]);
            await goesOn();
          });
          await goesOn();
        }
        expect(repliesIn(prefix)).toEqual([]);
      },
      SLOW,
    );

    it(
      "and asked for a group that it does not use, then nothing is sent, and it does not open that group",
      async () => {
        using primary = await join(prefix);
        const other = iommuGroupOf(EDU);
        expect(primary.groupsInUse()).toEqual([iommuGroupOf(CARD)]);
        const error = await expectRejection(primary.group(other), `… has only ${iommuGroupOf(CARD)} open`);
        expect(error.code).toBe("ERR_VFIO_GROUP_NOT_IN_USE");
        expect(filesOf(testpmd.pid!)).not.toContain(`/dev/vfio/${other}`);
        await goesOn();
      },
      SLOW,
    );

    it(
      "by twenty at once, then all are served",
      async () => {
        using primary = await join(prefix);
        const types = await Promise.all(Array.from({ length: 20 }, () => primary.iommuType()));
        expect(new Set(types)).toEqual(new Set([1]));
        await goesOn();
      },
      SLOW,
    );
  });

  it.each(["joined", "container", "group", "device", "mapped"])(
    "when a guest is killed with -9 after %j, then testpmd goes on and the next guest is served",
    async (step) => {
      await killGuestAfter(step, prefix);

      await goesOn();
      using primary = await join(prefix);
      expect(await primary.iommuType()).toBe(1);
      expect((await primary.group(iommuGroupOf(CARD))).number).toBe(iommuGroupOf(CARD));
      expect(repliesIn(prefix)).toEqual([]);
    },
    SLOW,
  );
});

describe("given a dpdk-testpmd that dies", () => {
  it(
    "then its guest is told, can still read what it has mapped, and gives it all back; a late one is told too",
    async () => {
      const prefix = "lab-dying";
      const events: PipelineEvent[] = [];
      const report = new Reporter("secondary", (event) => events.push(event));
      await using testpmd = await Testpmd.start({ bdf: CARD, prefix });
      using primary = await join(prefix);
      const { signal } = new AbortController();
      await joinDpdk({ bdf: CARD, prefix, signal }, report, async (registers) => {
        const gone = once(primary.gone, "abort");
        await testpmd.kill();
        await gone;
        expect((primary.gone.reason as VfioError).code).toBe("ERR_VFIO_PRIMARY_GONE");
        expect(macAddress(registers)).toBe(MAC);
      });

      const late = await rejectionOf(joinDpdkPrimary({ prefix }));
      expect(isVfioError(late) && late.code).toBe("ERR_VFIO_DPDK_NO_PRIMARY");
      expect(late.message).toContain("nobody holds the lock on /var/run/dpdk/lab-dying/config");
      expect(existsSync("/var/run/dpdk/lab-dying/mp_socket")).toBe(true);
      await hugepagesAreBack();
    },
    SLOW,
  );
});
