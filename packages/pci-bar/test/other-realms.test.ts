import vm from "node:vm";
import { vfioStructs } from "@vfio/ioctl-native";
import { expect, it } from "vitest";
import { ConfigPicture, decodeConfig, decodeRegionInfo } from "../src/index.js";

/** Bytes as tests in a vm context make them. */
const foreign = (bytes: Uint8Array): Uint8Array =>
  vm.runInNewContext(`Uint8Array.of(${bytes.join(", ")})`) as Uint8Array;

it("given a picture of a config space from another realm, it is decoded as any other", () => {
  const bytes = new Uint8Array(64);
  bytes.set([0x36, 0x1b, 0x10, 0x00]);

  const { header } = decodeConfig(new ConfigPicture(foreign(bytes)));

  expect([header.vendorId, header.deviceId]).toEqual([0x1b36, 0x0010]);
});

it("given the kernel's answer about a region as bytes of another realm, it is decoded as any other", () => {
  const struct = vfioStructs.vfio_region_info;
  const answer = struct.encode({ argsz: struct.bytes, index: 2, size: 0x1000n });

  expect(decodeRegionInfo(foreign(answer))).toMatchObject({ index: 2, bytes: 0x1000 });
});
