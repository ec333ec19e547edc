import type { IncomingPacket } from "../wire/exchange-types.js";
import { decodeAnswer, decodeInt, protocolError, type Answer } from "../wire/protocol.js";

/**
 * The answer in a reply packet. Fds that come with a refusal do not matter (the receiver closes them); those with an OK
 * do.
 * @param fdsWithOk the number of fds that an OK must bring.
 * @throws VfioError `ERR_VFIO_PROTOCOL`.
 */
export function readAnswer(packet: IncomingPacket, fdsWithOk: 0 | 1): Answer {
  const answer = decodeAnswer(packet.bytes);
  if (answer === "OK") checkFds(packet, fdsWithOk, "its OK");
  return answer;
}

/**
 * A number, without an fd.
 * @param what for messages: "its version".
 * @param least the smallest valid number.
 * @throws VfioError `ERR_VFIO_PROTOCOL`.
 */
export function readInt(packet: IncomingPacket, what: string, least: number): number {
  const value = decodeInt(packet.bytes);
  checkFds(packet, 0, what);
  if (value >= least) return value;
  throw protocolError(`${value} as ${what}`);
}

/**
 * The number of packets that follow.
 * @param what for messages: "shared memories".
 * @throws VfioError `ERR_VFIO_PROTOCOL`.
 */
export function readCount(packet: IncomingPacket, what: string, most: number): number {
  const count = decodeInt(packet.bytes);
  checkFds(packet, 0, `the number of its ${what}`);
  if (count >= 0 && count <= most) return count;
  throw protocolError(`${count} ${what}, where 0 to ${most} are possible`);
}

/**
 * A packet that is no int, with its fds.
 * @param what for messages: "a device".
 * @throws VfioError `ERR_VFIO_PROTOCOL`.
 */
export function readBytes(packet: IncomingPacket, fds: 0 | 1, what: string): Uint8Array {
  checkFds(packet, fds, what);
  return packet.bytes;
}

function checkFds({ fds, truncated }: IncomingPacket, wanted: 0 | 1, where: string): void {
  if (truncated) {
    throw protocolError(
      `${where} was too long or had more fds than could be received`,
      "If this process has no free file descriptor left, raise its limit (ulimit -n)",
    );
  }
  if (fds !== wanted) throw protocolError(`${fds} fd(s) came with ${where}, where ${wanted} belong(s)`);
}
