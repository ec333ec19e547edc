import type { SharedWebAssemblyMemory } from "@vfio/ioctl-native";
import { instantiate } from "./instantiate.js";
import code from "./packet-filter.wasm";

/** A filter of network packets that works where a device has written them. Addresses are those in a `LinearMemory`. */
export interface PacketFilter {
  /**
   * Judges what a device has written into a receive ring, as far as it has come: writes each frame's {@link VERDICT}
   * into the frame's descriptor, and clears the descriptor's status.
   * @param ring where descriptor 0 begins: see {@link DESCRIPTOR}.
   * @param slots how many descriptors there are: a power of two.
   * @param blocks where the frame of descriptor 0 begins; each has {@link BLOCK_BYTES}.
   * @param ports where the set of wanted ports begins: a bit for each, 8 KiB.
   * @param first the descriptor to begin at.
   * @returns how many frames it has judged.
   */
  filterRing(ring: number, slots: number, blocks: number, ports: number, first: number): number;
  /** The verdict on one Ethernet frame. */
  verdictOn(frame: number, bytes: number, ports: number): number;
  /** The Internet checksum (RFC 1071) of up to 64 KiB: 0 for a header that has its right one in it. */
  checksum(address: number, bytes: number): number;
}

/** What stands where in a descriptor of a receive ring, in bytes. The device writes the length, then the status. */
export const DESCRIPTOR = { bytes: 16, iova: 0, length: 8, status: 12, verdict: 13 };
/** The bit in a descriptor's status that says that the device is done with it. */
export const DONE = 1;
/** How long the block of a frame is. */
export const BLOCK_BYTES = 2048;

/** What becomes of a frame: it is wanted, is no IPv4, has lengths that contradict, or goes to no wanted port. */
export const VERDICT = { passed: 1, notIpv4: 2, badLength: 3, badChecksum: 4, refused: 5 };

/** The compiled filter. Each thread makes its own, on the same memory. */
export function packetFilter(memory: SharedWebAssemblyMemory): PacketFilter {
  return instantiate(code, memory) as PacketFilter;
}
