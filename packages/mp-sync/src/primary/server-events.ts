import type { PeerCredentials } from "@vfio/ioctl-native";
import type { Answered } from "../wire/exchange-types.js";

/**
 * Why a client was dropped: it left, sent no valid request, ran out of time, was not allowed, the server closed,
 * answering it failed, or the container lost its lease's mapping.
 */
export type DropReason = "left" | "malformed" | "timeout" | "refused" | "closed" | "failed" | "lost";

/** How the connection with one client ended. */
export type ClientOutcome =
  | Answered
  | {
      /** Without an answer, or with ERR. */
      readonly type: "dropped";
      readonly reason: DropReason;
      /** The reason in words. */
      readonly detail: string;
      /** For `refused` (by a policy that threw), `failed` and `lost`. */
      readonly error?: unknown;
    }
  | {
      /** The memory is unmapped, unless there is an error. */
      readonly type: "lease-ended";
      readonly iova: bigint;
      readonly bytes: number;
      /** Given back, or why the holder was dropped: `left` for one that died, too. */
      readonly reason: "released" | DropReason;
      /** What failed, if anything: `ERR_VFIO_LEASE_LOST` for a mapping that was already gone. */
      readonly error?: unknown;
    };

/** A server's report. */
export type ServerEvent =
  | (ClientOutcome & {
      /** The client by the kernel's word, -1 everywhere if unknown. */
      readonly peer: PeerCredentials;
    })
  | {
      /** No connection can be taken now (out of fds, say); the server tries again a little later. */
      readonly type: "accept-failed";
      readonly error: unknown;
    };
