import { Mapping, type RegionWindow, type RegisterAccess } from "@vfio/ioctl-native";
import { argumentError, closedError, mappedWindow } from "@vfio/ioctl-native/internal";
import { types } from "node:util";
import { SingleAccesses } from "./single-accesses.js";

/**
 * Plain memory as a window of a whole region. A mapping belongs to the window from then on.
 * @throws VfioRangeError `ERR_VFIO_ARGUMENT` for anything else.
 */
export function memoryWindow(memory: Uint8Array | Mapping, name: string): RegionWindow {
  if (memory instanceof Mapping) return mappedWindow(0, memory);
  if (!types.isUint8Array(memory)) throw argumentError("the memory", "a Uint8Array or a Mapping", memory);
  let closed = false;
  const checkOpen = (): void => {
    if (closed) throw closedError(name);
  };
  const part = (offset: number, bytes: number): RegisterAccess =>
    accessesOf(memory.subarray(offset, offset + bytes), name, checkOpen);
  return {
    ...part(0, memory.length),
    offset: 0,
    bytes: memory.length,
    isGone: () => false,
    part,
    close: () => void (closed = true),
  };
}

function accessesOf(memory: Uint8Array, name: string, checkOpen: () => void): RegisterAccess {
  const access = {
    wide: true,
    read: (offset: number, into: Uint8Array): void => {
      for (let index = 0; index < into.length; index++) into[index] = memory[offset + index] ?? 0xff;
    },
    write: (offset: number, from: Uint8Array): void => memory.set(from, offset),
  };
  return new SingleAccesses({ name, bytes: memory.length, writable: true }, access, checkOpen);
}
