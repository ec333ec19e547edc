import { expect, it } from "vitest";
import { createMemoryFile, Mapping, EventFd, waitForFd } from "../src/index.js";
it("works", async () => {
  using file = createMemoryFile({ bytes: 8192, pageBytes: 4096 });
  using m = Mapping.map({ file, bytes: 8192, name: "m", populate: true });
  m.registers.write32(4, 0xdeadbeef);
  expect(new Uint32Array(m.buffer)[1]).toBe(0xdeadbeef);
  expect(() => m.registers.read32(8192)).toThrow(RangeError);
  expect(() => m.registers.read32(2)).toThrow(RangeError);
  using e = EventFd.create();
  setTimeout(() => e.signal(3), 10);
  await waitForFd(e);
  expect(e.read()).toBe(3);
  m.close();
});
