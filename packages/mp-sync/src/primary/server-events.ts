import type { PeerCredentials } from "@vfio/ioctl-native";
import type { Answered } from "./exchange-types.js";

/**
 * Why a client was dropped: it left, sent what is no request, ran out of time, was not allowed, the server
 * closed, answering it failed, or the container lost its lease's mapping.
 */
export type DropReason = "left" | "malformed" | "timeout" | "refused" | "closed" | "failed" | "lost";

/** How the connection with one client ended. */
export type ClientOutcome =
  | Answered
  | {
      /** It was dropped without an answer, or with ERR. */
      readonly type: "dropped";
      /** Why. */
      readonly reason: DropReason;
      /** The reason in words. */
      readonly detail: string;
      /** What failed, for `refused` (by a policy that threw), `failed` and `lost`. */
      readonly error?: unknown;
    }
  | {
      /** A lease that had been granted is over: its memory is unmapped, unless there is an error. */
      readonly type: "lease-ended";
      /** Its first address. */
      readonly iova: bigint;
      /** Its length. */
      readonly bytes: number;
      /** It was given back, or why its holder was dropped: `left` for one that died, too. */
      readonly reason: "released" | DropReason;
      /** What failed, if something did: `ERR_VFIO_LEASE_LOST` if the mapping was not there any more. */
      readonly error?: unknown;
    };

/** What a server tells about its work. */
export type ServerEvent =
  | (ClientOutcome & {
      /** The client: as the kernel says, or -1 everywhere if it does not say. */
      readonly peer: PeerCredentials;
    })
  | {
      /** No connection can be taken now (out of fds, say); tried again a little later. */
      readonly type: "accept-failed";
      /** What the kernel said. */
      readonly error: unknown;
    };
