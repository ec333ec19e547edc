import { useKernel } from "@vfio/ioctl-native";
import { expectError } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PciDevice } from "../src/index.js";
import { FakeDevice } from "./fake-device.js";

const BUS_MASTER = 1 << 2;
const isMaster = ({ command }: FakeDevice): boolean => (command & BUS_MASTER) !== 0;

let fake: FakeDevice;
let undo: Disposable;
beforeEach(() => {
  fake = new FakeDevice();
  undo = useKernel(fake.kernel);
});
afterEach(() => undo[Symbol.dispose]());

describe("given a PciDevice that switched bus mastering on", () => {
  it.each([
    ["pci.busMaster", (pci: PciDevice) => (pci.busMaster = true)],
    ["the command register", (pci: PciDevice) => pci.config.command.set("busMaster", true)],
    ["the config space", (pci: PciDevice) => pci.config.write16(0x04, 0x06)],
  ])("by %s: when it is closed, then it is off before interrupts and BARs go", (_, switchOn) => {
    const pci = new PciDevice(fake.device);
    const bar = pci.bar(0).map();
    const interrupts = pci.setUpInterrupts();
    switchOn(pci);
    const steps: string[] = [];
    bar.onClose(() => steps.push(`BAR, master ${isMaster(fake)}`));
    interrupts.onClose(() => steps.push(`interrupts, master ${isMaster(fake)}`));

    pci.close();

    expect(steps).toEqual(["interrupts, master false", "BAR, master false"]);
    expect(fake.command).toBe(0x02);
  });

  it("when another one of the device is closed, then it stays on", () => {
    using first = new PciDevice(fake.device);
    const second = new PciDevice(fake.device);
    first.busMaster = true;
    second.busMaster = true;

    second.close();

    expect(first.busMaster).toBe(true);
  });

  it("when it was off and on again by another one, then that one switches it off", () => {
    const first = new PciDevice(fake.device);
    const second = new PciDevice(fake.device);
    first.busMaster = true;
    second.busMaster = false;
    second.busMaster = true;

    first.close();
    expect(isMaster(fake)).toBe(true);
    second.close();
    expect(isMaster(fake)).toBe(false);
  });

  it("when the device is gone, then closing touches nothing of it", () => {
    const pci = new PciDevice(fake.device);
    pci.busMaster = true;
    fake.gone = true;

    pci.close();

    expect(isMaster(fake)).toBe(true);
  });

  it("when the device does not let go, then that is told, and the rest is closed all the same", () => {
    const pci = new PciDevice(fake.device);
    const bar = pci.bar(0).map();
    pci.busMaster = true;
    fake.onCommand = () => (fake.command |= BUS_MASTER);

    expectError(() => pci.close(), "ERR_VFIO_COMMAND_REGISTER");

    expectError(() => bar.readBlock(0, new Uint32Array(1)), "ERR_VFIO_CLOSED");
    expect(fake.held.reasons.size).toBe(0);
    pci.close();
  });
});

describe("given a device whose bus mastering was on before", () => {
  it("when a PciDevice of it is closed, then it stays on: somebody else relies on it", () => {
    fake.command |= BUS_MASTER;
    new PciDevice(fake.device).close();
    expect(isMaster(fake)).toBe(true);
  });
});
