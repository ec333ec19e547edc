import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../native/compile.mjs";
import { compileFlags } from "../native/flags.mjs";
import { resultOfChild } from "./support/elsewhere.js";

const QUICK = ["-O0", "-U_FORTIFY_SOURCE"];
const BORDER = 2 ** 32;

let folder: string;
let addon: string;
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "vfio-numbers-"));
  addon = path.join(folder, "ioctl-native.node");
  const late = path.join(folder, "late.o");
  const source = path.join(import.meta.dirname, "support/late-numbers.cc");
  execFileSync("c++", [...compileFlags(source), ...QUICK, "-c", source, "-o", late]);
  const link = (objects: string[]): string[] =>
    objects.map((object) => (path.basename(object) === "numbers.cc.o" ? late : object));
  await compile({ output: addon, flags: QUICK, link });
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true }));

describe("in a process that has given out nearly 2^32 numbers", () => {
  it.each<[string, string, unknown]>([
    [
      "each mapping is still found by its own, in this thread and by others",
      `const file = vfio.createMemoryFile({ bytes: 4096, pageBytes: 4096 });
       const all = [1, 2, 3, 4, 5].map(() => vfio.Mapping.map({ file, bytes: 4096 }));
       const numbers = all.map((mapping) => mapping.handle);
       const found = all.map(({ handle }) => vfio.Mapping.fromHandle(handle).address);
       print({ numbers, same: all.every(({ address }, i) => address === found[i]) });`,
      { numbers: [-2, -1, 0, 1, 2].map((more) => BORDER + more), same: true },
    ],
    [
      "a hold is given back by whoever has it, and by nobody else",
      `const file = vfio.createMemoryFile({ bytes: 4096, pageBytes: 4096 });
       const all = [1, 2, 3, 4].map((i) => vfio.Mapping.map({ file, bytes: 4096, name: String(i) }));
       const holds = all.map((mapping) => mapping.hold("a device"));
       const refused = () => all.map((mapping) => {
         try { mapping.close(); return "closed"; } catch (error) { return error.code; }
       });
       const before = refused();
       for (const hold of holds) hold[Symbol.dispose]();
       print([before, refused()]);`,
      [Array(4).fill("ERR_VFIO_MAPPING_IN_USE"), Array(4).fill("closed")],
    ],
    [
      "a watcher stops itself and no other",
      `const events = [1, 2, 3, 4].map(() => vfio.EventFd.create());
       const calls = [0, 0, 0, 0];
       const watchers = events.map((event, i) => vfio.watchFd(event, () => { calls[i]++; event.read(); }));
       watchers[2].stop();
       for (const event of events) event.signal();
       setTimeout(() => { for (const watcher of watchers) watcher.stop(); print(calls); }, 50);`,
      [1, 1, 0, 1],
    ],
    [
      "a shared file is read by its own",
      `const files = [1, 2, 3, 4].map(() => vfio.createMemoryFile({ bytes: 4096, pageBytes: 4096 }));
       files.forEach((file, i) => vfio.writeAt(file, 0, Uint8Array.of(i), "memory"));
       const handles = files.map((file) => vfio.kernel().shareFile(file.fd));
       print(handles.map((handle) => {
         const byte = new Uint8Array(1);
         return [vfio.kernel().sharedPread(handle, byte, 0), byte[0], vfio.kernel().unshareFile(handle)];
       }));`,
      [0, 1, 2, 3].map((i) => [1, i, 0]),
    ],
  ])("%s", (_title, code, expected) => {
    const print = "const print = (value) => console.log(JSON.stringify(value));";
    expect(resultOfChild(`${print}\n${code}`, { VFIO_IOCTL_NATIVE_ADDON: addon })).toEqual(expected);
  });
});
