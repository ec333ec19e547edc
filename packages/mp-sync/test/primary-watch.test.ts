import { expectError } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PrimaryConfig } from "../src/dpdk/primary-config.js";
import { PrimaryWatch } from "../src/dpdk/primary-watch.js";

describe("given a watched DPDK primary", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const watched = () => {
    const holder = { locked: true, pid: 7 };
    const config = { holder: () => holder } as unknown as PrimaryConfig;
    return { holder, watch: new PrimaryWatch(config, "/run/dpdk/rte", 7) };
  };

  it.each([
    ["lets go of its lock", { locked: false }],
    ["was followed by another", { pid: 8 }],
  ])("when it %s, then the next look says so once, and nobody looks again", (_what, change) => {
    const { holder, watch } = watched();
    vi.advanceTimersByTime(1000);
    expect(watch.signal.aborted).toBe(false);

    Object.assign(holder, change);
    vi.advanceTimersByTime(250);

    expectError(
      () => watch.signal.throwIfAborted(),
      "ERR_VFIO_PRIMARY_GONE … /run/dpdk/rte (process 7) has ended",
    );
    expect(vi.getTimerCount()).toBe(0);
  });

  it("when the watch is given back, then nobody looks any more", () => {
    const { holder, watch } = watched();
    watch[Symbol.dispose]();
    holder.locked = false;

    vi.advanceTimersByTime(1000);

    expect([watch.signal.aborted, vi.getTimerCount()]).toEqual([false, 0]);
  });
});
