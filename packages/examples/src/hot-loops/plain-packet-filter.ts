import { BLOCK_BYTES, DESCRIPTOR, DONE, VERDICT, type PacketFilter } from "./packet-filter.js";

const ETHERNET = { bytes: 14, type: 12 };
const IPV4 = { type: 0x0800, bytes: 20, total: 2, fragment: 6, protocol: 9 };
const PROTOCOLS_WITH_PORTS = [6, 17];

/** The filter in plain TypeScript: to be read, and for the compiled one to be compared with. */
export class PlainPacketFilter implements PacketFilter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(memory: SharedArrayBuffer) {
    this.#bytes = new Uint8Array(memory);
    this.#view = new DataView(memory);
  }

  filterRing(ring: number, slots: number, blocks: number, ports: number, first: number): number {
    for (let taken = 0; taken < slots; taken++) {
      const slot = (first + taken) & (slots - 1);
      const descriptor = ring + slot * DESCRIPTOR.bytes;
      // What the device writes last is read first, and by a load that the ones below do not overtake.
      if ((Atomics.load(this.#bytes, descriptor + DESCRIPTOR.status) & DONE) === 0) return taken;
      const length = this.#view.getUint32(descriptor + DESCRIPTOR.length, true);
      const verdict = this.verdictOn(blocks + slot * BLOCK_BYTES, length, ports);
      this.#view.setUint8(descriptor + DESCRIPTOR.verdict, verdict);
      this.#view.setUint8(descriptor + DESCRIPTOR.status, 0);
    }
    return slots;
  }

  verdictOn(frame: number, bytes: number, ports: number): number {
    // The device's word, too, is not taken for the length: what lies behind the block is not read.
    if (bytes < ETHERNET.bytes || bytes > BLOCK_BYTES) return VERDICT.badLength;
    if (this.#view.getUint16(frame + ETHERNET.type) !== IPV4.type) return VERDICT.notIpv4;
    if (bytes < ETHERNET.bytes + IPV4.bytes) return VERDICT.badLength;
    const header = frame + ETHERNET.bytes;
    const first = this.#view.getUint8(header);
    const headerBytes = (first & 15) * 4;
    const total = this.#view.getUint16(header + IPV4.total);
    if (first >> 4 !== 4 || headerBytes < IPV4.bytes) return VERDICT.notIpv4;
    if (headerBytes > total || total > bytes - ETHERNET.bytes) return VERDICT.badLength;
    if (this.checksum(header, headerBytes) !== 0) return VERDICT.badChecksum;
    return this.#isWanted(header, headerBytes, total, ports) ? VERDICT.passed : VERDICT.refused;
  }

  checksum(address: number, bytes: number): number {
    const end = address + (bytes & ~1);
    let sum = 0;
    for (let at = address; at < end; at += 2) sum += this.#view.getUint16(at);
    if ((bytes & 1) === 1) sum += this.#view.getUint8(end) << 8;
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    return sum ^ 0xffff;
  }

  /** TCP or UDP to a port of the set. Only a packet's first fragment has its ports. */
  #isWanted(header: number, headerBytes: number, total: number, ports: number): boolean {
    const hasPorts = PROTOCOLS_WITH_PORTS.includes(this.#view.getUint8(header + IPV4.protocol));
    const isLater = (this.#view.getUint16(header + IPV4.fragment) & 0x1fff) !== 0;
    if (!hasPorts || isLater || total < headerBytes + 4) return false;
    const port = this.#view.getUint16(header + headerBytes + 2);
    return ((this.#view.getUint8(ports + (port >> 3)) >> (port & 7)) & 1) === 1;
  }
}
