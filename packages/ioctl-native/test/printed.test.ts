import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { createMemoryFile, EventFd, Fd, Mapping, openFile, SeqpacketListener } from "../src/index.js";
import { Holds, printAs } from "../src/internal.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { socketFolder } from "./support/sockets.js";

const pathOf = socketFolder();
fdsStayAsTheyWere();

const textOf = (object: { toString(): string }): string => object.toString();

/** What somebody sees of an object: logged, and in a text. */
function seen(object: object): string {
  const logged = inspect(object);
  expect(textOf(object)).toBe(logged);
  return logged;
}

describe("given a resource that somebody prints, its state is seen, also when it is closed", () => {
  it("a file descriptor", () => {
    const file = openFile("/dev/null", { name: "the container" });
    expect(seen(file)).toBe(`Fd { name: "the container", fd: ${file.fd}, closed: false }`);
    file.close();
    expect(seen(file)).toBe('Fd { name: "the container", closed: true }');
  });

  it("an eventfd, alone and in what somebody logs", () => {
    const event = EventFd.create();
    expect(seen(event)).toBe(`EventFd { fd: ${event.fd}, closed: false }`);
    expect(inspect({ event })).toBe(`{ event: EventFd { fd: ${event.fd}, closed: false } }`);
    event.close();
    expect(seen(event)).toBe("EventFd { closed: true }");
  });

  it("a mapping: where it is, and nothing of what is in it", () => {
    using file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
    const mapping = Mapping.map({ file, bytes: 4096, name: "ring" });
    new Uint8Array(mapping.buffer).fill(0x5a);
    const place = `name: "ring", address: 0x${mapping.address.toString(16)}, bytes: 4096`;
    expect(seen(mapping)).toBe(`Mapping { ${place}, closed: false }`);
    mapping.close();
    expect(seen(mapping)).toBe(`Mapping { ${place}, closed: true }`);
  });

  it("a listener", () => {
    using listener = SeqpacketListener.listen(pathOf("socket"), 1);
    expect(seen(listener)).toBe(`SeqpacketListener { fd: ${listener.fd}, closed: false }`);
  });
});

it.each([Fd, EventFd, Mapping, Holds])("given the class itself, its prototype prints too", (type) => {
  expect(textOf(type.prototype)).toBe(`${type.name} {}`);
});

it("given state that fails when it is looked at, printing does not", () => {
  class Broken {
    get state(): string {
      throw new Error("not now");
    }
    static {
      printAs(Broken, ({ state }) => ({ state }));
    }
  }
  expect(seen(new Broken())).toBe("Broken {}");
  expect(Object.keys(new Broken())).toEqual([]);
});
