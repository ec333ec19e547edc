import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { kernel } from "@vfio/ioctl-native";
import { errorOf, finished, leavesNothingBehind, expectError, expectRejection } from "@vfio/test-support";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  bindDriver,
  bindDriverAsync,
  Container,
  describePciDevice,
  Group,
  iommuGroupOf,
  listPciDevices,
} from "../../src/index.js";

const DEVICE = "0000:00:15.0";
const NEIGHBOUR = "0000:01:02.0";
const SLOT = "0000:02:00.0";
const OTHER_DRIVER = "uio_pci_generic";

const overrideOf = (bdf: string): string =>
  readFileSync(`/sys/bus/pci/devices/${bdf}/driver_override`, "utf8").trim();

beforeAll(() => {
  expect(finished("modprobe", [OTHER_DRIVER])).toMatchObject({ status: 0 });
});

leavesNothingBehind();
afterEach(() => {
  expect(describePciDevice(DEVICE).driver).toBe("vfio-pci");
});

describe("given a device that this process has open", () => {
  it.each([undefined, OTHER_DRIVER])(
    "it does not go to %s, since the kernel would wait for this process",
    (driver) => {
      using container = Container.open();
      using group = container.addGroup(iommuGroupOf(DEVICE));
      using _device = group.openDevice(DEVICE);

      expectError(() => bindDriver(DEVICE, driver), "ERR_VFIO_DEVICE_IN_USE … in this process");
    },
  );

  it("by an fd alone, whose group it has closed: it is refused, too", () => {
    const container = Container.open();
    const group = container.addGroup(iommuGroupOf(DEVICE));
    const device = group.openDevice(DEVICE);
    const copy = kernel().dup(device.fd);
    for (const resource of [device, group, container]) resource.close();

    const error = errorOf(() => bindDriver(DEVICE, undefined));
    kernel().close(copy);

    expect(error).toMatchObject({ code: "ERR_VFIO_DEVICE_IN_USE" });
    bindDriver(DEVICE, undefined).restore();
  });

  it("asynchronously closed, it can be given away, and come back", async () => {
    {
      await using container = Container.open();
      await using group = container.addGroup(iommuGroupOf(DEVICE));
      await using _device = group.openDevice(DEVICE);
    }
    const override = overrideOf(DEVICE);

    const binding = await bindDriverAsync(DEVICE, OTHER_DRIVER);
    expect(describePciDevice(DEVICE).driver).toBe(OTHER_DRIVER);
    await binding.restoreAsync();

    expect(overrideOf(DEVICE)).toBe(override);
  });
});

describe("given a device that another process has open", () => {
  it("it is named at once, or after the wait; when it lets go, the device is given away; the event loop goes on", async () => {
    const number = iommuGroupOf(DEVICE);
    const holder = spawn("sh", ["-c", `exec 3<>/dev/vfio/${number}; echo open; exec sleep 100`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(holder.stdout, "data");
    const named = `pid ${holder.pid} (`;
    expectError(() => bindDriver(DEVICE, undefined), `… ${named}`);
    await expectRejection(bindDriverAsync(DEVICE, undefined, { timeoutMs: 100 }), `… ${named}`);

    let turns = 0;
    const waiting = bindDriverAsync(DEVICE, undefined, { timeoutMs: 60_000 });
    while (turns < 50) await setImmediate(turns++);
    holder.kill("SIGKILL");
    await once(holder, "close");
    await using binding = await waiting;

    expect([binding.former, describePciDevice(DEVICE).driver]).toEqual(["vfio-pci", undefined]);
  });
});

describe("given a neighbour without a driver and without an override", () => {
  it("it goes to vfio-pci and back, and leaves no override behind; nor does a driver that there is not", () => {
    expect([describePciDevice(NEIGHBOUR).driver, overrideOf(NEIGHBOUR)]).toEqual([undefined, "(null)"]);

    bindDriver(NEIGHBOUR, "vfio-pci").restore();
    errorOf(() => bindDriver(NEIGHBOUR, "no_such_driver"));
    // It is there, and does not take this device.
    expectError(() => bindDriver(NEIGHBOUR, "pcieport"), "ERR_VFIO_BIND_FAILED");
    expect([describePciDevice(NEIGHBOUR).driver, overrideOf(NEIGHBOUR)]).toEqual([undefined, "(null)"]);
  });
});

describe("given a group that is still open in another process, through the same container", () => {
  it("the next group joins the IOMMU that is driven already", async () => {
    using container = Container.open();
    const first = container.addGroup(iommuGroupOf(DEVICE));
    const holder = spawn("sh", ["-c", "echo open; exec sleep 100"], {
      stdio: ["ignore", "pipe", "inherit", first.fd],
    });
    await once(holder.stdout ?? holder, "data");
    first.close();
    expectError(() => Group.open(first.number), `… pid ${holder.pid} (`);

    {
      using _ = container.addGroup(iommuGroupOf("0000:00:11.0"));
      expect(container.iommuInfo().mappingsLeft).toBe(65535);
    }

    holder.kill("SIGKILL");
    await once(holder, "close");
  });
});

describe("given a device that comes and goes", () => {
  it("listing leaves it out while it is not there, and never fails", async () => {
    const folder = `/sys/bus/pci/devices/${SLOT}`;
    const loop = `for i in 1 2 3 4 5 6 7 8; do echo 1 > ${folder}/remove; echo 1 > /sys/bus/pci/rescan; done`;
    const plugger = spawn("sh", ["-c", loop], { stdio: "inherit" });
    const ended = once(plugger, "close");

    while (plugger.exitCode === null) {
      expect(listPciDevices().length).toBeGreaterThan(5);
      await setImmediate();
    }

    await ended;
    // It came back as a new device: without a driver, as far as its slot is concerned.
    expect(bindDriver(SLOT, "vfio-pci").former).toBeUndefined();
  });
});
