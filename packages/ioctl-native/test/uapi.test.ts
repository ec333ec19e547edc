import { beforeAll, describe, expect, it } from "vitest";
import type { Field, FieldType, Struct } from "../src/index.js";
import { vfioConstants, vfioIoctls, vfioStructs } from "../src/vfio/index.js";
import { runC } from "./support/c-program.js";

const BYTES: Record<FieldType, number> = { u8: 1, u16: 2, u32: 4, s32: 4, u64: 8 };

interface HeaderStruct {
  readonly size: number;
  readonly alignment: number;
  readonly fields: Record<string, [offset: number, bytes: number, isSigned: number]>;
}

interface Header {
  readonly structs: Record<string, HeaderStruct>;
  readonly numbers: Record<string, number>;
}

const structs: Struct<Record<string, Field>>[] = Object.values(vfioStructs);
const constants = Object.entries(vfioConstants);
const ioctls = Object.values(vfioIoctls);

/** A C program that prints what <linux/vfio.h> says about everything that our tables name. */
function programFromTables(): string {
  const lines = structs.map(({ name, fields }) => {
    const each = Object.keys(fields).map((field) => `FIELD(${name}, ${field})`);
    return `STRUCT(${name}) ${each.join(" SEPARATOR ")} printf("}},");`;
  });
  const names = [...constants.map(([name]) => name), ...ioctls.map((ioctl) => ioctl.name)];
  return `#include <stdio.h>
#include <stddef.h>
#include <linux/vfio.h>
#define STRUCT(s) printf("\\"" #s "\\":{\\"size\\":%zu,\\"alignment\\":%zu,\\"fields\\":{", sizeof(struct s), _Alignof(struct s));
#define TYPE(s, f) typeof(((struct s *)0)->f)
#define FIELD(s, f) printf("\\"" #f "\\":[%zu,%zu,%d]", offsetof(struct s, f), sizeof(TYPE(s, f)), (TYPE(s, f))-1 < 1);
#define SEPARATOR printf(",");
#define NUMBER(name) printf("\\"" #name "\\":%lld,", (long long)(name));
int main(void) {
  printf("{\\"structs\\":{");
${lines.join("\n")}
  printf("\\"\\":null},\\"numbers\\":{");
${names.map((name) => `NUMBER(${name})`).join("\n")}
  printf("\\"\\":0}}");
}`;
}

describe("the tables say what the kernel's own header says, when a C compiler reads it", () => {
  let header: Header;
  beforeAll(() => {
    header = runC(programFromTables()) as Header;
  });

  it.each(structs)("$name: every field lies where the header has it, with its size and sign", (struct) => {
    const ours = Object.entries(struct.fields).map(([name, [offset, type]]) => [
      name,
      [offset, BYTES[type], type === "s32" ? 1 : 0],
    ]);
    expect(ours.length).toBeGreaterThan(0);
    expect(header.structs[struct.name]?.fields).toEqual(Object.fromEntries(ours));
  });

  it.each(structs)("$name: its size is the header's, or the header's grew and argsz tells", (struct) => {
    const theirs = header.structs[struct.name]!;
    if ("argsz" in struct.fields) {
      const end = Math.max(...Object.values(struct.fields).map(([offset, type]) => offset + BYTES[type]));
      expect(struct.bytes).toBe(Math.ceil(end / theirs.alignment) * theirs.alignment);
      expect(theirs.size).toBeGreaterThanOrEqual(struct.bytes);
    } else {
      expect(theirs.size).toBe(struct.bytes);
    }
  });

  it.each(constants)("%s is %d", (name, value) => {
    expect(header.numbers[name]).toBe(value);
  });

  it.each(ioctls)("$name has the header's number", ({ name, number }) => {
    expect(header.numbers[name]).toBe(number);
  });

  it("and each table's entry goes by the name under which it is exported", () => {
    expect(structs.map((struct) => struct.name)).toEqual(Object.keys(vfioStructs));
    expect(ioctls.map((ioctl) => ioctl.name)).toEqual(Object.keys(vfioIoctls));
  });

  it("a name that the header lacks does not compile, so it can't go unnoticed", () => {
    expect(() => runC(programFromTables().replaceAll("VFIO_SET_IOMMU", "VFIO_SET_NONSENSE"))).toThrow(
      /VFIO_SET_NONSENSE/,
    );
  });
});
