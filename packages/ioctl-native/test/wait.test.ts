import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { EventFd, VfioError, waitForFd } from "../src/index.js";
import { errorOf, rejectionOf } from "./support/errors.js";
import { fdsStayAsTheyWere, openFds } from "./support/leaks.js";

fdsStayAsTheyWere();

describe("waiting for an fd", () => {
  it("ends when it is readable, at once if it is already", async () => {
    using event = EventFd.create();
    const wait = waitForFd(event);
    event.signal(2);
    await wait;
    await waitForFd(event, { timeoutMs: 10_000 });
    expect(event.read()).toBe(2);
  });

  it("ends at once for writing", async () => {
    using event = EventFd.create();
    await expect(waitForFd(event, { forWriting: true })).resolves.toBeUndefined();
  });

  it("with a timeout ends with an error that says what was waited for", async () => {
    using event = EventFd.create();
    const error = await rejectionOf(waitForFd(event, { timeoutMs: 0, what: "the primary's answer" }));
    expect(error).toBeInstanceOf(VfioError);
    expect(error.code).toBe("ERR_VFIO_TIMEOUT");
    expect(error.message).toBe("no answer within 0 ms while waiting for the primary's answer");
  });

  it.each([Infinity, 2 ** 31 - 0.5, 2 ** 31, 1e12])(
    "with a timeout of %d ms does not end at once",
    async (timeoutMs) => {
      using event = EventFd.create();
      const wait = waitForFd(event, { timeoutMs });
      setTimeout(() => event.signal(), 20);
      await wait;
      expect(event.read()).toBe(1);
    },
  );

  it.each([-1, NaN, "10", null])("with a timeout of %s is refused", async (timeoutMs) => {
    using event = EventFd.create();
    const error = await rejectionOf(waitForFd(event, { timeoutMs: timeoutMs as never }));
    expect(error.code).toBe("ERR_VFIO_WAIT_ARGUMENT");
  });

  it.each([null, {}, "stop", new EventTarget()])("with %s for a signal is refused", async (signal) => {
    using event = EventFd.create();
    const error = await rejectionOf(waitForFd(event, { signal: signal as never }));
    expect(error.code).toBe("ERR_VFIO_WAIT_ARGUMENT");
    expect(error.message).toContain("AbortSignal");
  });

  it("whose signal fails when it is listened to leaves no watch behind", async () => {
    using event = EventFd.create();
    const before = openFds();
    const broken = Object.assign(new AbortController().signal, {
      addEventListener() {
        throw new Error("no listeners here");
      },
    });
    await expect(waitForFd(event, { signal: broken })).rejects.toThrow("no listeners here");
    expect(openFds()).toEqual(before);
  });

  it("aborted before ends with the signal's reason, and never looks at the fd", async () => {
    using event = EventFd.create();
    const reason = new Error("not today");
    await expect(waitForFd(event, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it("aborted meanwhile ends with the signal's reason, and leaves no listener", async () => {
    using event = EventFd.create();
    const controller = new AbortController();
    const wait = waitForFd(event, { signal: controller.signal });
    controller.abort();
    await expect(wait).rejects.toMatchObject({ name: "AbortError" });
    event.signal();
    await waitForFd(event, { signal: new AbortController().signal });
  });

  it("one listener serves all who wait with a signal, and goes with the last of them", async () => {
    const { signal } = new AbortController();
    using first = EventFd.create();
    using second = EventFd.create();
    const waits = [first, second].map((event) => waitForFd(event, { signal, timeoutMs: 10_000 }));
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    first.signal();
    await waits[0];
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    second.signal();
    await waits[1];
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("one signal ends all who wait with it", async () => {
    const controller = new AbortController();
    using event = EventFd.create();
    const waits = [1, 2].map(() => waitForFd(event, { signal: controller.signal }));
    const reason = new Error("enough");
    controller.abort(reason);
    const rejected = { status: "rejected", reason };
    expect(await Promise.allSettled(waits)).toEqual([rejected, rejected]);
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  });

  it("aborted with something that is no error ends with one that says it", async () => {
    using event = EventFd.create();
    const error = await rejectionOf(waitForFd(event, { signal: AbortSignal.abort("enough") }));
    expect(error).toMatchObject({ code: "ERR_VFIO_ABORTED", message: "aborted: enough" });
  });

  it("that is closed is a rejection that says so", async () => {
    const event = EventFd.create();
    event.close();
    expect((await rejectionOf(waitForFd(event))).code).toBe("ERR_VFIO_CLOSED");
    expect(errorOf(() => event.fd).code).toBe("ERR_VFIO_CLOSED");
  });
});
