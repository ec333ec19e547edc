/** What one `recvmsg` brought. No bytes and no fds: the peer left. */
export interface ReceivedPacket {
  readonly bytes: Uint8Array;
  /** The caller closes them. */
  readonly fds: number[];
  /** True if bytes or fds did not fit and the kernel dropped the rest. */
  readonly truncated: boolean;
}

/** A datagram and its sender. One without bytes and fds is a datagram like any other. */
export interface ReceivedDatagram extends ReceivedPacket {
  /** The path of the sender's socket; empty if it has none, so that no answer is possible. */
  readonly from: string;
}
