import { describe, expect, it } from "vitest";
import { withRetries } from "../src/tests/with-retries.js";

/** An action that fails with these errors, one after the other, then succeeds; and how it went. */
function failing(...errors: Error[]): { tries: number; said: string[]; done: Promise<void> } {
  const seen = { tries: 0, said: [] as string[] };
  const action = (): void => {
    const error = errors[seen.tries++];
    if (error !== undefined) throw error;
  };
  const isFinal = (error: unknown): boolean => (error as Error).message === "no space left";
  const say = (line: string): void => void seen.said.push(line);
  return Object.assign(seen, { done: withRetries(action, { isFinal, say, pauseMs: 1 }) });
}

describe("given a download that fails", () => {
  it("twice, then it is tried a third time, and each failure is told in its own words", async () => {
    const download = failing(new Error("502 Bad Gateway"), new Error("Hash Sum mismatch"));

    await download.done;

    expect(download.tries).toBe(3);
    expect(download.said).toEqual([
      "Try 1 of 3 failed, the next one is in 0.001 s: 502 Bad Gateway",
      "Try 2 of 3 failed, the next one is in 0.001 s: Hash Sum mismatch",
    ]);
  });

  it("each time, then the last failure is the error", async () => {
    const download = failing(new Error("first"), new Error("second"), new Error("third"));

    await expect(download.done).rejects.toThrow("third");
    expect(download.tries).toBe(3);
  });

  it("for a reason that another try cannot mend, then there is none", async () => {
    const download = failing(new Error("no space left"));

    await expect(download.done).rejects.toThrow("no space left");
    expect([download.tries, download.said]).toEqual([1, []]);
  });
});
