// AssemblyScript: compiled to WebAssembly, and imported as `./packet-filter.wasm`. `PlainPacketFilter` does the same in
// plain TypeScript, and explains it.

const DESCRIPTOR_BYTES: u32 = 16;
const LENGTH: usize = 8;
const STATUS: usize = 12;
const VERDICT: usize = 13;
const DONE: u32 = 1;
const BLOCK_BYTES: u32 = 2048;

const ETHERNET_BYTES: u32 = 14;
const IPV4: u32 = 0x0800;
const TCP: u32 = 6;
const UDP: u32 = 17;

const PASSED: u32 = 1;
const NOT_IPV4: u32 = 2;
const BAD_LENGTH: u32 = 3;
const BAD_CHECKSUM: u32 = 4;
const REFUSED: u32 = 5;

export function filterRing(ring: usize, slots: u32, blocks: usize, ports: usize, first: u32): u32 {
  let taken: u32 = 0;
  for (; taken < slots; taken++) {
    const slot = (first + taken) & (slots - 1);
    const descriptor = ring + slot * DESCRIPTOR_BYTES;
    if ((atomic.load<u8>(descriptor + STATUS) & DONE) == 0) break;
    const verdict = verdictOn(blocks + slot * BLOCK_BYTES, load<u32>(descriptor + LENGTH), ports);
    store<u8>(descriptor + VERDICT, verdict);
    store<u8>(descriptor + STATUS, 0);
  }
  return taken;
}

export function verdictOn(frame: usize, bytes: u32, ports: usize): u32 {
  if (bytes < ETHERNET_BYTES || bytes > BLOCK_BYTES) return BAD_LENGTH;
  if (bigEndian(frame + 12) != IPV4) return NOT_IPV4;
  if (bytes < ETHERNET_BYTES + 20) return BAD_LENGTH;
  const header = frame + ETHERNET_BYTES;
  const headerBytes: u32 = (load<u8>(header) & 15) * 4;
  const packetBytes = bigEndian(header + 2);
  if (load<u8>(header) >> 4 != 4 || headerBytes < 20) return NOT_IPV4;
  if (headerBytes > packetBytes || packetBytes > bytes - ETHERNET_BYTES) return BAD_LENGTH;
  if (checksum(header, headerBytes) != 0) return BAD_CHECKSUM;
  return isWanted(header, headerBytes, packetBytes, ports) ? PASSED : REFUSED;
}

export function checksum(address: usize, bytes: u32): u32 {
  const end = address + (bytes & ~1);
  let sum: u32 = 0;
  for (let at = address; at < end; at += 2) sum += bigEndian(at);
  if ((bytes & 1) == 1) sum += (load<u8>(end) as u32) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum ^ 0xffff;
}

function isWanted(header: usize, headerBytes: u32, packetBytes: u32, ports: usize): bool {
  const protocol: u32 = load<u8>(header + 9);
  if ((protocol != TCP && protocol != UDP) || packetBytes < headerBytes + 4) return false;
  const isLaterFragment = (bigEndian(header + 6) & 0x1fff) != 0;
  const port = bigEndian(header + headerBytes + 2);
  return !isLaterFragment && ((load<u8>(ports + (port >> 3)) >> (port & 7)) & 1) == 1;
}

function bigEndian(address: usize): u32 {
  return bswap<u16>(load<u16>(address));
}
