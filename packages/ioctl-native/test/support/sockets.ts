import { rmSync } from "node:fs";
import path from "node:path";
import { shortTemporaryFolder } from "@vfio/test-support";
import { afterAll, beforeAll } from "vitest";
import { SeqpacketListener, SeqpacketSocket } from "../../src/index.js";

/** A folder for socket files that lives as long as the tests of the file; returns the path of a name in it. */
export function socketFolder(): (name: string) => string {
  let folder = "";
  beforeAll(() => {
    folder = shortTemporaryFolder("vfio-socket-");
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  return (name) => path.join(folder, name);
}

/** Two connected ends; disposing closes them. */
export class Pair implements Disposable {
  readonly near: SeqpacketSocket;
  readonly far: SeqpacketSocket;

  constructor(file: string) {
    using listener = SeqpacketListener.listen(file, 1);
    this.near = SeqpacketSocket.connect(file);
    this.far = listener.accept()!;
    rmSync(file);
  }

  [Symbol.dispose](): void {
    this.near.close();
    this.far.close();
  }
}
