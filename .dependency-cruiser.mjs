/**
 * dependency-cruiser's rules: no circle of imports between files, and no published source that needs a tool.
 * `npx depcruise packages tools` shows what breaks one; a test runs the same. ESLint looks at the layers.
 * @satisfies {import("dependency-cruiser").IConfiguration}
 */
export default {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    {
      name: "no-tool-in-a-source",
      severity: "error",
      from: { path: "^packages/[^/]+/src/", pathNot: "^packages/examples/" },
      to: { path: "^tools/" },
    },
  ],
  options: {
    exclude: { path: "(^|/)(dist|node_modules|prebuilds)/" },
    doNotFollow: { path: "(^|/)(dist|node_modules)/" },
    // Imports that TypeScript leaves out, of types alone, count too.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["@vfio/source", "types", "node", "import", "default"],
    },
  },
};
