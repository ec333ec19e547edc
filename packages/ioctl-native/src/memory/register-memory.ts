import { fastReadsAreProven } from "./fast-reads.js";
import { kernel } from "../kernel/kernel.js";
import { LinearMemory } from "./linear-memory.js";

/** Room for the registers of many devices. It takes addresses, and memory only for what is touched. */
const BYTES = 2 ** 30;

/** `undefined`: not asked for yet; `null`: it can't be had here. */
let made: LinearMemory | null | undefined;

/**
 * This thread's memory for the registers of devices; `undefined` where code on it is not proven to do each access once
 * and at its width, where there is none to be had, and where so many bytes have no room in it: native calls do there.
 */
export function registerMemory(bytes: number): LinearMemory | undefined {
  if (!fastReadsAreProven() || kernel().layMapping === undefined) return undefined;
  made ??= newMemory();
  return made?.hasRoom(bytes) === true ? made : undefined;
}

function newMemory(): LinearMemory | null {
  try {
    return new LinearMemory({ bytes: BYTES });
  } catch {
    return null;
  }
}
