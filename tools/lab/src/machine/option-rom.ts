/** In the job's folder, and in `/run/vfio-lab` of the guest. */
export const OPTION_ROM_FILE = "option.rom";

/** In units of 512 bytes: less than the 2 KiB of its BAR. */
const UNITS = 3;
const DATA_STRUCTURE = 0x1c;
const RETF = 0xcb;

/**
 * An expansion ROM for the lab's virtio entropy device (PCI Firmware Specification 3.3, 5.1): one image for a PC, which
 * returns at once, then words that all differ; all bytes add up to 0.
 */
export function optionRom(): Uint8Array {
  const words = Uint32Array.from({ length: UNITS * 128 }, (_, index) => Math.imul(index, 0x9e3779b1));
  const rom = new Uint8Array(words.buffer);
  rom.fill(0, 0, DATA_STRUCTURE + 0x18);
  rom.set([0x55, 0xaa, UNITS, RETF]);
  rom[0x18] = DATA_STRUCTURE;
  rom.set(dataStructure(), DATA_STRUCTURE);
  rom[rom.length - 1] = 0;
  rom[rom.length - 1] = -rom.reduce((sum, byte) => sum + byte, 0);
  return rom;
}

/** The PCI data structure: the device, the length, the purpose, and that no other image follows. */
function dataStructure(): Uint8Array {
  const view = new DataView(new ArrayBuffer(0x18));
  new Uint8Array(view.buffer).set(Buffer.from("PCIR"));
  view.setUint16(0x04, 0x1af4, true);
  view.setUint16(0x06, 0x1044, true);
  view.setUint16(0x0a, view.byteLength, true);
  // Class 00 ff 00: none of the others.
  view.setUint8(0x0e, 0xff);
  view.setUint16(0x10, UNITS, true);
  view.setUint8(0x15, 0x80);
  return new Uint8Array(view.buffer);
}
