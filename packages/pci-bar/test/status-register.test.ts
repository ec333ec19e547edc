import { expectError } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MemoryDevice, REGION_SPACE } from "./memory-device.js";

const CONFIG = 7;
const STATUS = 0x06;
const BEFORE = Uint8Array.of(0x10, 0xa0);

describe("given a device whose status register keeps what it has", () => {
  const written: number[][] = [];
  let drops: boolean;
  let device: MemoryDevice;
  beforeEach(() => {
    written.length = 0;
    device = new MemoryDevice(
      {},
      { kernel: { pwrite: (_fd, bytes, place) => write(bytes, place % REGION_SPACE) } },
    );
    device.poke(CONFIG, STATUS, BEFORE);
  });
  afterEach(() => device[Symbol.dispose]());

  /** Ones clear bits, unless the device drops what is written. */
  function write(bytes: Uint8Array, offset: number): number {
    written.push([offset, ...bytes]);
    const left = BEFORE.map((byte, at) => byte & ~bytes[at]!);
    if (!drops) device.poke(CONFIG, STATUS, left);
    return bytes.length;
  }

  it("clearing writes 1 to those bits alone", () => {
    drops = false;
    const { status } = device.pci.config;

    status.clear("detectedParityError");

    expect(written).toEqual([[STATUS, 0x00, 0x80]]);
    expect(status.read()).toMatchObject({ detectedParityError: false, receivedMasterAbort: true });
  });

  it("a bit that is still set is an error that names the device and the bit", () => {
    drops = true;
    const { status } = device.pci.config;

    expectError(
      () => status.clear("detectedParityError", "signaledTargetAbort"),
      `ERR_VFIO_STATUS_REGISTER … 0000:00:1f.0 did not clear detectedParityError in its status register
        … a reset of the device clears it`,
    );
  });
});
