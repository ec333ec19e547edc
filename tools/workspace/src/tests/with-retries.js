import pRetry from "p-retry";

const TRIES = 3;
const PAUSE_MS = 10_000;

/**
 * Does something that needs the network, which may be gone for a moment: tries it up to three times.
 * @param {() => unknown} download
 * @param {object} options
 * @param {(error: Error) => boolean} options.isFinal whether another try cannot mend an error.
 * @param {(line: string) => void} options.say told of each failure that another try follows.
 * @param {number} [options.pauseMs] between two tries.
 * @throws the last try's error.
 */
export async function withRetries(download, { isFinal, say, pauseMs = PAUSE_MS }) {
  await pRetry(download, {
    retries: TRIES - 1,
    minTimeout: pauseMs,
    factor: 1,
    // Asked only if there is another try to come. A mistake of ours (a TypeError, but for those of fetch) has none.
    shouldRetry({ error, attemptNumber }) {
      if (isFinal(error)) return false;
      say(
        `Try ${attemptNumber} of ${TRIES} failed, the next one is in ${pauseMs / 1000} s: ${error.message}`,
      );
      return true;
    },
  });
}
