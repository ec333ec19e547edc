/** What the tried consumers run. */

/** Uses a bit of everything that the addon does. The argument `wait` is left out where the runtime has no uv_poll. */
export const USES_THE_ADDON = `
import { createMemoryFile, EventFd, Mapping, openFile, waitForFd } from "@vfio/ioctl-native";
const event = EventFd.create();
event.signal(3);
if (process.argv[2] === "wait") await waitForFd(event, { timeoutMs: 60_000, what: "the event" });
const file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
const mapping = Mapping.map({ file, bytes: 4096, name: "ring" });
mapping.registers.write32(8, 0xfeedbeef);
let code;
try { openFile("/nowhere"); } catch (error) { code = error.code; }
const answer = { arch: process.arch, count: event.read(), word: new Uint32Array(mapping.buffer)[2], code };
mapping.close();
console.log(JSON.stringify(answer));
`;

/** What that prints, beside the architecture. */
export const ITS_ANSWER = { count: 3, word: 0xfeedbeef, code: "ENOENT" };

/** A typed user of @vfio/dma, right but for one line that is said to be wrong. */
export const TYPED = `
import { DmaMapper, HugepageMemory, type DmaMapping } from "@vfio/dma";
export function mapOne(container: { readonly fd: number }): bigint {
  using memory: HugepageMemory = HugepageMemory.allocate({ bytes: 1 });
  const mapping: DmaMapping = new DmaMapper(container, { iova: "allocate" }).map(memory);
  const iova: bigint = mapping.iovaOf(0);
  // @ts-expect-error: an address is a bigint
  const wrong: number = iova;
  return iova + BigInt(wrong);
}
`;

/** Names types alone: nothing of the package is there when it runs. */
export const TYPES_ONLY = `
import type { DmaMapper } from "@vfio/dma";
export const close = (mapper: DmaMapper): void => mapper.close();
`;

/** Put before a program, makes the process one of another platform. */
export const ON_ANOTHER_PLATFORM = `
Object.defineProperty(process, "platform", { value: "darwin" });
Object.defineProperty(process, "arch", { value: "arm64" });
`;

/** Imports what works everywhere, and tries what does not. */
export const TRIES_A_SYSTEM_CALL = `
const { HugepageMemory } = await import("@vfio/dma");
const { openFile, vfioConstants } = await import("@vfio/ioctl-native");
let said;
try { openFile("/dev/null"); } catch (error) { said = { code: error.code, message: error.message, hint: error.hint }; }
console.log(JSON.stringify({ class: typeof HugepageMemory, constants: Object.keys(vfioConstants).length > 10, ...said }));
`;
