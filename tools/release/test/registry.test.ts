import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { freePort, startRegistry } from "../src/rehearsal/registry.js";

let folder: string;
/** Somebody else, who has taken a port and answers every question there. */
let stranger: Server;
let taken: number;
const { signal } = new AbortController();

beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), "registry-"));
  stranger = createServer((_request, response) => void response.end("{}")).listen(0, "127.0.0.1");
  await once(stranger, "listening");
  taken = (stranger.address() as AddressInfo).port;
});
afterEach(() => {
  stranger.close();
  rmSync(folder, { recursive: true });
});

describe("given a port that somebody takes before the registry has it", { timeout: 200_000 }, () => {
  it("the registry takes another one, and answers there", async () => {
    let choices = 0;
    const registry = await startRegistry(folder, signal, async () => (choices++ === 0 ? taken : freePort()));

    const answer = await fetch(`${registry.url}-/ping`);
    await registry.stop();

    expect([choices, registry.url === `http://127.0.0.1:${taken}/`, answer.ok]).toEqual([2, false, true]);
    expect(existsSync(`/proc/${registry.pid}`)).toBe(false);
  });

  it("and the next, and the next: its own words are the error", async () => {
    let choices = 0;
    const started = startRegistry(folder, signal, () => Promise.resolve((choices++, taken)));

    await expect(started).rejects.toThrow(/The registry does not start:[^]*EADDRINUSE/);
    expect(choices).toBe(3);
  });
});
