import { Struct } from "@vfio/ioctl-native";
import { isGroupNumber, protocolError } from "./protocol.js";

/** A device that a primary announces to its secondaries. */
export interface DeviceEntry {
  /** For example `0000:00:10.0`: 1 to 255 bytes. */
  readonly bdf: string;
  /** The IOMMU group's number, from 0. */
  readonly group: number;
  /** True while the primary has it open. */
  readonly open: boolean;
}

const header = new Struct("vfio_mp_device", 8, {
  group: [0, "s32"],
  flags: [4, "u32"],
});
const OPEN = 1;
const MAX_NAME_BYTES = 255;

export const MAX_DEVICE_BYTES = header.bytes + MAX_NAME_BYTES;

export function isDeviceName(bdf: string): boolean {
  return (
    typeof bdf === "string" && bdf !== "" && !bdf.includes("\0") && Buffer.byteLength(bdf) <= MAX_NAME_BYTES
  );
}

/** Group, flags (bit 0: open), and the address without a NUL. */
export function encodeDevice({ bdf, group, open }: DeviceEntry): Uint8Array {
  const name = new TextEncoder().encode(bdf);
  const packet = header.encode({ group, flags: open ? OPEN : 0 }, header.bytes + name.length);
  packet.set(name, header.bytes);
  return packet;
}

/** @throws VfioError `ERR_VFIO_PROTOCOL`. */
export function decodeDevice(packet: Uint8Array): DeviceEntry {
  if (packet.length <= header.bytes) throw protocolError(`a device in a packet of ${packet.length} bytes`);
  const { group, flags } = header.decode(packet);
  const bdf = new TextDecoder().decode(packet.subarray(header.bytes));
  if (!isGroupNumber(group) || !isDeviceName(bdf)) {
    throw protocolError(`${JSON.stringify(bdf)} in group ${group} is no device`);
  }
  return { bdf, group, open: (flags & OPEN) !== 0 };
}
