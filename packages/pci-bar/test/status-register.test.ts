import { useKernel, vfioConstants, vfioStructs, type Kernel } from "@vfio/ioctl-native";
import { expectError } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConfigSpace } from "../src/index.js";

describe("given a device whose status register keeps what it has", () => {
  const registers = new Map<number, number>();
  const written: [offset: number, value: number][] = [];
  let drops = true;
  let undo: Disposable;
  beforeEach(() => {
    registers.clear();
    written.length = 0;
    registers.set(0x06, 0xa010);
    undo = useKernel(kernelOf());
  });
  afterEach(() => undo[Symbol.dispose]());

  function kernelOf(): Kernel {
    const fake: Partial<Kernel> = {
      ioctl: (_fd, _request, argument) => {
        const flags = vfioConstants.VFIO_REGION_INFO_FLAG_READ | vfioConstants.VFIO_REGION_INFO_FLAG_WRITE;
        vfioStructs.vfio_region_info.write(argument as Uint8Array, { flags, size: 256n, offset: 0n });
        return 0;
      },
      pread: (_fd, bytes, offset) => {
        new DataView(bytes.buffer).setUint16(0, registers.get(offset) ?? 0, true);
        return bytes.length;
      },
      pwrite: (_fd, bytes, offset) => {
        const value = new DataView(bytes.buffer).getUint16(0, true);
        written.push([offset, value]);
        if (!drops) registers.set(offset, (registers.get(offset) ?? 0) & ~value);
        return bytes.length;
      },
    };
    return fake as Kernel;
  }

  it("clearing writes 1 to those bits alone", () => {
    drops = false;
    const { status } = new ConfigSpace({ fd: 3, bdf: "0000:00:10.0" });

    status.clear("detectedParityError");

    expect(written).toEqual([[0x06, 0x8000]]);
    expect(status.read()).toMatchObject({ detectedParityError: false, receivedMasterAbort: true });
  });

  it("a bit that is still set is an error that names the device and the bit", () => {
    drops = true;
    const { status } = new ConfigSpace({ fd: 3, bdf: "0000:00:10.0" });

    expectError(
      () => status.clear("detectedParityError", "signaledTargetAbort"),
      "ERR_VFIO_STATUS_REGISTER … 0000:00:10.0 did not clear detectedParityError in its status register … a reset of the device clears it",
    );
  });
});
