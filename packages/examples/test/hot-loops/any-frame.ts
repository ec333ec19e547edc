import fc from "fast-check";
import { ipv4Frame } from "../../src/hot-loops/frames.js";

/** A frame as it stands in a block, and the length that the device says it has. */
export interface ReceivedFrame {
  readonly frame: Uint8Array;
  readonly length: number;
}

export const WANTED_PORTS = [0, 53, 443, 65535];

const noise = fc.uint8Array({ maxLength: 100 });
const packet = fc
  .record({
    protocol: fc.constantFrom(1, 6, 17),
    port: fc.oneof(fc.constantFrom(...WANTED_PORTS), fc.nat(65535)),
    options: fc.nat(10),
    payload: fc.oneof(fc.nat(40), fc.constantFrom(1400, 2000)),
  })
  .map(ipv4Frame);
/** Some bytes of the headers are wrong. */
const damaged = fc
  .tuple(packet, fc.array(fc.tuple(fc.integer({ min: 12, max: 37 }), fc.nat(255)), { maxLength: 3 }))
  .map(([frame, damages]) => {
    for (const [at, byte] of damages) frame[at] = byte;
    return frame;
  });

export const anyFrame: fc.Arbitrary<ReceivedFrame> = fc
  .oneof(noise, { arbitrary: packet, weight: 2 }, { arbitrary: damaged, weight: 3 })
  .chain((frame) =>
    fc.record({
      frame: fc.constant(frame),
      length: fc.oneof(
        { arbitrary: fc.constant(frame.length), weight: 4 },
        fc.nat(frame.length),
        fc.constantFrom(0, 13, 14, 33, 34, 2047, 2048, 2049, 2 ** 31, 2 ** 32 - 1),
      ),
    }),
  );
