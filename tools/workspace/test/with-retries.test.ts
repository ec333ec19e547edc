import { describe, expect, it } from "vitest";
import { withRetries } from "../src/tests/with-retries.js";

/** A download that fails with these errors, one after the other, then succeeds; and how it went. */
function failing(...errors: Error[]): { tries: number; said: string[]; done: Promise<void> } {
  const seen = { tries: 0, said: [] as string[] };
  const download = (): void => {
    const error = errors[seen.tries++];
    if (error !== undefined) throw error;
  };
  const isFinal = ({ message }: Error): boolean => message === "no space left";
  const say = (line: string): void => void seen.said.push(line);
  return Object.assign(seen, { done: withRetries(download, { isFinal, say, pauseMs: 1 }) });
}

describe("given a download that fails", () => {
  it("twice, it is tried a third time, and each failure is told in its own words", async () => {
    const download = failing(new TypeError("fetch failed"), new Error("Hash Sum mismatch"));

    await download.done;

    expect(download.tries).toBe(3);
    expect(download.said).toEqual([
      "Try 1 of 3 failed, the next one is in 0.001 s: fetch failed",
      "Try 2 of 3 failed, the next one is in 0.001 s: Hash Sum mismatch",
    ]);
  });

  it("each time, the last failure is the error, and no further try is announced", async () => {
    const download = failing(new Error("first"), new Error("second"), new Error("third"));

    await expect(download.done).rejects.toThrow("third");
    expect([download.tries, download.said.length]).toEqual([3, 2]);
  });

  it.each([new Error("no space left"), new TypeError("x is not a function")])(
    "for a reason that another try cannot mend (%s), there is none",
    async (error) => {
      const download = failing(error);

      await expect(download.done).rejects.toBe(error);
      expect([download.tries, download.said]).toEqual([1, []]);
    },
  );
});
