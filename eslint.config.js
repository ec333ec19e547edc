import eslint from "@eslint/js";
import tseslint from "typescript-eslint";
import { LAYERS, PACKAGE_FOLDERS, TOOL_LAYERS } from "./tools/workspace/src/layers.js";

const ALL_LAYERS = { ...LAYERS, ...TOOL_LAYERS };

/** One rule per package: it may import, of ours, only what stands below it; and nobody reaches into a neighbour's folder. */
const layerRules = Object.entries(ALL_LAYERS).map(([name, allowed]) => {
  const forbidden = Object.keys(ALL_LAYERS).filter(
    (other) => ![name, "@vfio/test-support", ...allowed].includes(other),
  );
  return {
    files: [`${PACKAGE_FOLDERS[name]}/**/*.{ts,js,mjs}`],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            ...forbidden.map((other) => ({
              group: [other, `${other}/**`],
              message: `${name} stands beside or below ${other} and must not import it (see ARCHITECTURE.md, layers).`,
            })),
            {
              regex: `^(\\.\\./)+((packages|tools)/)?(${neighbours(name)})(/|$)`,
              message: "Import a neighbour by its package name, not by a path into its folder.",
            },
          ],
        },
      ],
    },
  };
});

/** Not those that tools import before npm has installed anything: then there are no package names. */
function neighbours(name) {
  const byPath = PACKAGE_FOLDERS[name].startsWith("tools/") ? ["@vfio/set-up"] : [];
  return Object.entries(PACKAGE_FOLDERS)
    .filter(([other]) => ![name, ...byPath].includes(other))
    .map(([, folder]) => folder.split("/").at(-1))
    .join("|");
}

export default tseslint.config(
  {
    ignores: [
      "**/dist/**",
      "**/prebuilds/**",
      "**/native/build/**",
      "docs/site/**",
      ".nx/**",
      "**/fixtures/**",
    ],
  },
  eslint.configs.recommended,
  // AssemblyScript's types are its own: its compiler checks them.
  { files: ["**/*.as.ts"], extends: [tseslint.configs.strict] },
  {
    files: ["**/*.ts"],
    ignores: ["**/*.as.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true, allowNullish: true },
      ],
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/consistent-type-imports": "error",
      // `using _ = …` holds something until the end of its block without ever being named again.
      "@typescript-eslint/no-unused-vars": ["error", { varsIgnorePattern: "^_", argsIgnorePattern: "^_" }],
    },
  },
  {
    files: ["**/test/**/*.ts"],
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-empty-function": "off",
      "@typescript-eslint/unbound-method": "off",
      "@typescript-eslint/require-await": "off",
    },
  },
  {
    files: ["**/*.{js,mjs}"],
    languageOptions: {
      globals: {
        process: "readonly",
        console: "readonly",
        performance: "readonly",
        AbortController: "readonly",
        AbortSignal: "readonly",
        fetch: "readonly",
        WebAssembly: "readonly",
      },
    },
  },
  ...layerRules,
);
