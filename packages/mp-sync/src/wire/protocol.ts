import { VfioError, VfioRangeError } from "@vfio/ioctl-native";
import { shownValue } from "@vfio/ioctl-native/internal";

/** Asks for the container. The reply: {@link OK} with the fd, in one packet. */
export const REQ_CONTAINER = 0x100;

/**
 * Asks for a group; its number follows as a second packet. The reply: {@link OK} alone, then {@link OK} with the fd.
 */
export const REQ_GROUP = 0x200;

/**
 * Says hello; the secondary's {@link PROTOCOL_VERSION} follows as a second packet. The reply: {@link OK}, the primary's
 * version, and its capabilities (`CAN_…`). No DPDK uses codes from 0x10000 on; a 2014 primary answers {@link ERR}.
 */
export const REQ_HELLO = 0x10000;

/**
 * Asks for the shared memory. The reply: {@link OK}, a count, then one packet for each memory (description, with the
 * fd).
 */
export const REQ_MEMORY = 0x10001;

/** Asks for the container's IOMMU type. The reply: {@link OK}, then its number in `<linux/vfio.h>`, 0 for unknown. */
export const REQ_IOMMU_TYPE = 0x10002;

/** Asks for the primary's devices. The reply: {@link OK}, a count, then one packet for each device. */
export const REQ_DEVICES = 0x10003;

/**
 * Asks to map memory for DMA; the terms follow as a second packet, with the memory's fd. The reply: {@link OK}, then a
 * verdict. The mapping lasts as long as the connection.
 */
export const REQ_LEASE = 0x10004;

/** A secondary gives its lease back; the reply {@link OK} says that nothing is mapped any longer. */
export const RELEASE = 0;

/** The version of the requests from 0x10000 on. */
export const PROTOCOL_VERSION = 1;

/** The primary knows {@link REQ_MEMORY}. */
export const CAN_MEMORY = 1;
/** The primary knows {@link REQ_IOMMU_TYPE}. */
export const CAN_IOMMU_TYPE = 2;
/** The primary knows {@link REQ_DEVICES}. */
export const CAN_DEVICES = 4;
/** The primary knows {@link REQ_LEASE}, and grants leases. */
export const CAN_LEASE = 8;

/** The answer is yes. */
export const OK = 0;

/** The group exists, but the primary has no fd for it. */
export const NO_FD = 1;

/** The primary refuses: no such group, no such request, or it failed. */
export const ERR = 0xff;

/** Nearly every packet is one C `int` in the machine's byte order. */
export const INT_BYTES = 4;

/** Of one shared memory. */
export const MAX_DESCRIPTION_BYTES = 65_536;

/** Of one primary; a secondary accepts no higher count. */
export const MAX_MEMORIES = 1024;

/** Of one primary; a secondary accepts no higher count. */
export const MAX_DEVICES = 1024;

/** The three answers of a primary, by name. */
export type Answer = "OK" | "NO_FD" | "ERR";

const ANSWER_CODES: Readonly<Record<Answer, number>> = { OK, NO_FD, ERR };
const ANSWERS = new Map<number, Answer>([
  [OK, "OK"],
  [NO_FD, "NO_FD"],
  [ERR, "ERR"],
]);

/**
 * Encodes the packet of one int.
 * @param value from -2^31 to 2^31 - 1.
 * @throws VfioRangeError `ERR_VFIO_PROTOCOL_INT`.
 */
export function encodeInt(value: number): Uint8Array {
  if (!Number.isInteger(value) || (value | 0) !== value) {
    throw new VfioRangeError(
      "ERR_VFIO_PROTOCOL_INT",
      `${shownValue(value)} does not fit in a packet of one 32-bit int`,
    );
  }
  word.int[0] = value;
  return word.bytes.slice();
}

/** Decodes the packet of one int. @throws VfioError `ERR_VFIO_PROTOCOL` if the packet is not exactly 4 bytes long. */
export function decodeInt(bytes: Uint8Array): number {
  if (bytes.length !== INT_BYTES) {
    throw protocolError(`a packet of ${bytes.length} bytes where an int of ${INT_BYTES} belongs`);
  }
  word.bytes.set(bytes);
  return word.int[0] ?? 0;
}

/** Encodes the packet of one answer. */
export function encodeAnswer(answer: Answer): Uint8Array {
  return encodeInt(ANSWER_CODES[answer]);
}

/** Decodes the packet of one answer. @throws VfioError `ERR_VFIO_PROTOCOL` if it is none of the three. */
export function decodeAnswer(bytes: Uint8Array): Answer {
  const code = decodeInt(bytes);
  const answer = ANSWERS.get(code);
  if (answer === undefined) throw protocolError(`${code} is none of OK (0), NO_FD (1) and ERR (255)`);
  return answer;
}

/** True for a number that a request for a group can carry: 0 to 2^31 - 1. */
export function isGroupNumber(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && (value | 0) === value;
}

/** @throws VfioRangeError `ERR_VFIO_GROUP_NUMBER`. */
export function checkGroupNumber(value: number): void {
  if (isGroupNumber(value)) return;
  throw new VfioRangeError(
    "ERR_VFIO_GROUP_NUMBER",
    `${shownValue(value)} is not the number of an IOMMU group: those are whole numbers from 0 to ${2 ** 31 - 1}`,
  );
}

/** The error of a packet against the protocol. */
export function protocolError(detail: string, hint?: string): VfioError {
  return new VfioError("ERR_VFIO_PROTOCOL", `broken protocol: ${detail}`, hint === undefined ? {} : { hint });
}

/** Shared: a DataView or a buffer for each int would cost more than the exchange of a packet. */
const word = wordOfBytes();

function wordOfBytes(): { readonly bytes: Uint8Array; readonly int: Int32Array } {
  const int = new Int32Array(1);
  return { int, bytes: new Uint8Array(int.buffer) };
}
