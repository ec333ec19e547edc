import { existsSync, rmSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DatagramSocket, SeqpacketListener } from "../src/index.js";
import { resultOfChild } from "./support/elsewhere.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { Datagrams, socketFolder } from "./support/sockets.js";

const pathOf = socketFolder();
fdsStayAsTheyWere();
const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

describe("a datagram", () => {
  it("says from whom it is, so that it can be answered, and may be empty", () => {
    using two = new Datagrams(pathOf("two"));
    two.near.send(two.far.path, bytes(1, 2));
    two.near.send(two.far.path, bytes());
    const whole = { bytes: Buffer.from([1, 2]), fds: [], truncated: false, from: two.near.path };
    expect(two.far.receive(9)).toEqual(whole);
    expect(two.far.receive(9)).toMatchObject({ bytes: Buffer.alloc(0), from: two.near.path });
    expect(two.far.receive(9)).toBeUndefined();
    two.far.send(two.near.path, bytes(3));
    expect(two.near.receive(9)).toMatchObject({ bytes: Buffer.from([3]), from: two.far.path });
  });

  it("of a sender without a path has no sender to answer", () => {
    using two = new Datagrams(pathOf("two"));
    const code = `
      const { spawnSync } = await import("node:child_process");
      const program = "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', ${JSON.stringify(two.far.path).replaceAll('"', "'")})";
      console.log(spawnSync("python3", ["-c", program]).status);`;
    expect(resultOfChild(code)).toBe(0);
    expect(two.far.receive(9)).toMatchObject({ bytes: Buffer.from("x"), from: "" });
    expect(errorOf(() => two.far.send("", bytes(1))).code).toBe("EINVAL");
  });

  it("to a closed socket is ECONNREFUSED, to none ENOENT, each with the hint for its errno", () => {
    using two = new Datagrams(pathOf("two"));
    two.far.close();
    const failure = (path: string): unknown =>
      errorOf(() => two.near.send(path, bytes(1), [], (errno) => `it was ${errno}`));
    expect(failure(two.far.path)).toMatchObject({ code: "ECONNREFUSED", hint: "it was -111" });
    expect(failure(pathOf("absent"))).toMatchObject({ code: "ENOENT", hint: "it was -2" });
  });
});

describe("a datagram socket", () => {
  it("leaves its file when it is closed, which may be twice, and says then that it is", () => {
    const socket = DatagramSocket.bind(pathOf("file"));
    socket.close();
    socket.close();
    expect(socket.closed).toBe(true);
    expect(errorOf(() => socket.receive(1)).code).toBe("ERR_VFIO_CLOSED");
    expect(existsSync(pathOf("file"))).toBe(true);
    rmSync(pathOf("file"));
  });

  it("that is connected takes datagrams from that peer only", () => {
    using two = new Datagrams(pathOf("two"));
    using stranger = DatagramSocket.bind(pathOf("stranger"));
    two.near.connect(two.far.path);
    expect(errorOf(() => stranger.send(two.near.path, bytes(9))).code).toBe("EPERM");
    two.far.send(two.near.path, bytes(1));
    expect(two.near.receive(9)).toMatchObject({ bytes: Buffer.from([1]), from: two.far.path });
    rmSync(stranger.path);
  });

  it("can't connect to a socket of another type, a closed one or none", () => {
    using two = new Datagrams(pathOf("two"));
    using _listener = SeqpacketListener.listen(pathOf("other"), 1);
    const code = (path: string): string | undefined => errorOf(() => two.near.connect(path)).code;
    expect(code(pathOf("other"))).toBe("EPROTOTYPE");
    two.far.close();
    expect(code(two.far.path)).toBe("ECONNREFUSED");
    expect(code(pathOf("absent"))).toBe("ENOENT");
    rmSync(pathOf("other"));
  });
});
