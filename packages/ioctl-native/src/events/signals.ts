export interface Follower {
  end(reason: unknown): void;
}

interface Following {
  readonly followers: Set<Follower>;
  readonly onAbort: () => void;
}

const followings = new WeakMap<AbortSignal, Following>();

/**
 * Calls a follower when a signal is aborted. One listener serves all followers of a signal: Node.js warns of a leak
 * from the eleventh listener on, and one signal may end the waits for a device's 2048 vectors. `AbortSignal.any` will
 * not do: what it adds to a long-lived signal is never collected on Node.js 20.
 */
export function follow(signal: AbortSignal, follower: Follower): void {
  (followings.get(signal) ?? beginFollowing(signal)).followers.add(follower);
}

export function unfollow(signal: AbortSignal, follower: Follower): void {
  const following = followings.get(signal);
  if (following?.followers.delete(follower) !== true || following.followers.size > 0) return;
  signal.removeEventListener("abort", following.onAbort);
  followings.delete(signal);
}

function beginFollowing(signal: AbortSignal): Following {
  const followers = new Set<Follower>();
  const onAbort = (): void => {
    for (const follower of followers) follower.end(signal.reason);
  };
  signal.addEventListener("abort", onAbort);
  const following = { followers, onAbort };
  followings.set(signal, following);
  return following;
}
