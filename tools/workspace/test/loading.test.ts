import { execFileSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../../..");

/** Runs a program with the built packages, as a user's project would have them. */
function run(inputType: "module" | "commonjs", program: string): string {
  const args = [`--input-type=${inputType}`, "-e", program];
  return execFileSync(process.execPath, args, {
    cwd: path.join(root, "packages/examples"),
    encoding: "utf8",
  }).trim();
}

describe.each([
  ["@vfio/ioctl-native", "Mapping"],
  ["@vfio/vfio-core", "Container"],
  ["@vfio/dma", "DmaMapper"],
  ["@vfio/pci-bar", "PciDevice"],
  ["@vfio/mp-sync", "FdServer"],
])("given %s as it is published", (name, exported) => {
  it("import gives it", () => {
    expect(run("module", `import { ${exported} } from "${name}"; console.log(${exported}.name)`)).toBe(
      exported,
    );
  });

  it("require() gives it too", () => {
    expect(run("commonjs", `console.log(require("${name}").${exported}.name)`)).toBe(exported);
  });

  it("both give the same class: there is one copy of it", () => {
    const program = `
      const required = require("${name}");
      import("${name}").then((imported) => console.log(String(required.${exported} === imported.${exported})))`;
    expect(run("commonjs", program)).toBe("true");
  });
});

describe.each([
  ["@vfio/ioctl-native/vfio", "decodeIommuInfo"],
  ["@vfio/pci-bar/registers", "RegisterTable"],
  ["@vfio/pci-bar/config", "ConfigPicture"],
  ["@vfio/mp-sync/dpdk", "DpdkPrimary"],
  ["@vfio/mp-sync/wire", "Exchange"],
])("given %s, a part of a package on its own", (name, exported) => {
  it("it has the class that the whole package has", () => {
    const whole = name.split("/").slice(0, 2).join("/");
    const program = `
      import { ${exported} } from "${whole}";
      import * as part from "${name}";
      console.log(part.${exported} === ${exported}, part.${exported}.name)`;
    expect(run("module", program)).toBe(`true ${exported}`);
  });
});
