import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Strace, type Fault } from "./fault-sweep/strace.js";
import { Victim, type Held, type ToldError } from "./fault-sweep/victim.js";
import { WIDE_EDU } from "./open-edu.js";

const SOCKET = "/run/fault-sweep.sock";
const ERRNOS = ["EIO", "EMFILE", "ENOMEM", "EINVAL"];
const DOCUMENTED = readFileSync(path.resolve(import.meta.dirname, "../../../../docs/errors.md"), "utf8");

let victim: Victim;
let before: Held;
beforeAll(async () => {
  victim = await Victim.start(WIDE_EDU, SOCKET);
  expect(await victim.run()).toEqual([]);
  expect(await victim.run()).toEqual([]);
  before = victim.held();
});
afterAll(() => victim[Symbol.dispose]());

describe("record", () => {
  it.each([
    "ioctl",
    "pread64",
    "pwrite64",
    "mmap",
    "memfd_create",
    "eventfd2",
    "socket",
    "bind",
    "listen",
    "connect",
    "accept4",
    "sendmsg",
    "recvmsg",
  ])(
    "%s",
    async (syscall) => {
      const recording = await Strace.on(victim.pid, [syscall]);
      await victim.run();
      const calls = await recording.end();
      console.log(
        syscall,
        calls.length,
        calls.length < 70 ? "\n" + calls.join("\n") : calls.slice(0, 5).join("\n"),
      );
      const step = Math.max(1, Math.ceil(calls.length / 12));
      for (let index = 0; index < calls.length; index += step) {
        const fault: Fault = { syscall, nth: index + 1, errno: ERRNOS[(index / step) % 4]! };
        const t = performance.now();
        const strace = await Strace.on(victim.pid, [syscall], fault);
        const errors = await victim.run();
        const log = await strace.end();
        const held = victim.held();
        console.log(
          "FAULT",
          JSON.stringify(fault),
          calls[index]?.slice(0, 90),
          "=>",
          errors.map(
            ({ branded, code, syscall: s, message, hint, stack }) =>
              `${branded} ${code} ${s} | ${message} | HINT ${hint} ${branded ? "" : stack}`,
          ),
          log.filter((l) => l.includes("INJECTED")).length,
          JSON.stringify(held) === JSON.stringify(before) ? "same" : JSON.stringify(held),
          existsSync(SOCKET) ? "SOCKET LEFT" : "",
          Math.round(performance.now() - t),
        );
      }
    },
    200_000,
  );
});
void (undefined as unknown as ToldError);
void DOCUMENTED;
