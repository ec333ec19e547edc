import { expect, it } from "vitest";
import { createMemoryFile, LinearMemory, Mapping } from "@vfio/ioctl-native";
it("works", () => {
  const memory = new LinearMemory({ bytes: 2 ** 24 });
  using file = createMemoryFile({ bytes: 8192, pageBytes: 4096 });
  const ring = Mapping.map({ file, bytes: 8192, within: memory, name: "ring" });
  const words = new Uint32Array(memory.buffer, ring.place?.address, 2048);
  words[3] = 7;
  const r = ring.registers;
  expect(r.read32(12)).toBe(7);
  for (const [w, v] of [[8, 0xfe], [16, 0xfedc], [32, 0xfedcba98]] as const) { (r as any)["write" + w](0x100, v); expect((r as any)["read" + w](0x100)).toBe(v); expect((r as any)["read" + w](0x108)).toBe(0); }
  r.write64(0x100, 0xfedcba9876543210n); expect(r.read64(0x100)).toBe(0xfedcba9876543210n);
  expect(ring.registers.read32(0x104)).toBe(0xfedcba98);
  expect(new Uint32Array(ring.buffer)[0x41]).toBe(0xfedcba98);
  ring.close();
  expect(words[3]).toBe(0);
  expect(() => r.read32(12)).toThrow("closed");
});
