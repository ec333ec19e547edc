import { VfioError, VfioRangeError } from "@vfio/ioctl-native";
import { shownValue } from "@vfio/ioctl-native/internal";

/** Asks for the container. The reply is one packet: {@link OK} with the fd attached. */
export const REQ_CONTAINER = 0x100;

/**
 * Asks for a group; its number follows as a second packet. The reply is {@link OK} alone, then {@link OK}
 * with the fd.
 */
export const REQ_GROUP = 0x200;

/**
 * Says hello; the secondary's {@link PROTOCOL_VERSION} follows as a second packet. The reply is {@link OK}, the
 * primary's version, and what it can do (`CAN_…`). Codes from 0x10000 are ours: no DPDK uses them, and a 2014
 * primary answers {@link ERR}.
 */
export const REQ_HELLO = 0x10000;

/** Asks for the shared memory: {@link OK}, a count, then one packet per memory (description, with the fd attached). */
export const REQ_MEMORY = 0x10001;

/** Asks for the container's IOMMU type: {@link OK}, then its number as in `<linux/vfio.h>`, or 0 if it is not told. */
export const REQ_IOMMU_TYPE = 0x10002;

/** Asks which devices the primary has: {@link OK}, a count, then one packet per device. */
export const REQ_DEVICES = 0x10003;

/**
 * Asks to map memory for DMA: what and where follows as a second packet, with the memory's fd. The reply is
 * {@link OK}, then a verdict. The mapping lasts as long as the connection.
 */
export const REQ_LEASE = 0x10004;

/** What a secondary sends to give its lease back; {@link OK} says that nothing is mapped any more. */
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

/** Nearly every packet is one C `int`: 4 bytes, in the machine's own byte order. */
export const INT_BYTES = 4;

/** The longest description of one shared memory, in bytes. */
export const MAX_DESCRIPTION_BYTES = 65_536;

/** The most shared memories one primary may offer; a secondary takes no count above it. */
export const MAX_MEMORIES = 1024;

/** The most devices one primary may tell of; a secondary takes no count above it. */
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
 * The packet of one int.
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

/**
 * The int of one packet.
 * @throws VfioError `ERR_VFIO_PROTOCOL` if the packet is not exactly 4 bytes long.
 */
export function decodeInt(bytes: Uint8Array): number {
  if (bytes.length !== INT_BYTES) {
    throw protocolError(`a packet of ${bytes.length} bytes where an int of ${INT_BYTES} belongs`);
  }
  word.bytes.set(bytes);
  return word.int[0] ?? 0;
}

/** The packet of one answer. */
export function encodeAnswer(answer: Answer): Uint8Array {
  return encodeInt(ANSWER_CODES[answer]);
}

/**
 * The answer in one packet.
 * @throws VfioError `ERR_VFIO_PROTOCOL` if it is none of the three.
 */
export function decodeAnswer(bytes: Uint8Array): Answer {
  const code = decodeInt(bytes);
  const answer = ANSWERS.get(code);
  if (answer === undefined) throw protocolError(`${code} is none of OK (0), NO_FD (1) and ERR (255)`);
  return answer;
}

/** True for a number that can stand in a request for a group: 0 to 2^31 - 1. */
export function isGroupNumber(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && (value | 0) === value;
}

/**
 * Refuses what cannot be a group's number.
 * @throws VfioRangeError `ERR_VFIO_GROUP_NUMBER`.
 */
export function checkGroupNumber(value: number): void {
  if (isGroupNumber(value)) return;
  throw new VfioRangeError(
    "ERR_VFIO_GROUP_NUMBER",
    `${shownValue(value)} is not the number of an IOMMU group: those are whole numbers from 0 to ${2 ** 31 - 1}`,
  );
}

/** The error of every packet that is not what the protocol says. */
export function protocolError(detail: string, hint?: string): VfioError {
  return new VfioError("ERR_VFIO_PROTOCOL", `broken protocol: ${detail}`, hint === undefined ? {} : { hint });
}

/** One for all: a DataView, or a buffer of its own for each int, costs more than the exchange of a packet. */
const word = wordOfBytes();

function wordOfBytes(): { readonly bytes: Uint8Array; readonly int: Int32Array } {
  const int = new Int32Array(1);
  return { int, bytes: new Uint8Array(int.buffer) };
}
