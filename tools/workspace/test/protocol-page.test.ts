import { execFileSync, spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openFile } from "@vfio/ioctl-native";
import { FdServer, mpProtocol } from "@vfio/mp-sync";
import { shortTemporaryFolder } from "@vfio/test-support";

const root = path.resolve(import.meta.dirname, "../../..");
const page = readFileSync(path.join(root, "docs/protocol.md"), "utf8");
const folder = shortTemporaryFolder("vfio-protocol-page-");
const socket = path.join(folder, "primary.sock");

afterAll(() => rmSync(folder, { recursive: true }));

describe("given the numbers on the protocol page", () => {
  const { REQ_CONTAINER, REQ_GROUP, OK, NO_FD, ERR } = mpProtocol;
  const { REQ_HELLO, REQ_MEMORY, REQ_IOMMU_TYPE, REQ_DEVICES, REQ_LEASE, RELEASE } = mpProtocol;
  const ours = { REQ_HELLO, REQ_MEMORY, REQ_IOMMU_TYPE, REQ_DEVICES, REQ_LEASE, RELEASE };
  const numbers = { REQ_CONTAINER, REQ_GROUP, OK, NO_FD, ERR, ...ours };

  it.each(Object.entries(numbers))("then %s is the one of the sources", (name, number) => {
    const row = new RegExp(`^\\| \`(\\S+)\` +\\| ${name} +\\|`, "m").exec(page);
    expect(Number(row?.[1])).toBe(number);
  });
});

describe("given the secondary in C on the protocol page, compiled without a warning", () => {
  const program = path.join(folder, "secondary");

  beforeAll(() => {
    const source = /```c\n(#include[^]*?)```/.exec(page)?.[1] ?? "";
    writeFileSync(`${program}.c`, source);
    execFileSync("gcc", ["-Wall", "-Wextra", "-Werror", "-o", program, `${program}.c`]);
  });

  it("when a primary runs, then it gets the container's fd", async () => {
    using container = openFile("/dev/null");
    await using server = await FdServer.listen({ container, groups: [], path: socket });

    const { code, output } = await run(program, server.path);

    expect(output).toMatch(/^container fd \d+\n$/);
    expect(code).toBe(0);
  });

  it("when the primary refuses, then it ends with an error and without an fd", async () => {
    using container = openFile("/dev/null");
    await using server = await FdServer.listen({ container, groups: [], path: socket, allow: () => false });

    expect(await run(program, server.path)).toEqual({ code: 1, output: "" });
  });

  it("when there is no primary, then it ends with an error", async () => {
    expect(await run(program, socket)).toEqual({ code: 1, output: "" });
  });
});

async function run(program: string, argument: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(program, [argument], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, output };
}
