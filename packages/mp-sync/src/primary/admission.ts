import type { PeerCredentials, SeqpacketSocket } from "@vfio/ioctl-native";
import { encodeAnswer, INT_BYTES } from "../wire/protocol.js";

/** Decides which peers may ask. The credentials are the kernel's (SO_PEERCRED), not the client's own claim. */
export type AccessPolicy = (peer: PeerCredentials) => boolean;

/** The default policy: the user this process runs as, or root. */
export function sameUserOrRoot(peer: PeerCredentials, uid?: number): boolean {
  return peer.uid === 0 || peer.uid === (uid ?? process.getuid?.());
}

export interface Refusal {
  readonly detail: string;
  readonly error?: unknown;
}

/** The peer's credentials. Without any, uid -1, which is no user's. */
export function peerOf(socket: SeqpacketSocket): PeerCredentials {
  try {
    return socket.peer;
  } catch {
    return { pid: -1, uid: -1, gid: -1 };
  }
}

/** Asks the policy; one that throws refuses. */
export function refusalOf(peer: PeerCredentials, allow: AccessPolicy): Refusal | undefined {
  try {
    return allow(peer) ? undefined : { detail: `uid ${peer.uid} is not allowed to ask` };
  } catch (error) {
    return { detail: "the access policy threw", error };
  }
}

/** Turns a client away. Closing a socket with an unread packet would reset it, and the client would not see the ERR. */
export function turnAway(socket: SeqpacketSocket): void {
  try {
    socket.receive(INT_BYTES);
    socket.send(encodeAnswer("ERR"));
  } catch {
    return;
  } finally {
    socket.close();
  }
}
