import { errnoOf, useKernel } from "@vfio/ioctl-native";
import { errorOf, rejectionOf, expectError, expectRejection } from "@vfio/test-support";
import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { bindDriver, bindDriverAsync } from "../src/index.js";
import { bindingKernel, bindingMachine, DEVICE, useMachine, type BindingMachine } from "./binding-kernel.js";

const NODE = "/dev/vfio/4";
const BUSY = errnoOf("EBUSY");
const HELD_ELSEWHERE = { "/proc/77/fd/3": NODE };
const ALWAYS_BUSY = Array.from({ length: 1000 }, () => BUSY);
const DEVICE_FD = "anon_inode:[vfio-device]";
const HELD_HERE = { "/proc/self/fd/9": NODE };

/** A promise of what a call returns or throws, now or later. */
const attempt = async <T>(call: () => T): Promise<Awaited<T>> => await call();

describe("given a device on its kernel driver", () => {
  it("it goes to vfio-pci and back again, and each time its override is what it was", () => {
    using machine = useMachine("e1000e");

    const binding = bindDriver("03:00.0", "vfio-pci");

    expect(binding).toMatchObject({ bdf: DEVICE, former: "e1000e" });
    expect(machine).toMatchObject({ driver: "vfio-pci", override: "(null)" });
    expect(machine.log).toEqual([
      'driver_override "vfio-pci\\n"',
      `unbind "${DEVICE}"`,
      `drivers_probe "${DEVICE}"`,
      'driver_override "\\n"',
    ]);

    binding.restore();
    expect(machine).toMatchObject({ driver: "e1000e", override: "(null)" });
    expect(machine.openFds.size).toBe(0);
  });

  it("an override that somebody else has set is there again, too", () => {
    using machine = useMachine("e1000e", { override: "other_vfio_pci" });

    using binding = bindDriver(DEVICE, "vfio-pci");

    expect([binding.former, machine.driver, machine.override]).toEqual([
      "e1000e",
      "vfio-pci",
      "other_vfio_pci",
    ]);
  });

  it("giving it back twice does nothing the second time, and what took it meanwhile keeps it", async () => {
    for (const [restore, dispose] of [
      ["restore", Symbol.dispose],
      ["restoreAsync", Symbol.asyncDispose],
    ] as const) {
      using machine = useMachine("e1000e");
      const binding = await bindDriverAsync(DEVICE, "vfio-pci");
      await binding[restore]();
      bindDriver(DEVICE, "vfio-pci");

      await binding[restore]();
      await binding[dispose]();

      expect(machine.driver).toBe("vfio-pci");
    }
  });

  it("at the end of a block it is given back, off the event loop too", async () => {
    using machine = useMachine("e1000e");
    {
      using _binding = bindDriver(DEVICE, "vfio-pci");
      expect(machine.driver).toBe("vfio-pci");
    }
    expect(machine.driver).toBe("e1000e");
    {
      await using _binding = await bindDriverAsync(DEVICE, "vfio-pci");
      expect(machine.driver).toBe("vfio-pci");
    }
    expect(machine.driver).toBe("e1000e");
  });

  it("a device that has no driver is only given one, and no group is opened", () => {
    using machine = useMachine(undefined);

    bindDriver(DEVICE, "vfio-pci");

    expect(machine.log.map((entry) => entry.split(" ")[0])).toEqual([
      "driver_override",
      "drivers_probe",
      "driver_override",
    ]);
  });

  it("what bindDriver returned gives the device back where a driver's name is expected, as its name did once", () => {
    using machine = useMachine(undefined);

    bindDriver(DEVICE, bindDriver(DEVICE, "vfio-pci"));

    expect(machine).toMatchObject({ driver: undefined, override: "(null)" });
  });

  it("bound to the same driver, nothing is written; giving it back writes nothing either", () => {
    using machine = useMachine("vfio-pci");

    bindDriver(DEVICE, "vfio-pci").restore();

    expect(machine.log).toEqual([]);
  });

  it("bound to none, its override is not touched", () => {
    using machine = useMachine("e1000e", { override: "e1000e" });

    bindDriver(DEVICE, undefined);

    expect(machine).toMatchObject({ driver: undefined, override: "e1000e", log: [`unbind "${DEVICE}"`] });
  });
});

describe("given a change of drivers that goes wrong", () => {
  it("a driver that is not there: nothing was written, and the way to load it is named", () => {
    using machine = useMachine("e1000e");

    const error = errorOf(() => bindDriver(DEVICE, "absent"));

    expect(error).toMatchObject({ code: "ERR_VFIO_BIND_FAILED", hint: "Load it: modprobe absent" });
    expect(machine).toMatchObject({ driver: "e1000e", log: [] });
  });

  it("a driver that refuses it: the kernel's log may say why; driver and override are what they were", () => {
    using machine = useMachine("e1000e", { override: "e1000e" });

    const error = expectError(
      () => bindDriver(DEVICE, "refusing"),
      `ERR_VFIO_BIND_FAILED … ${DEVICE} went to no driver instead of refusing … \`dmesg\``,
    );
    expect(error.message).not.toContain("undoing");
    expect(machine).toMatchObject({ driver: "e1000e", override: "e1000e" });
  });

  it.each(["driver_override", "unbind", "drivers_probe"])(
    "%s cannot be written: the errno is told, driver and override are what they were, the group is closed",
    async (file) => {
      for (const how of [bindDriver, bindDriverAsync]) {
        using machine = useMachine("other_vfio_pci", { failing: new Map([[file, errnoOf("EIO")]]) });

        const error = await expectRejection(
          attempt(() => how(DEVICE, "vfio-pci")),
          "EIO",
          { syscall: "write" },
        );
        expect(error.message).not.toContain("undoing");
        expect(machine).toMatchObject({ driver: "other_vfio_pci", override: "(null)" });
        expect(machine.openFds.size).toBe(0);
      }
    },
  );

  it("something binds it again at once: that is said, and not that the driver refused it", () => {
    using _machine = useMachine("e1000e", { reboundAtOnce: true });

    expectError(() => bindDriver(DEVICE, undefined), `… ${DEVICE} went to e1000e instead of none`, {
      hint: "Another program bound it again at once",
    });
  });

  it("the override cannot be written: nothing else is, for the device is where it was", () => {
    using machine = useMachine("e1000e", { failing: new Map([["driver_override", errnoOf("EIO")]]) });

    errorOf(() => bindDriver(DEVICE, "vfio-pci"));

    expect(machine.log).toEqual(['driver_override "vfio-pci\\n"']);
  });

  it("and cannot be undone: both failures are told, the first one first", () => {
    using machine = useMachine("e1000e", { takers: new Set() });

    const error = errorOf(() => bindDriver(DEVICE, "vfio-pci"));

    expect(error.message).toMatch(/no driver instead of vfio-pci.*undoing.*no driver instead of e1000e/);
    expect(machine.override).toBe("(null)");
  });

  it.each([
    ["", "''"],
    ["..", "'..'"],
    ["../../../etc", "'../../../etc'"],
    ["vfio-pci\n", "'vfio-pci\\n'"],
    [7, "7"],
    [null, "null"],
  ])("%j is no driver's name", (name, shown) => {
    using machine = useMachine("e1000e");

    const error = expectError(() => bindDriver(DEVICE, name as string), "ERR_VFIO_ARGUMENT");
    expect(error.message).toBe(`the driver must be a driver's name, or undefined for none, not ${shown}`);
    expect(machine.log).toEqual([]);
  });
});

describe("given a device on vfio-pci, which the kernel takes from nobody who has it open", () => {
  it("nobody has: its group is opened before the driver loses it, closed right after, and not seen again", () => {
    using machine = useMachine("vfio-pci");

    bindDriver(DEVICE, "e1000e");

    expect(machine.log.map((entry) => entry.split(" ")[0])).toEqual([
      "open",
      "driver_override",
      "unbind",
      "close",
      "drivers_probe",
      "driver_override",
    ]);
    expect(machine.driver).toBe("e1000e");
  });

  const IN_USE = "ERR_VFIO_DEVICE_IN_USE … its IOMMU group 4 is open in";
  it.each<[string, Partial<BindingMachine>, string, object?]>([
    [
      "this process has",
      { opening: [BUSY], fdLinks: { ...HELD_HERE, ...HELD_ELSEWHERE } },
      `${IN_USE} this process … Close the device and its group first`,
    ],
    [
      "another has: it is named, also if it has ended by the time its name is looked up",
      { opening: [BUSY], fdLinks: { ...HELD_ELSEWHERE, "/proc/78/fd/3": NODE } },
      `${IN_USE} pid 77 (node), pid 78. … bindDriverAsync`,
    ],
    [
      "somebody has only a device's fd: a process with one whose group it has closed is meant",
      {
        opening: [BUSY],
        fdLinks: {
          "/proc/77/fd/3": DEVICE_FD,
          "/proc/self/fd/4": DEVICE_FD,
          "/proc/self/fd/5": "/dev/vfio/12",
        },
      },
      `${IN_USE} pid 77 (node).`,
    ],
    [
      "somebody has whom /proc does not show: the kernel's answer counts",
      { opening: [BUSY] },
      `${IN_USE} a process that cannot be seen from here`,
    ],
    [
      "it cannot be seen whether somebody has",
      { opening: [errnoOf("EMFILE")] },
      `EMFILE … (${NODE})`,
      { syscall: "open", path: NODE },
    ],
  ])("%s: it is refused, and nothing was written", (_who, given, expected, members) => {
    using machine = useMachine("vfio-pci", given);

    expectError(() => bindDriver(DEVICE, undefined), expected, members);
    expect(machine).toMatchObject({ driver: "vfio-pci", log: [] });
  });

  it("its node is not here, as in a container: /proc is asked instead", () => {
    const absent = errnoOf("ENOENT");
    using machine = useMachine("vfio-pci", {
      opening: [absent, absent, absent, absent],
      fdLinks: HELD_ELSEWHERE,
    });
    expectError(() => bindDriver(DEVICE, undefined), "ERR_VFIO_DEVICE_IN_USE");

    delete machine.fdLinks["/proc/77/fd/3"];
    bindDriver(DEVICE, undefined);

    expect(machine.driver).toBeUndefined();
  });

  it("its group's fd may be 0: it is closed again", () => {
    using machine = useMachine("vfio-pci", { opening: [0] });

    bindDriver(DEVICE, undefined);

    expect([machine.driver, machine.openFds.size]).toEqual([undefined, 0]);
  });

  it("it is in no group: no node is looked for, and who has its own node open counts", () => {
    const ownNode = `/sys/bus/pci/devices/${DEVICE}/vfio-dev/vfio0`;
    const fdLinks = { [ownNode]: "", "/proc/77/fd/3": "/dev/vfio/devices/vfio0" };
    using machine = useMachine("vfio-pci", { isInGroup: false, fdLinks });
    expectError(() => bindDriver(DEVICE, undefined), "… its IOMMU group (none) is open in pid 77 (node)");

    delete machine.fdLinks["/proc/77/fd/3"];
    bindDriver(DEVICE, undefined);

    expect([machine.driver, machine.log]).toEqual([undefined, [`unbind "${DEVICE}"`]]);
  });
});

describe("given a neighbour of a device that is open", () => {
  it("it goes to VFIO, but not to a driver that does DMA", () => {
    using machine = useMachine(undefined, { opening: [BUSY], fdLinks: HELD_ELSEWHERE });

    expectError(() => bindDriver(DEVICE, "e1000e"), "ERR_VFIO_DEVICE_IN_USE");
    bindDriver(DEVICE, "vfio-pci");

    expect(machine.driver).toBe("vfio-pci");
  });

  it("and to one that leaves DMA to userspace", () => {
    using machine = useMachine(undefined, { takers: new Set(["pci-stub"]), opening: [BUSY] });

    bindDriver(DEVICE, "pci-stub");

    expect([machine.driver, machine.opening]).toEqual(["pci-stub", [BUSY]]);
  });
});

describe("given bindDriverAsync", () => {
  it("it does the same as bindDriver, in the same order, and gives back off the event loop, too", async () => {
    const machine = bindingMachine("vfio-pci");
    const sync = bindingMachine("vfio-pci");
    {
      using _ = useKernel(bindingKernel(sync));
      bindDriver(DEVICE, "e1000e").restore();
    }
    using _ = useKernel(bindingKernel(machine));

    const binding = await bindDriverAsync(DEVICE, "e1000e");
    await Promise.all([binding.restoreAsync(), binding.restoreAsync()]);
    await binding[Symbol.asyncDispose]();
    binding.restore();

    expect(machine).toEqual(sync);
  });

  it("waits until the other process has closed its group", async () => {
    using machine = useMachine("vfio-pci", { opening: [BUSY, BUSY], fdLinks: HELD_ELSEWHERE });

    const binding = await bindDriverAsync(DEVICE, undefined, { timeoutMs: 60_000 });

    expect([binding.former, machine.driver, machine.opening]).toEqual(["vfio-pci", undefined, []]);
  });

  it("waits, and finds that somebody else has made the same change: nothing is written", async () => {
    using machine = useMachine("vfio-pci", { opening: [BUSY] });

    const binding = bindDriverAsync(DEVICE, "e1000e", { timeoutMs: 60_000 });
    machine.driver = "e1000e";

    expect((await binding).former).toBe("e1000e");
    expect(machine.log).toEqual(["open", "close"]);
  });

  it("leaves no listener on the signal that could have ended its wait", async () => {
    using _machine = useMachine("vfio-pci", { opening: [BUSY, BUSY] });
    const { signal } = new AbortController();

    await bindDriverAsync(DEVICE, undefined, { timeoutMs: 60_000, signal });

    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it.each([undefined, {}, { timeoutMs: 0 }])(
    "with %j it looks once: who has it is the error",
    async (options) => {
      using machine = useMachine("vfio-pci", { opening: [BUSY, BUSY], fdLinks: HELD_ELSEWHERE });

      await expectRejection(
        bindDriverAsync(DEVICE, undefined, options),
        "ERR_VFIO_DEVICE_IN_USE … pid 77 (node)",
      );
      expect(machine).toMatchObject({ opening: [BUSY], log: [] });
    },
  );

  it("who still has it when the time is over is the error", async () => {
    using machine = useMachine("vfio-pci", { opening: ALWAYS_BUSY, fdLinks: HELD_ELSEWHERE });

    const waiting = bindDriverAsync(DEVICE, undefined, { timeoutMs: 20 });
    await expectRejection(waiting, "ERR_VFIO_DEVICE_IN_USE … pid 77 (node)");
    expect(machine.log).toEqual([]);
  });

  it("waits for no time if this process has it", async () => {
    using machine = useMachine("vfio-pci", { opening: [BUSY], fdLinks: HELD_HERE });

    await expectRejection(
      bindDriverAsync(DEVICE, undefined, { timeoutMs: 60_000 }),
      "ERR_VFIO_DEVICE_IN_USE",
    );
    expect(machine.opening).toEqual([]);
  });

  it("a signal ends the wait with its reason; nothing was written", async () => {
    using machine = useMachine("vfio-pci", { opening: ALWAYS_BUSY });
    const aborter = new AbortController();

    const waiting = rejectionOf(
      bindDriverAsync(DEVICE, undefined, { timeoutMs: 60_000, signal: aborter.signal }),
    );
    aborter.abort(new Error("enough"));

    expect((await waiting).message).toBe("enough");
    expect(machine).toMatchObject({ driver: "vfio-pci", log: [] });
  });

  it("a signal that is aborted before: nothing is done", async () => {
    using machine = useMachine("e1000e");

    const signal = AbortSignal.abort(new Error("enough"));
    const error = await rejectionOf(bindDriverAsync(DEVICE, "vfio-pci", { signal }));

    expect([error.message, machine.log]).toEqual(["enough", []]);
  });

  it("what could not be given back can be given back later", async () => {
    using machine = useMachine("e1000e");
    const binding = await bindDriverAsync(DEVICE, "vfio-pci");
    machine.opening.push(BUSY, BUSY);
    await expectRejection(binding.restoreAsync(), "ERR_VFIO_DEVICE_IN_USE");
    expectError(() => binding.restore(), "ERR_VFIO_DEVICE_IN_USE");

    await binding.restoreAsync();

    expect(machine.driver).toBe("e1000e");
  });

  it.each([7, { timeoutMs: -1 }, { timeoutMs: "1" }])("options of %j are refused", async (options) => {
    using _machine = useMachine("e1000e");

    await expectRejection(bindDriverAsync(DEVICE, "vfio-pci", options as object), "", {
      code: expect.stringMatching(/^ERR_VFIO_(WAIT_)?ARGUMENT$/) as string,
    });
  });
});
