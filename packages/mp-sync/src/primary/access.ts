import type { PeerCredentials } from "@vfio/ioctl-native";

/** Decides who may ask. The credentials are the kernel's (SO_PEERCRED), not the client's own word. */
export type AccessPolicy = (peer: PeerCredentials) => boolean;

/** The policy when none is given: the user this process runs as, or root. */
export function sameUserOrRoot(peer: PeerCredentials, uid?: number): boolean {
  return peer.uid === 0 || peer.uid === (uid ?? process.getuid?.());
}
