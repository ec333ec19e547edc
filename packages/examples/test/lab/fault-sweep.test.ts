import { existsSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Strace, type Fault } from "./fault-sweep/strace.js";
import { faultsOf } from "./fault-sweep/verdict.js";
import { Victim, type Held, type ToldError } from "./fault-sweep/victim.js";
import { WIDE_EDU } from "./open-edu.js";

const SOCKET = "/run/fault-sweep.sock";
const ERRNOS = ["EIO", "EMFILE", "ENOMEM", "EINVAL"] as const;
const SWEEP_MS = 10 * 60_000;

/** The calls that are made to fail, and of how many places at most: of each kind some, all over the run. */
const CALLS = [
  ["ioctl", 24],
  ["pread64", 6],
  ["pwrite64", 4],
  ["mmap", 5],
  ["memfd_create", 2],
  ["eventfd2", 1],
  ["socket", 2],
  ["bind", 1],
  ["listen", 1],
  ["connect", 2],
  ["accept4", 2],
  ["sendmsg", 4],
  ["recvmsg", 4],
] as const;

/**
 * What the program rightly gets over. A connection that waits is accepted at the next look. The lock under which a primary
 * takes over a stale socket file, a libuv socket with an abstract name, is a help for two that start at the same moment.
 */
const GOT_OVER = /^accept4|^socket\(AF_UNIX, SOCK_STREAM|^bind\(.*sun_path=@|^listen\(.*, 511\)/;

let victim: Victim;
let before: Held;
beforeAll(async () => {
  victim = await Victim.start(WIDE_EDU, SOCKET);
  // What Node.js and the library load and keep is there after two runs.
  for (let warmUp = 0; warmUp < 2; warmUp++) expect(await victim.run()).toEqual([]);
  before = victim.held();
}, SWEEP_MS);
afterAll(() => victim[Symbol.dispose]());

/** The calls of one kind that a run without faults makes, and which of them are to fail. */
async function places(syscall: string, most: number): Promise<{ call: string; nth: number }[]> {
  const recording = await Strace.on(victim.pid, [syscall]);
  const errors = await victim.run();
  const calls = (await recording.end()).map((call, index) => ({ call, nth: index + 1 }));
  expect(errors).toEqual([]);
  // libuv makes each fd non-blocking with an ioctl; that is not VFIO's.
  const ours = calls.filter(({ call }) => !call.includes("FIONBIO"));
  const step = Math.max(1, ours.length / most);
  return ours.filter((_, index) => Math.floor(index % step) === 0).slice(0, most);
}

/** Lets one call fail in a run, and returns what was wrong with how the library took it. */
async function sweep(call: string, fault: Fault): Promise<string[]> {
  const strace = await Strace.on(victim.pid, [fault.syscall], fault);
  const errors = await victim.run();
  const injected = (await strace.end()).filter((line) => line.endsWith("(INJECTED)"));
  const wrong = [
    ...(injected.length === 1 ? [] : [`${injected.length} calls failed instead of one`]),
    ...(errors.length > 0 || GOT_OVER.test(call) ? [] : ["nobody was told"]),
    ...faultsOf(fault, errors),
    ...leftovers(),
  ];
  return wrong.map((each) => `${call.slice(0, 100)}: ${fault.errno} → ${each} ${summary(errors)}`);
}

function leftovers(): string[] {
  const held = victim.held();
  const left = isDeepStrictEqual(held, before) ? [] : [`left behind: ${JSON.stringify({ before, held })}`];
  before = held;
  return existsSync(SOCKET) ? [...left, "the socket file is left behind"] : left;
}

function summary(errors: readonly ToldError[]): string {
  return JSON.stringify(errors.map(({ code, message }) => ({ code, message })));
}

describe("given a primary and its secondary, when a system call fails once", () => {
  it.each(CALLS)(
    "%s: the error has its errno or a documented code, names the call, advises nothing else, and nothing is left",
    async (syscall, most) => {
      const chosen = await places(syscall, most);
      expect(chosen.length).toBeGreaterThan(0);

      const wrong: string[] = [];
      for (const [index, { call, nth }] of chosen.entries()) {
        const errno =
          ERRNOS[(index + CALLS.findIndex(([name]) => name === syscall)) % ERRNOS.length] ?? "EIO";
        wrong.push(...(await sweep(call, { syscall, nth, errno })));
      }

      expect(wrong).toEqual([]);
    },
    SWEEP_MS,
  );

  it("and after all of them, everything works as before", async () => {
    expect(await victim.run()).toEqual([]);
  });
});
