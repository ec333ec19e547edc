import { useKernel } from "@vfio/ioctl-native";
import { errorOf, rejectionOf } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PciDevice, type DeviceRole } from "../src/index.js";
import { FakeDevice } from "./fake-device.js";

const POWER_CONTROL = 0x44;
const D3HOT = 3;

let fake: FakeDevice;
let undo: Disposable;
beforeEach(() => {
  fake = new FakeDevice();
  fake.addPowerManagement();
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
    [
      "it is put to sleep",
      "change the power state",
      (pci: PciDevice) => pci.config.write16(POWER_CONTROL, D3HOT),
    ],
    ["it is woken up", "change the power state", (pci: PciDevice) => pci.bringToD0()],
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
  ])("when %s, then it cannot %s, and the device is as before", async (_, what, steer) => {
    using pci = new PciDevice(fake.device, { role: "secondary" });

    const error = await rejectionOf((async () => steer(pci))());

    expect(error.code).toBe("ERR_VFIO_SECONDARY");
    expect(error.message).toContain(`a secondary cannot ${what} of 0000:00:10.0`);
    expect({ calls: fake.calls, command: fake.command, power: fake.power }).toEqual({
      calls: [],
      command: 2,
      power: 0,
    });
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
