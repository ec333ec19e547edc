/** What one `recvmsg` brought. No bytes and no fds: the peer left. */
export interface ReceivedPacket {
  /** The packet's data. */
  readonly bytes: Uint8Array;
  /** The descriptors that rode along; the caller closes them. */
  readonly fds: number[];
  /** True if bytes or fds did not fit and the kernel threw the rest away. */
  readonly truncated: boolean;
}

/** A datagram, and who sent it. One without bytes and fds is a datagram like any other. */
export interface ReceivedDatagram extends ReceivedPacket {
  /** The path of the sender's socket; empty if it has none, so that nothing can be answered. */
  readonly from: string;
}
