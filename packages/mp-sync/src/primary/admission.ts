import type { PeerCredentials, SeqpacketSocket } from "@vfio/ioctl-native";
import { encodeAnswer, INT_BYTES } from "../wire/protocol.js";

/** Decides who may ask. The credentials are the kernel's (SO_PEERCRED), not the client's own word. */
export type AccessPolicy = (peer: PeerCredentials) => boolean;

/** The policy when none is given: the user this process runs as, or root. */
export function sameUserOrRoot(peer: PeerCredentials, uid?: number): boolean {
  return peer.uid === 0 || peer.uid === (uid ?? process.getuid?.());
}

export interface Refusal {
  readonly detail: string;
  /** What the policy threw, if it did. */
  readonly error?: unknown;
}

/** Who is at the other end. Nobody's credentials are no reason to trust: uid -1 is no user's. */
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

/** Turns a client away. Closing a socket with an unread packet resets it, and the client would not see the ERR. */
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
