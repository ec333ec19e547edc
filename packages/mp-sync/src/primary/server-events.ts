import type { PeerCredentials } from "@vfio/ioctl-native";
import type { Answered } from "../wire/exchange-types.js";

/**
 * Why a client was dropped: it left, sent no valid request, ran out of time, was not allowed, the server closed,
 * answering it failed, or the container lost its lease's mapping.
 */
export type DropReason = "left" | "malformed" | "timeout" | "refused" | "closed" | "failed" | "lost";

/**
 * How the connection with one client ended: it was answered; it was dropped without an answer, or with ERR (`error` for
 * `refused` by a policy that threw, `failed` and `lost`); or its lease is over, the memory unmapped unless there is an
 * `error` such as `ERR_VFIO_LEASE_LOST`: it was given back, or its holder was dropped (`left` for one that died, too).
 */
export type ClientOutcome =
  | Answered
  | {
      readonly type: "dropped";
      readonly reason: DropReason;
      readonly detail: string;
      readonly error?: unknown;
    }
  | {
      readonly type: "lease-ended";
      readonly iova: bigint;
      readonly bytes: number;
      readonly reason: "released" | DropReason;
      readonly error?: unknown;
    };

/**
 * A server's report. `peer` is the client by the kernel's word, -1 everywhere if unknown; if no connection can be taken
 * now (out of fds, say), the server tries again a little later.
 */
export type ServerEvent =
  | (ClientOutcome & { readonly peer: PeerCredentials })
  | { readonly type: "accept-failed"; readonly error: unknown };
