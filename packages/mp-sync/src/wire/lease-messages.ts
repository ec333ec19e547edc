import { DMA_ACCESSES, Struct, type DmaAccess } from "@vfio/ioctl-native";
import { DMA_MAP_FLAGS } from "@vfio/ioctl-native/vfio";
import { formatAddress, rangeOf } from "@vfio/ioctl-native/internal";
import { protocolError } from "./protocol.js";

/** What devices may do in leased memory. */
export type LeaseAccess = DmaAccess;

const ACCESS = new Map(DMA_ACCESSES.map((access) => [DMA_MAP_FLAGS[access], access]));

/** What a secondary wants mapped for DMA, and where. */
export interface LeaseTerms {
  readonly iova: bigint;
  readonly bytes: number;
  /** In the memory's file, in bytes. */
  readonly offset: number;
  readonly access: LeaseAccess;
}

/** Memory of a secondary that its primary has mapped for it. */
export interface Lease {
  readonly iova: bigint;
  readonly bytes: number;
  readonly pid: number;
}

/** The result of a request for a lease. */
export interface LeaseVerdict {
  /** 0 if the memory is mapped, otherwise a negative errno. */
  readonly errno: number;
  /** With EEXIST: the other lease in the way; absent if that is a mapping but no lease. */
  readonly conflict?: Lease;
}

const terms = new Struct("vfio_mp_lease", 32, {
  iova: [0, "u64"],
  bytes: [8, "u64"],
  offset: [16, "u64"],
  flags: [24, "u32"],
  reserved: [28, "u32"],
});

const verdict = new Struct("vfio_mp_verdict", 24, {
  result: [0, "s32"],
  pid: [4, "s32"],
  iova: [8, "u64"],
  bytes: [16, "u64"],
});

export const TERMS_BYTES = terms.bytes;
export const VERDICT_BYTES = verdict.bytes;

export function isLeaseAccess(value: unknown): value is LeaseAccess {
  return typeof value === "string" && Object.hasOwn(DMA_MAP_FLAGS, value);
}

export function rangeText(lease: Pick<LeaseTerms, "iova" | "bytes">): string {
  const { start, end } = rangeOf(lease);
  return `IOVA ${formatAddress(start)} to ${formatAddress(end)}`;
}

/** Follows `REQ_LEASE`, with the memory's fd. */
export function encodeTerms({ iova, bytes, offset, access }: LeaseTerms): Uint8Array {
  return terms.encode({ iova, bytes: BigInt(bytes), offset: BigInt(offset), flags: DMA_MAP_FLAGS[access] });
}

/** `undefined` for a packet without terms. */
export function decodeTerms(packet: Uint8Array): LeaseTerms | undefined {
  if (packet.length !== TERMS_BYTES) return undefined;
  const { iova, bytes, offset, flags, reserved } = terms.decode(packet);
  const access = ACCESS.get(flags);
  if (access === undefined || reserved !== 0 || !isSafe(bytes) || !isSafe(offset)) return undefined;
  return { iova, bytes: Number(bytes), offset: Number(offset), access };
}

/** The reply to a request for a lease. */
export function encodeVerdict({ errno, conflict }: LeaseVerdict): Uint8Array {
  if (conflict === undefined) return verdict.encode({ result: errno });
  const { iova, bytes, pid } = conflict;
  return verdict.encode({ result: errno, pid, iova, bytes: BigInt(bytes) });
}

/** @throws VfioError `ERR_VFIO_PROTOCOL`. */
export function decodeVerdict(packet: Uint8Array): LeaseVerdict {
  if (packet.length !== VERDICT_BYTES) {
    throw protocolError(`a packet of ${packet.length} bytes where a verdict of ${VERDICT_BYTES} belongs`);
  }
  const { result: errno, pid, iova, bytes } = verdict.decode(packet);
  if (errno > 0 || !isSafe(bytes)) throw protocolError(`a verdict of ${errno} on a lease of ${bytes} bytes`);
  return bytes === 0n ? { errno } : { errno, conflict: { iova, bytes: Number(bytes), pid } };
}

function isSafe(value: bigint): boolean {
  return value <= BigInt(Number.MAX_SAFE_INTEGER);
}
