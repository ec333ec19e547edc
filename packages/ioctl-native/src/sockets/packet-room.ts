import { Buffer } from "node:buffer";
import { errnoOf } from "../errors/errors.js";
import type { Kernel } from "../kernel/system-calls.js";
import type { ReceivedPacket } from "./received-packet.js";

/**
 * The addon's socket calls with more results than a number: they write into a room, with the layout of `packets.cc`.
 */
export interface RoomFunctions {
  socketReceive(fd: number, room: Uint8Array, maxBytes: number, maxFds: number): number;
  datagramReceive(fd: number, room: Uint8Array, maxBytes: number, maxFds: number): number;
  socketPeer(fd: number, room: Uint8Array): number;
}

type RoomCalls = Pick<Kernel, keyof RoomFunctions>;

// In words of 32 bits:
const TRUNCATED = 0;
const FD_COUNT = 1;
const FIRST_FD = 2;
const ADDRESS_LENGTH = 255;
// In bytes:
const ADDRESS = 1024;
const DATA = ADDRESS + 108;

interface Room {
  readonly bytes: Buffer;
  readonly words: Int32Array;
}

/** Packets up to this size share one room, emptied before the next call. */
const SHARED_BYTES = 65_536;
let shared: Room | undefined;

/** Calls as the kernel's, through a room: making an object natively costs more than receiving a packet. */
export function throughRoom(addon: RoomFunctions): RoomCalls {
  return {
    socketReceive: (fd, maxBytes, maxFds) => {
      const room = roomFor(maxBytes);
      if (room === undefined) return errnoOf("ENOMEM");
      const got = addon.socketReceive(fd, room.bytes, maxBytes, maxFds);
      return got < 0 ? got : packetIn(room, got);
    },
    datagramReceive: (fd, maxBytes, maxFds) => {
      const room = roomFor(maxBytes);
      if (room === undefined) return errnoOf("ENOMEM");
      const got = addon.datagramReceive(fd, room.bytes, maxBytes, maxFds);
      return got < 0 ? got : { ...packetIn(room, got), from: addressIn(room) };
    },
    socketPeer: (fd) => {
      const { bytes, words } = (shared ??= newRoom(SHARED_BYTES));
      const result = addon.socketPeer(fd, bytes);
      const [pid = -1, uid = -1, gid = -1] = words;
      return result < 0 ? result : { pid, uid: uid >>> 0, gid: gid >>> 0 };
    },
  };
}

function packetIn({ bytes, words }: Room, length: number): ReceivedPacket {
  const count = words[FD_COUNT] ?? 0;
  const fds: number[] = [];
  for (let index = 0; index < count; index++) fds.push(words[FIRST_FD + index] ?? -1);
  const packet = Buffer.alloc(length);
  // The length of a number, as nearly all packets have: a function call would take longer.
  if (length <= 4) for (let index = 0; index < length; index++) packet[index] = bytes[DATA + index] ?? 0;
  else bytes.copy(packet, 0, DATA, DATA + length);
  return { bytes: packet, fds, truncated: words[TRUNCATED] === 1 };
}

function addressIn({ bytes, words }: Room): string {
  return bytes.toString("utf8", ADDRESS, ADDRESS + (words[ADDRESS_LENGTH] ?? 0));
}

function roomFor(maxBytes: number): Room | undefined {
  if (maxBytes <= SHARED_BYTES) return (shared ??= newRoom(SHARED_BYTES));
  try {
    return newRoom(maxBytes);
  } catch {
    return undefined;
  }
}

function newRoom(maxBytes: number): Room {
  const buffer = new ArrayBuffer(DATA + maxBytes);
  return { bytes: Buffer.from(buffer), words: new Int32Array(buffer, 0, ADDRESS / 4) };
}
