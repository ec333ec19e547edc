import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LeaseWatch } from "../src/primary/lease-watch.js";

const INTERVAL_MS = 250;

describe("the watch on leases", () => {
  let looks: number;
  let watch: LeaseWatch;
  beforeEach(() => {
    looks = 0;
    watch = new LeaseWatch({}, () => (looks += 1));
  });
  afterEach(() => {
    watch[Symbol.dispose]();
    vi.useRealTimers();
  });

  it("looks every now and then while there are leases, however often new ones come", () => {
    vi.useFakeTimers();
    for (let quarter = 0; quarter < 8; quarter++) {
      watch.setBusy(true);
      vi.advanceTimersByTime(INTERVAL_MS / 4);
    }
    expect(looks).toBe(2);
    watch.setBusy(false);
    vi.advanceTimersByTime(10 * INTERVAL_MS);
    expect(looks).toBe(2);
  });

  it("looks no more when it is disposed of", () => {
    vi.useFakeTimers();
    watch.setBusy(true);
    watch[Symbol.dispose]();
    vi.advanceTimersByTime(10 * INTERVAL_MS);
    expect(looks).toBe(0);
  });

  it("keeps no process alive", () => {
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const before = timers();
    watch.setBusy(true);
    expect(timers()).toBe(before);
  });
});
