import type { IncomingPacket } from "./exchange.js";
import { decodeAnswer, decodeInt, MAX_MEMORIES, protocolError, type Answer } from "./protocol.js";

/**
 * The answer in one reply packet. What rides along with a refusal doesn't matter (its receiver closes it);
 * with an OK it does.
 * @param fdsWithOk how many fds belong to an OK here.
 * @throws VfioError `ERR_VFIO_PROTOCOL`.
 */
export function readAnswer(packet: IncomingPacket, fdsWithOk: 0 | 1): Answer {
  const answer = decodeAnswer(packet.bytes);
  if (answer === "OK") checkFds(packet, fdsWithOk, "its OK");
  return answer;
}

/**
 * How many memories follow.
 * @throws VfioError `ERR_VFIO_PROTOCOL`.
 */
export function readMemoryCount(packet: IncomingPacket): number {
  const count = decodeInt(packet.bytes);
  checkFds(packet, 0, "the number of its memories");
  if (count >= 0 && count <= MAX_MEMORIES) return count;
  throw protocolError(`${count} shared memories, where 0 to ${MAX_MEMORIES} are possible`);
}

/**
 * The description of one memory.
 * @throws VfioError `ERR_VFIO_PROTOCOL`.
 */
export function readMemoryDescription(packet: IncomingPacket): Uint8Array {
  checkFds(packet, 1, "a memory's description");
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
