import { createHash } from "node:crypto";
import { once } from "node:events";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { LinearMemory } from "@vfio/ioctl-native";
import { leavesNothingBehind } from "@vfio/test-support";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { filterFrames } from "../src/hot-loops/filter-frames.js";
import { FrameRing } from "../src/hot-loops/frame-ring.js";
import { ipv4Frame, sealed } from "../src/hot-loops/frames.js";
import { instantiate } from "../src/hot-loops/instantiate.js";
import {
  BLOCK_BYTES,
  DESCRIPTOR,
  packetFilter,
  VERDICT,
  type PacketFilter,
} from "../src/hot-loops/packet-filter.js";
import { PlainPacketFilter } from "../src/hot-loops/plain-packet-filter.js";
import code from "../src/hot-loops/packet-filter.wasm";
import { anyFrame, WANTED_PORTS } from "./hot-loops/any-frame.js";
import { compiledC } from "./hot-loops/compiled-c.js";

const SLOTS = 8;
const memory = new LinearMemory({ bytes: 1 << 20 });
const codeOfC = compiledC();
const plain = new PlainPacketFilter(memory.buffer);
const FORMS: Readonly<Record<string, PacketFilter>> = {
  "plain TypeScript": plain,
  AssemblyScript: packetFilter(memory.memory),
  C: instantiate(codeOfC, memory.memory) as PacketFilter,
};
const NAMES = Object.keys(FORMS);

leavesNothingBehind();

function formNamed(name: string): PacketFilter {
  const form = FORMS[name];
  if (form === undefined) throw new Error(`there is no form ${name}`);
  return form;
}

function ringOf(slots = SLOTS): FrameRing {
  const ring = new FrameRing(memory, slots);
  WANTED_PORTS.forEach((port) => ring.want(port));
  return ring;
}

/** What is in a ring: its descriptors, and a digest of all that a filter only reads. */
function contentOf({ blocks, descriptors, slots }: FrameRing): readonly string[] {
  const frames = createHash("sha1").update(new Uint8Array(memory.buffer, blocks, descriptors - blocks));
  const table = new Uint8Array(memory.buffer, descriptors, slots * DESCRIPTOR.bytes);
  return [frames.digest("hex"), Buffer.from(table).toString("hex")];
}

describe("given a frame", () => {
  const wanted = { port: 53 };
  const frameWith = (changes: Readonly<Record<number, number>>): Uint8Array =>
    Object.assign(ipv4Frame(wanted), changes);
  const padded = (frame: Uint8Array, bytes: number): Uint8Array => {
    const longer = new Uint8Array(bytes);
    longer.set(frame);
    return longer;
  };
  const rows = [
    { what: "to a wanted port", frame: ipv4Frame(wanted), verdict: VERDICT.passed },
    { what: "to one by TCP", frame: ipv4Frame({ ...wanted, protocol: 6 }), verdict: VERDICT.passed },
    { what: "with options", frame: ipv4Frame({ ...wanted, options: 10 }), verdict: VERDICT.passed },
    { what: "to the last port", frame: ipv4Frame({ port: 65535 }), verdict: VERDICT.passed },
    {
      what: "with nothing behind its ports",
      frame: ipv4Frame({ port: 0, payload: 0 }),
      verdict: VERDICT.passed,
    },
    { what: "padded to a block", frame: padded(ipv4Frame(wanted), BLOCK_BYTES), verdict: VERDICT.passed },
    { what: "that may not be divided", frame: sealed(frameWith({ 20: 0x40 })), verdict: VERDICT.passed },
    { what: "that is the first fragment", frame: sealed(frameWith({ 20: 0x20 })), verdict: VERDICT.passed },
    { what: "that is a far fragment", frame: sealed(frameWith({ 20: 0x10 })), verdict: VERDICT.refused },
    { what: "to another port", frame: ipv4Frame({ port: 54 }), verdict: VERDICT.refused },
    { what: "of another protocol", frame: ipv4Frame({ ...wanted, protocol: 1 }), verdict: VERDICT.refused },
    { what: "too short for ports", frame: sealed(frameWith({ 17: 23 })), verdict: VERDICT.refused },
    { what: "that is a later fragment", frame: sealed(frameWith({ 21: 1 })), verdict: VERDICT.refused },
    { what: "of another type", frame: frameWith({ 12: 0x86 }), verdict: VERDICT.notIpv4 },
    { what: "of version 6", frame: frameWith({ 14: 0x65 }), verdict: VERDICT.notIpv4 },
    { what: "with a header of 16 bytes", frame: frameWith({ 14: 0x44 }), verdict: VERDICT.notIpv4 },
    { what: "that ends in its header", frame: ipv4Frame(wanted).subarray(0, 33), verdict: VERDICT.badLength },
    { what: "that ends before its type", frame: new Uint8Array(13), verdict: VERDICT.badLength },
    { what: "that claims a byte more", frame: frameWith({ 17: 47 }), verdict: VERDICT.badLength },
    { what: "shorter than its header", frame: frameWith({ 17: 19 }), verdict: VERDICT.badLength },
    { what: "with a flipped bit", frame: frameWith({ 30: 1 }), verdict: VERDICT.badChecksum },
  ];

  it.each(rows.flatMap((row) => NAMES.map((name) => ({ name, ...row }))))(
    "$what, then $name judges it as it should be",
    ({ name, frame, verdict }) => {
      using ring = ringOf();
      ring.receive(0, frame);
      expect([ring.judge(formNamed(name)), ring.verdictOf(0)]).toEqual([1, verdict]);
    },
  );

  it.each(
    [0, 13, BLOCK_BYTES + 1, 2 ** 31, 2 ** 32 - 1].flatMap((bytes) => NAMES.map((name) => ({ name, bytes }))),
  )("whose length the device gives as $bytes, then $name takes it for a bad one", ({ name, bytes }) => {
    using ring = ringOf();
    ring.receive(0, ipv4Frame(wanted), bytes);
    expect([ring.judge(formNamed(name)), ring.verdictOf(0)]).toEqual([1, VERDICT.badLength]);
  });
});

describe("given any frames in a ring", () => {
  it("then the compiled forms leave the same bytes in it as the plain one, and count the same", () => {
    using ring = ringOf();
    const frames = fc.array(anyFrame, { minLength: 1, maxLength: SLOTS });
    const judged = (name: string): readonly unknown[] => [ring.judge(formNamed(name)), ...contentOf(ring)];
    fc.assert(
      fc.property(frames, (received) => {
        const results = NAMES.map((name) => {
          received.forEach(({ frame, length }, slot) => ring.receive(slot, frame, length));
          return judged(name);
        });
        expect(results).toEqual(NAMES.map(() => results[0]));
        expect(results[0]).toContain(received.length);
      }),
      { numRuns: 1000 },
    );
  });

  it.each(NAMES)(
    "then %s begins where it is told, goes round, and stops at the first that is not there",
    (name) => {
      const dones = fc.array(fc.boolean(), { minLength: SLOTS, maxLength: SLOTS });
      fc.assert(
        fc.property(dones, fc.nat(SLOTS - 1), (isDone, first) => {
          using ring = ringOf();
          isDone.forEach((done, slot) => done && ring.receive(slot, ipv4Frame({ port: 53 })));
          const inOrder = isDone.map((_, turn) => isDone[(first + turn) % SLOTS] === true);
          const missing = inOrder.indexOf(false);
          const expected = missing === -1 ? SLOTS : missing;

          expect(ring.judge(formNamed(name), first)).toBe(expected);
          const verdicts = inOrder.map((_, turn) => ring.verdictOf((first + turn) % SLOTS));
          expect(verdicts).toEqual(inOrder.map((_, turn) => (turn < expected ? VERDICT.passed : 0)));
          expect(ring.judge(formNamed(name), first)).toBe(0);
        }),
        { numRuns: 100 },
      );
    },
  );
});

describe("given bytes to sum", () => {
  const PLACE = 8192;
  const put = (bytes: ArrayLike<number>, at = PLACE): void => new Uint8Array(memory.buffer).set(bytes, at);

  it.each(NAMES)("then the checksum of %s is the one of RFC 1071's example", (name) => {
    put([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
    expect(formNamed(name).checksum(PLACE, 8)).toBe(0xffff - 0xddf2);
    expect(formNamed(name).checksum(PLACE, 0)).toBe(0xffff);
  });

  it("then all forms have the same, at odd addresses and of odd lengths, too", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(7), (bytes, skew) => {
        put(bytes, PLACE + skew);
        const sums = NAMES.map((name) => formNamed(name).checksum(PLACE + skew, bytes.length));
        expect(sums).toEqual(NAMES.map(() => sums[0]));
      }),
      { numRuns: 1000 },
    );
  });

  it.each(NAMES)("when 64 KiB of ones are summed by %s, then nothing overflows", (name) => {
    const bytes = 65535;
    put(new Uint8Array(bytes).fill(0xff));
    expect(formNamed(name).checksum(PLACE, bytes)).toBe(0xff);
  });
});

describe("given a filter in another thread", () => {
  it.each([
    ["AssemblyScript", code],
    ["C", codeOfC],
  ])(
    "when it waits at a word of DMA memory, then %s judges what this thread has put there",
    async (_, form) => {
      using ring = ringOf();
      const words = new Int32Array(memory.buffer);
      const word = ring.blocks / 4 + (7 * BLOCK_BYTES) / 4 + 400;
      const workerData = {
        code: form,
        memory: memory.memory,
        word,
        ring: { descriptors: ring.descriptors, slots: ring.slots, blocks: ring.blocks, ports: ring.ports },
      };
      const worker = new Worker(path.join(import.meta.dirname, "hot-loops/waiting-filter.mjs"), {
        workerData,
      });
      const turn = async (value: number): Promise<unknown> => {
        const answer = once(worker, value === -1 ? "exit" : "message");
        Atomics.store(words, word, value);
        Atomics.notify(words, word);
        return await answer;
      };

      for (let slot = 0; slot < 5; slot++) ring.receive(slot, ipv4Frame({ port: slot % 2 === 0 ? 53 : 54 }));
      expect(await turn(1)).toEqual([5]);
      expect([0, 1, 2, 3, 4, 5].map((slot) => ring.verdictOf(slot))).toEqual([1, 5, 1, 5, 1, 0]);
      ring.receive(5, ipv4Frame({ port: 443 }));
      expect(await turn(2)).toEqual([1]);
      expect(ring.verdictOf(5)).toBe(VERDICT.passed);
      await turn(-1);
    },
  );
});

describe("given the example", () => {
  it("when it runs, then both forms come to the same verdicts", () => {
    const verdicts = { passed: 64, notIpv4: 64, badChecksum: 64, refused: 64 };
    expect(filterFrames(2)).toEqual([
      { name: "compiled", verdicts, nanoseconds: expect.any(Number) as number },
      { name: "plain", verdicts, nanoseconds: expect.any(Number) as number },
    ]);
  });
});
