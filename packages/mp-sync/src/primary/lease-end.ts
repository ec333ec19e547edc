import type { Lease } from "../wire/lease-messages.js";
import type { Leases } from "./leases.js";
import type { ClientOutcome } from "./server-events.js";

type LeaseEnd = Extract<ClientOutcome, { type: "lease-ended" }>;

/** When the server closes, everything must be unmapped before it returns; a lost mapping takes no time. */
export function mustNotWait(outcome: ClientOutcome): boolean {
  return outcome.type === "dropped" && (outcome.reason === "closed" || outcome.reason === "lost");
}

/** Unmaps a finished client's lease, and says how it ended. Never rejects. */
export async function end(leases: Leases, lease: Lease, outcome: ClientOutcome): Promise<LeaseEnd> {
  try {
    await leases.releaseAsync(lease);
    return endOf(lease, outcome);
  } catch (error) {
    return { ...endOf(lease, outcome), error };
  }
}

export function endNow(leases: Leases, lease: Lease, outcome: ClientOutcome): LeaseEnd {
  try {
    leases.release(lease);
    return endOf(lease, outcome);
  } catch (error) {
    return { ...endOf(lease, outcome), error };
  }
}

function endOf({ iova, bytes }: Lease, outcome: ClientOutcome): LeaseEnd {
  const reason = outcome.type === "dropped" ? outcome.reason : "released";
  const failure = outcome.type === "dropped" && "error" in outcome ? { error: outcome.error } : {};
  return { type: "lease-ended", iova, bytes, reason, ...failure };
}
