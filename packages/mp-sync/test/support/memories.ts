import { isVfioError, SeqpacketListener, SeqpacketSocket, type Fd } from "@vfio/ioctl-native";
import type { DescribedMemory } from "../../src/index.js";
import { freshPath } from "./folder.js";

/** The longest description there is. */
const BYTES = 65_536;
/** More than any test reads before it leaves. */
const MORE = 40;

/** Memories whose reply does not fit into a connection's queue on this machine; each description is full of its index. */
export function memoriesBeyondQueue(file: Fd): DescribedMemory[] {
  return Array.from({ length: packetsInQueue() + MORE }, (_, index) => ({
    file,
    description: new Uint8Array(BYTES).fill(index),
  }));
}

/** How many descriptions a queue takes: net.core.wmem_default is what the administrator likes. */
function packetsInQueue(): number {
  const path = freshPath();
  using _listener = SeqpacketListener.listen(path, 1);
  using socket = SeqpacketSocket.connect(path);
  for (let sent = 0; ; sent++) if (!fits(socket)) return sent;
}

function fits(socket: SeqpacketSocket): boolean {
  try {
    socket.send(new Uint8Array(BYTES));
    return true;
  } catch (error) {
    if (isVfioError(error) && error.code === "EAGAIN") return false;
    throw error;
  }
}
