interface Following {
  readonly followers: Set<AbortController>;
  readonly onAbort: () => void;
}

const followings = new WeakMap<AbortSignal, Following>();

/**
 * Aborts a controller, for the same reason, when a signal is aborted, until disposed.
 *
 * One listener serves all followers of a signal, and goes with the last: Node.js warns of a leak from the eleventh
 * listener on, and a device may have 2048 vectors that are waited for with one signal. And no `AbortSignal.any`: what
 * it adds to a long-lived signal is never collected on Node.js 20.
 */
export function followSignal(signal: AbortSignal, follower: AbortController): Disposable {
  const following = followings.get(signal) ?? beginFollowing(signal);
  following.followers.add(follower);
  return {
    [Symbol.dispose]() {
      following.followers.delete(follower);
      if (following.followers.size > 0) return;
      signal.removeEventListener("abort", following.onAbort);
      followings.delete(signal);
    },
  };
}

function beginFollowing(signal: AbortSignal): Following {
  const followers = new Set<AbortController>();
  const onAbort = (): void => {
    for (const follower of followers) follower.abort(signal.reason);
  };
  signal.addEventListener("abort", onAbort);
  const following = { followers, onAbort };
  followings.set(signal, following);
  return following;
}
