/** What a frame is made of. */
export interface FrameOptions {
  /** UDP's by default; 6 is TCP. */
  readonly protocol?: number;
  readonly port: number;
  /** Options of the IPv4 header, in words of 32 bits: up to 10. */
  readonly options?: number;
  /** Behind the ports, in bytes. */
  readonly payload?: number;
}

const ETHERNET_BYTES = 14;
const CHECKSUM = 10;
const UDP = 17;

/** An Ethernet frame with an IPv4 packet to a port, and the right checksum in its header. */
export function ipv4Frame({ protocol = UDP, port, options = 0, payload = 22 }: FrameOptions): Uint8Array {
  const headerBytes = 20 + options * 4;
  const packetBytes = headerBytes + 4 + payload;
  const frame = new Uint8Array(ETHERNET_BYTES + packetBytes);
  const view = new DataView(frame.buffer);
  view.setUint16(12, 0x0800);
  view.setUint8(ETHERNET_BYTES, 0x40 | (headerBytes / 4));
  view.setUint16(ETHERNET_BYTES + 2, packetBytes);
  view.setUint8(ETHERNET_BYTES + 9, protocol);
  view.setUint16(ETHERNET_BYTES + headerBytes + 2, port);
  return sealed(frame);
}

/** The frame with the right checksum in its header: the words' sum in ones' complement, which is that modulo 0xffff. */
export function sealed(frame: Uint8Array): Uint8Array {
  const header = new DataView(frame.buffer, frame.byteOffset + ETHERNET_BYTES);
  header.setUint16(CHECKSUM, 0);
  let sum = 0;
  for (let at = 0; at < (header.getUint8(0) & 15) * 4; at += 2) sum += header.getUint16(at);
  header.setUint16(CHECKSUM, 0xffff - (sum % 0xffff));
  return frame;
}
