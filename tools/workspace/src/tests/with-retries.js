import { setTimeout as sleep } from "node:timers/promises";

const TRIES = 3;
const PAUSE_MS = 10_000;

/**
 * Does something that needs the network, which may be gone for a moment: tries it up to three times.
 * @param {() => unknown} action
 * @param {object} options
 * @param {(error: unknown) => boolean} options.isFinal whether an error is one that another try cannot mend.
 * @param {(line: string) => void} options.say told of each try that failed, but the last.
 * @param {number} [options.pauseMs] between two tries.
 * @throws what the last try threw.
 */
export async function withRetries(action, { isFinal, say, pauseMs = PAUSE_MS }) {
  for (let attempt = 1; ; attempt++) {
    try {
      return void (await action());
    } catch (error) {
      if (attempt === TRIES || isFinal(error)) throw error;
      const why = error instanceof Error ? error.message : String(error);
      say(`Try ${attempt} of ${TRIES} failed, the next one is in ${pauseMs / 1000} s: ${why}`);
      await sleep(pauseMs);
    }
  }
}
