import { constants } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { kernel, useKernel, type Kernel } from "@vfio/ioctl-native";
import { describe, expect, it, vi } from "vitest";
import { joinDpdkPrimary, type DpdkPrimary } from "../src/index.js";
import { FakeDpdkPrimary } from "./support/dpdk-primary.js";
import { expectError } from "./support/errors.js";
import { expectNoFdLeft, identityOf } from "./support/fds.js";
import { useFolder } from "./support/folder.js";
import { useFilesThatAnswerAsVfio } from "./support/kernel.js";

useFolder();
useFilesThatAnswerAsVfio();
expectNoFdLeft();

const join = (fake: FakeDpdkPrimary, timeoutMs = 5000): Promise<DpdkPrimary> =>
  joinDpdkPrimary({ directory: fake.directory, timeoutMs });

/** Time limits (the global `setTimeout`) go by when the test says so; pauses between two tries are as they are. */
function stoppedClock(): Disposable {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  return { [Symbol.dispose]: () => vi.useRealTimers() };
}

const PROTOCOL = "ERR_VFIO_PROTOCOL";
const TIMEOUT = "ERR_VFIO_TIMEOUT";

describe.each([332, 340] as const)("a reply of a primary with messages of %d bytes", (size) => {
  const plan = size === 340 ? { size, version: 0x190b0063 } : { size };

  it.each([
    ["empty", PROTOCOL, `a reply of 0 bytes where ${size} belong`],
    ["a byte short", PROTOCOL, `a reply of ${size - 1} bytes where ${size} belong`],
    ["a byte long", PROTOCOL, "the reply was too long or had more fds"],
    ["OK without its fd", PROTOCOL, "0 fd(s) came with a reply that announces 1"],
    ["OK that announces no fd", PROTOCOL, "number of fds is 0, not 1"],
    ["two fds", PROTOCOL, "number of fds is 2, not 1"],
    ["two fds, one announced", PROTOCOL, "2 fd(s) came with a reply that announces 1"],
    ["253 fds", PROTOCOL, "number of fds is 253, not 1"],
    ["another name", PROTOCOL, 'name is "mp_malloc_sync", not "eal_vfio_mp_sync"'],
    ["a name without end", PROTOCOL, 'not "eal_vfio_mp_sync"'],
    ["another request", PROTOCOL, `request is 2457, not 512`],
    ["another group", PROTOCOL, "group is 8, not 7"],
    ["another type", PROTOCOL, "type is 1, not 2"],
    ["another result", PROTOCOL, "the result 7 is none of OK (0), NO_FD (1) and ERR (255)"],
    ["another length", PROTOCOL, "length of parameters is 8, not 12"],
    ["a wrong fd", "ERR_VFIO_WRONG_FD", "as group 7"],
    ["refuse", "ERR_VFIO_GROUP_REFUSED", "failed to share group 7 (ERR)"],
    ["refuse, with an fd", "ERR_VFIO_GROUP_REFUSED", "failed to share group 7 (ERR)"],
    ["no fd", "ERR_VFIO_GROUP_NO_FD", "has no fd for group 7: no device of it is bound to VFIO"],
  ])("that is wrong (%s) is refused with %s, and leaves no fd and no file", async (behaviour, code, text) => {
    await using fake = await FakeDpdkPrimary.start({ ...plan, behaviours: [behaviour, "answer"] });
    using primary = await join(fake);

    await expectError(() => primary.group(7), code, text);
    expect(fake.socketsLeft()).toEqual([]);
    expect(identityOf(await primary.group(7))).toBe(fake.identityOf("7"));
  });
});

describe("a primary that is not ready", () => {
  it("is asked again, over a fresh socket each time, until it is", async () => {
    const behaviours = ["not ready", "not ready, with an fd", "answer"];
    await using fake = await FakeDpdkPrimary.start({ behaviours });
    using primary = await join(fake);
    expect(identityOf(await primary.container())).toBe(fake.identityOf("vfio"));
    await fake.told(4);
    expect(new Set(fake.asked.map(({ peer }) => peer)).size).toBe(3);
  });

  it("for ever is an error when the time is up, which says how often it was asked", async () => {
    await using fake = await FakeDpdkPrimary.start({ behaviours: ["not ready"] });
    using primary = await join(fake);
    // The time is up when it has been asked twice, and so has answered once, however long that takes.
    using _clock = stoppedClock();
    const text = /within 300 ms when asked for its container; it said [1-9]\d* times that it is not ready/;
    const asking = expectError(() => primary.container({ timeoutMs: 300 }), TIMEOUT, text);
    await fake.told(3);
    vi.advanceTimersByTime(300);
    await asking;
    expect(fake.socketsLeft()).toEqual([]);
  });

  it("because it still initialises itself is waited for, and not for ever", async () => {
    await using fake = await FakeDpdkPrimary.start({ magic: 0 });
    const text = `in ${fake.directory} has not initialised itself within 200 ms`;
    await expectError(() => join(fake, 200), TIMEOUT, text);
    expect(fake.events).toHaveLength(1);
  });
});

describe("a primary that says nothing", () => {
  it("is an error when the time is up", async () => {
    await using fake = await FakeDpdkPrimary.start({ behaviours: ["silent"] });
    using primary = await join(fake, 150);
    const text = `mp_socket within 150 ms when asked for its IOMMU type`;
    await expectError(() => primary.iommuType(), TIMEOUT, text, "Cannot find action");
    expect(fake.socketsLeft()).toEqual([]);
  });

  it("does not matter to who gives up: the signal's reason is thrown", async () => {
    await using fake = await FakeDpdkPrimary.start({ behaviours: ["silent"] });
    using primary = await join(fake);
    const giveUp = new AbortController();
    const asked = primary.container({ signal: giveUp.signal });
    await fake.told(2);
    giveUp.abort(new Error("enough"));
    await expect(asked).rejects.toThrow("enough");
    expect(fake.socketsLeft()).toEqual([]);
  });

  it("nor to a close in the middle: the request is given up", async () => {
    await using fake = await FakeDpdkPrimary.start({ behaviours: ["silent"] });
    const primary = await join(fake);
    const asked = expectError(() => primary.container(), "ERR_VFIO_CLOSED");
    await fake.told(2);
    primary.close();
    await asked;
  });

  it("and whose queue is full is waited for, until the time is up", async () => {
    await using fake = await FakeDpdkPrimary.start();
    await fake.kill("SIGSTOP");
    using primary = await join(fake, 300);
    const real = kernel();
    let refused = 0;
    const datagramSend: Kernel["datagramSend"] = (...all) => {
      const sent = real.datagramSend(...all);
      if (sent === -constants.errno.EAGAIN) refused++;
      return sent;
    };
    using _watched = useKernel({ ...real, datagramSend });
    const asking: Promise<unknown>[] = [];
    while (refused === 0) {
      asking.push(expectError(() => primary.container(), TIMEOUT));
      await nextTurn();
    }
    await Promise.all(asking);
    expect(fake.socketsLeft()).toEqual([]);
  });
});

describe("a primary with refusals of its own", () => {
  it("without a VFIO device has no IOMMU type, and says so", async () => {
    await using fake = await FakeDpdkPrimary.start({ iommuType: 0 });
    using primary = await join(fake);
    await expectError(() => primary.iommuType(), "ERR_VFIO_DPDK_NO_DEVICE", "", "-a");
  });

  it("that does not share its container says so", async () => {
    await using fake = await FakeDpdkPrimary.start({ behaviours: ["refuse"] });
    using primary = await join(fake);
    await expectError(() => primary.container(), "ERR_VFIO_CONTAINER_REFUSED");
  });
});
