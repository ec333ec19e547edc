import { useKernel } from "@vfio/ioctl-native";
import { errorOf, expectError, rejectionOf } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PciDevice, type DeviceRole } from "../src/index.js";
import { FakeDevice } from "./fake-device.js";

const POWER_CONTROL = 0x44;
const DEVICE_CONTROL = 0x58;
const AF_CONTROL = 0x94;

let fake: FakeDevice;
let undo: Disposable;
beforeEach(() => {
  fake = new FakeDevice();
  fake.addCapabilities();
  undo = useKernel(fake.kernel);
});
afterEach(() => undo[Symbol.dispose]());

describe("given a secondary's PciDevice", () => {
  it.each([
    ["busMaster is set", "write the command register", (pci: PciDevice) => void (pci.busMaster = true)],
    ["memorySpace is set", "write the command register", (pci: PciDevice) => void (pci.memorySpace = true)],
    ["ioSpace is set", "write the command register", (pci: PciDevice) => void (pci.ioSpace = true)],
    ["16 bits go there", "write the command register", (pci: PciDevice) => pci.config.write16(0x04, 6)],
    [
      "8 bits go to its upper half",
      "write the command register",
      (pci: PciDevice) => pci.config.write8(5, 4),
    ],
    [
      "a bit is set",
      "write the command register",
      (pci: PciDevice) => pci.config.command.set("busMaster", true),
    ],
    ["it is brought to D0", "change the power state", (pci: PciDevice) => pci.bringToD0()],
    ["interrupts are set up", "set up interrupts", (pci: PciDevice) => void pci.setUpInterrupts()],
    [
      "errors are listened to",
      "listen to the error interrupt",
      (pci: PciDevice) => void pci.onDeviceError(() => 0),
    ],
    [
      "removal is listened to",
      "listen to the removal request interrupt",
      (pci: PciDevice) => void pci.onRemovalRequested(() => 0),
    ],
    ["it is reset", "do a reset", (pci: PciDevice) => pci.reset()],
    ["it is reset off the event loop", "do a reset", (pci: PciDevice) => pci.resetAsync()],
    ["its bus is reset", "do a reset", (pci: PciDevice) => pci.hotReset([])],
    ["its bus is reset off the event loop", "do a reset", (pci: PciDevice) => pci.hotResetAsync([])],
    [
      "1 goes to bit 15 of PCI Express's control",
      "do a reset",
      (pci: PciDevice) => pci.config.write16(DEVICE_CONTROL, 0xffff),
    ],
    [
      "1 goes there with 8 bits",
      "do a reset",
      (pci: PciDevice) => pci.config.write8(DEVICE_CONTROL + 1, 0x80),
    ],
    [
      "1 goes there with 32 bits",
      "do a reset",
      (pci: PciDevice) => pci.config.write32(DEVICE_CONTROL, 0xf_8000),
    ],
    [
      "1 goes to bit 0 of the advanced features' control",
      "do a reset",
      (pci: PciDevice) => pci.config.write8(AF_CONTROL, 1),
    ],
    ["1 goes to that with 16 bits", "do a reset", (pci: PciDevice) => pci.config.write16(AF_CONTROL, 0x101)],
  ])("when %s, then it cannot %s, and the device is as before", async (_, what, steer) => {
    using pci = new PciDevice(fake.device, { role: "secondary" });

    const error = await rejectionOf((async () => steer(pci))());

    expect(error.code).toBe("ERR_VFIO_SECONDARY");
    expect(error.message).toContain(`a secondary cannot ${what} of 0000:00:10.0`);
    expect({ calls: fake.calls, written: fake.written }).toEqual({ calls: [], written: [] });
  });

  it.each([
    [0, 1],
    [0, 2],
    [0, 3],
    [1, 0],
    [2, 3],
    [3, 0],
  ])("and a device in state D%i, when it writes D%i with any width, then the state stays", (from, to) => {
    fake.power = from;
    using pci = new PciDevice(fake.device, { role: "secondary" });
    const { config } = pci;

    for (const write of [
      () => config.write8(POWER_CONTROL, to),
      () => config.write16(POWER_CONTROL, 0x0100 | to),
      () => config.write32(POWER_CONTROL, to),
    ])
      expectError(write, "ERR_VFIO_SECONDARY … a secondary cannot change the power state of 0000:00:10.0");
    expect(fake.written).toEqual([]);
  });

  it("when it writes these registers and changes no state and resets nothing, then the device gets the writes", () => {
    fake.power = 2;
    using pci = new PciDevice(fake.device, { role: "secondary" });

    pci.config.write16(POWER_CONTROL, 0x8002);
    pci.config.write8(POWER_CONTROL + 1, 0x03);
    pci.config.write8(DEVICE_CONTROL, 0x80);
    pci.config.write16(DEVICE_CONTROL, 0x7fff);
    pci.config.write8(AF_CONTROL, 0xfe);

    expect(fake.written).toEqual([
      POWER_CONTROL,
      POWER_CONTROL + 1,
      DEVICE_CONTROL,
      DEVICE_CONTROL,
      AF_CONTROL,
    ]);
  });

  it("when it maps a BAR, writes elsewhere in the config space and is closed, then the primary's bus mastering stays on", () => {
    using primary = new PciDevice(fake.device);
    using pci = new PciDevice(fake.device, { role: "secondary" });
    primary.busMaster = true;

    expect(pci.bar(0).map().bytes).toBe(0x1000);
    pci.config.write8(0x3c, 1);
    pci.close();

    expect(primary.busMaster).toBe(true);
  });
});

it("given a role that is none, when a PciDevice is made, then it names the two", () => {
  const error = errorOf(() => new PciDevice(fake.device, { role: "tertiary" as DeviceRole }));

  expect(error.code).toBe("ERR_VFIO_ARGUMENT");
  expect(error.message).toBe("role must be primary or secondary, not 'tertiary'");
});
