import { leavesNothingBehind } from "@vfio/test-support";
import { expect, it, vi } from "vitest";

leavesNothingBehind();

it("given the lab's edu device, the program on the front page runs as it stands there", async () => {
  const printed = vi.spyOn(console, "log").mockReturnValue();

  await import("../../src/readme-example.js");

  expect(printed.mock.calls).toEqual([
    [expect.stringMatching(/^edu 0x10000ed: DMA from IOVA 0x[1-9a-f][0-9a-f]*000$/)],
  ]);
  printed.mockRestore();
});
