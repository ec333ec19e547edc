import { errnoOf, useKernel } from "@vfio/ioctl-native";
import { errorOf, rejectionOf } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { bindDriver, bindDriverAsync } from "../src/index.js";
import { bindingKernel, bindingMachine, DEVICE } from "./binding-kernel.js";

const NODE = "/dev/vfio/4";
const BUSY = errnoOf("EBUSY");
const HELD_ELSEWHERE = { "/proc/77/fd/3": NODE };
const HELD_HERE = { "/proc/self/fd/9": NODE };

describe("given a device on its kernel driver", () => {
  it("it goes to vfio-pci and back again, and each time its override is what it was", () => {
    const machine = bindingMachine("e1000e");
    using _ = useKernel(bindingKernel(machine));

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
    const machine = bindingMachine("e1000e", "other_vfio_pci");
    using _ = useKernel(bindingKernel(machine));

    using binding = bindDriver(DEVICE, "vfio-pci");

    expect([binding.former, machine.driver, machine.override]).toEqual([
      "e1000e",
      "vfio-pci",
      "other_vfio_pci",
    ]);
  });

  it("giving it back twice does nothing the second time, and what took it meanwhile keeps it", () => {
    const machine = bindingMachine("e1000e");
    using _ = useKernel(bindingKernel(machine));
    const binding = bindDriver(DEVICE, "vfio-pci");
    binding.restore();
    bindDriver(DEVICE, "vfio-pci");

    binding.restore();
    binding[Symbol.dispose]();

    expect(machine.driver).toBe("vfio-pci");
  });

  it("what bindDriver returned gives the device back where a driver's name is expected, as its name did once", () => {
    const machine = bindingMachine(undefined);
    using _ = useKernel(bindingKernel(machine));

    bindDriver(DEVICE, bindDriver(DEVICE, "vfio-pci"));

    expect(machine).toMatchObject({ driver: undefined, override: "(null)" });
  });

  it("bound to the same driver, nothing is written; giving it back writes nothing either", () => {
    const machine = bindingMachine("vfio-pci");
    using _ = useKernel(bindingKernel(machine));

    bindDriver(DEVICE, "vfio-pci").restore();

    expect(machine.log).toEqual([]);
  });

  it("bound to none, its override is not touched", () => {
    const machine = bindingMachine("e1000e", "e1000e");
    using _ = useKernel(bindingKernel(machine));

    bindDriver(DEVICE, undefined);

    expect(machine).toMatchObject({ driver: undefined, override: "e1000e", log: [`unbind "${DEVICE}"`] });
  });
});

describe("given a change of drivers that goes wrong", () => {
  it("a driver that is not there: nothing was written, and the way to load it is named", () => {
    const machine = bindingMachine("e1000e");
    using _ = useKernel(bindingKernel(machine));

    const error = errorOf(() => bindDriver(DEVICE, "absent"));

    expect(error).toMatchObject({ code: "ERR_VFIO_BIND_FAILED", hint: "Load it: modprobe absent" });
    expect(machine).toMatchObject({ driver: "e1000e", log: [] });
  });

  it("a driver that refuses it: driver and override are what they were", () => {
    const machine = bindingMachine("e1000e", "e1000e");
    using _ = useKernel(bindingKernel(machine));

    const error = errorOf(() => bindDriver(DEVICE, "refusing"));

    expect(error).toMatchObject({ code: "ERR_VFIO_BIND_FAILED" });
    expect(error.message).toContain(`${DEVICE} went to no driver instead of refusing`);
    expect(error.message).not.toContain("undoing");
    expect(machine).toMatchObject({ driver: "e1000e", override: "e1000e" });
  });

  it.each(["driver_override", "unbind", "drivers_probe"])(
    "%s cannot be written: the errno is told, driver and override are what they were, the group is closed",
    (file) => {
      const machine = bindingMachine("other_vfio_pci");
      machine.failing.set(file, errnoOf("EIO"));
      using _ = useKernel(bindingKernel(machine));

      const error = errorOf(() => bindDriver(DEVICE, "vfio-pci"));

      expect(error).toMatchObject({ code: "EIO", syscall: "write" });
      expect(error.message).not.toContain("undoing");
      expect(machine).toMatchObject({ driver: "other_vfio_pci", override: "(null)" });
      expect(machine.openFds.size).toBe(0);
    },
  );

  it("and cannot be undone: both failures are told, the first one first", () => {
    const machine = bindingMachine("e1000e");
    machine.takers.clear();
    using _ = useKernel(bindingKernel(machine));

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
    const machine = bindingMachine("e1000e");
    using _ = useKernel(bindingKernel(machine));

    const error = errorOf(() => bindDriver(DEVICE, name as string));

    expect(error).toMatchObject({ code: "ERR_VFIO_ARGUMENT" });
    expect(error.message).toBe(`the driver must be a driver's name, or undefined for none, not ${shown}`);
    expect(machine.log).toEqual([]);
  });
});

describe("given a device on vfio-pci, which the kernel takes from nobody who has it open", () => {
  it("nobody has: its group is opened before the driver loses it, closed right after, and not seen again", () => {
    const machine = bindingMachine("vfio-pci");
    using _ = useKernel(bindingKernel(machine));

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

  it("this process has: it is refused, and nothing was written", () => {
    const machine = bindingMachine("vfio-pci");
    machine.opening.push(BUSY);
    Object.assign(machine.fdLinks, HELD_HERE, HELD_ELSEWHERE);
    using _ = useKernel(bindingKernel(machine));

    const error = errorOf(() => bindDriver(DEVICE, undefined));

    expect(error).toMatchObject({ code: "ERR_VFIO_DEVICE_IN_USE" });
    expect(error.message).toContain(`${DEVICE}: its IOMMU group 4 is open in this process`);
    expect(error.hint).toContain("Close the device and its group first");
    expect(machine).toMatchObject({ driver: "vfio-pci", log: [] });
  });

  it("another has: it is named, also if it has ended by the time its name is looked up", () => {
    const machine = bindingMachine("vfio-pci");
    machine.opening.push(BUSY);
    Object.assign(machine.fdLinks, HELD_ELSEWHERE, { "/proc/78/fd/3": NODE });
    using _ = useKernel(bindingKernel(machine));

    const error = errorOf(() => bindDriver(DEVICE, undefined));

    expect(error.message).toContain("is open in pid 77 (node), pid 78.");
    expect(error.hint).toContain("bindDriverAsync");
  });

  it("somebody has only a device's fd: a process with one whose group it has closed is meant", () => {
    const machine = bindingMachine("vfio-pci");
    machine.opening.push(BUSY);
    const device = "anon_inode:[vfio-device]";
    Object.assign(machine.fdLinks, {
      "/proc/77/fd/3": device,
      "/proc/self/fd/4": device,
      "/proc/self/fd/5": "/dev/vfio/12",
    });
    using _ = useKernel(bindingKernel(machine));

    expect(errorOf(() => bindDriver(DEVICE, undefined)).message).toContain("is open in pid 77 (node).");
  });

  it("somebody has whom /proc does not show: the kernel's answer counts", () => {
    const machine = bindingMachine("vfio-pci");
    machine.opening.push(BUSY);
    using _ = useKernel(bindingKernel(machine));

    const error = errorOf(() => bindDriver(DEVICE, undefined));

    expect(error).toMatchObject({ code: "ERR_VFIO_DEVICE_IN_USE" });
    expect(error.message).toContain("in a process that cannot be seen from here");
  });

  it("its node is not here, as in a container: /proc is asked instead", () => {
    const machine = bindingMachine("vfio-pci");
    const absent = errnoOf("ENOENT");
    machine.opening.push(absent, absent, absent, absent);
    Object.assign(machine.fdLinks, HELD_ELSEWHERE);
    using _ = useKernel(bindingKernel(machine));
    expect(errorOf(() => bindDriver(DEVICE, undefined))).toMatchObject({ code: "ERR_VFIO_DEVICE_IN_USE" });

    delete machine.fdLinks["/proc/77/fd/3"];
    bindDriver(DEVICE, undefined);

    expect(machine.driver).toBeUndefined();
  });

  it("it cannot be seen whether somebody has: that is the error, and nothing was written", () => {
    const machine = bindingMachine("vfio-pci");
    machine.opening.push(errnoOf("EMFILE"));
    using _ = useKernel(bindingKernel(machine));

    const error = errorOf(() => bindDriver(DEVICE, undefined));

    expect(error).toMatchObject({ code: "EMFILE", syscall: "open", path: NODE });
    expect(machine).toMatchObject({ driver: "vfio-pci", log: [] });
  });
});

describe("given a neighbour of a device that is open", () => {
  it("it goes to VFIO, but not to a driver that does DMA", () => {
    const machine = bindingMachine(undefined);
    machine.opening.push(BUSY);
    Object.assign(machine.fdLinks, HELD_ELSEWHERE);
    using _ = useKernel(bindingKernel(machine));

    expect(errorOf(() => bindDriver(DEVICE, "e1000e"))).toMatchObject({ code: "ERR_VFIO_DEVICE_IN_USE" });
    bindDriver(DEVICE, "vfio-pci");

    expect(machine.driver).toBe("vfio-pci");
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
    const machine = bindingMachine("vfio-pci");
    machine.opening.push(BUSY, BUSY);
    Object.assign(machine.fdLinks, HELD_ELSEWHERE);
    using _ = useKernel(bindingKernel(machine));

    const binding = await bindDriverAsync(DEVICE, undefined, { timeoutMs: 60_000 });

    expect([binding.former, machine.driver, machine.opening]).toEqual(["vfio-pci", undefined, []]);
  });

  it.each([undefined, {}, { timeoutMs: 0 }, { timeoutMs: 20 }])(
    "with %j, who still has it is the error in the end",
    async (options) => {
      const machine = bindingMachine("vfio-pci");
      machine.opening.push(...Array.from({ length: 1000 }, () => BUSY));
      Object.assign(machine.fdLinks, HELD_ELSEWHERE);
      using _ = useKernel(bindingKernel(machine));

      const error = await rejectionOf(bindDriverAsync(DEVICE, undefined, options));

      expect(error).toMatchObject({ code: "ERR_VFIO_DEVICE_IN_USE" });
      expect(error.message).toContain("pid 77 (node)");
      expect(machine.log).toEqual([]);
    },
  );

  it("waits for no time if this process has it", async () => {
    const machine = bindingMachine("vfio-pci");
    machine.opening.push(BUSY);
    Object.assign(machine.fdLinks, HELD_HERE);
    using _ = useKernel(bindingKernel(machine));

    const error = await rejectionOf(bindDriverAsync(DEVICE, undefined, { timeoutMs: 60_000 }));

    expect(error).toMatchObject({ code: "ERR_VFIO_DEVICE_IN_USE" });
    expect(machine.opening).toEqual([]);
  });

  it("a signal ends the wait with its reason; nothing was written", async () => {
    const machine = bindingMachine("vfio-pci");
    machine.opening.push(...Array.from({ length: 1000 }, () => BUSY));
    using _ = useKernel(bindingKernel(machine));
    const aborter = new AbortController();

    const waiting = rejectionOf(
      bindDriverAsync(DEVICE, undefined, { timeoutMs: 60_000, signal: aborter.signal }),
    );
    aborter.abort(new Error("enough"));

    expect((await waiting).message).toBe("enough");
    expect(machine).toMatchObject({ driver: "vfio-pci", log: [] });
  });

  it("a signal that is aborted before: nothing is done", async () => {
    const machine = bindingMachine("e1000e");
    using _ = useKernel(bindingKernel(machine));

    const signal = AbortSignal.abort(new Error("enough"));
    const error = await rejectionOf(bindDriverAsync(DEVICE, "vfio-pci", { signal }));

    expect([error.message, machine.log]).toEqual(["enough", []]);
  });

  it.each(["unbind", "drivers_probe"])("%s cannot be written: all is as it was", async (file) => {
    const machine = bindingMachine("other_vfio_pci");
    machine.failing.set(file, errnoOf("EIO"));
    using _ = useKernel(bindingKernel(machine));

    expect(await rejectionOf(bindDriverAsync(DEVICE, "vfio-pci"))).toMatchObject({ code: "EIO" });

    expect(machine).toMatchObject({ driver: "other_vfio_pci", override: "(null)" });
    expect(machine.openFds.size).toBe(0);
  });

  it("what could not be given back can be given back later", async () => {
    const machine = bindingMachine("e1000e");
    using _ = useKernel(bindingKernel(machine));
    const binding = await bindDriverAsync(DEVICE, "vfio-pci");
    machine.opening.push(BUSY, BUSY);
    expect(await rejectionOf(binding.restoreAsync())).toMatchObject({ code: "ERR_VFIO_DEVICE_IN_USE" });
    expect(errorOf(() => binding.restore())).toMatchObject({ code: "ERR_VFIO_DEVICE_IN_USE" });

    await binding.restoreAsync();

    expect(machine.driver).toBe("e1000e");
  });

  it.each([7, { timeoutMs: -1 }, { timeoutMs: "1" }])("options of %j are refused", async (options) => {
    using _ = useKernel(bindingKernel(bindingMachine("e1000e")));

    const error = await rejectionOf(bindDriverAsync(DEVICE, "vfio-pci", options as object));

    expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_VFIO_(WAIT_)?ARGUMENT$/) as string });
  });
});
