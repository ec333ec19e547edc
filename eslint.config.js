import eslint from "@eslint/js";
import tseslint from "typescript-eslint";
import { LAYERS, PACKAGE_FOLDERS } from "./tools/workspace/src/layers.js";

/** One rule per package: it may import, of ours, only what stands below it; and nobody reaches into a neighbour's folder. */
const layerRules = Object.entries(LAYERS).map(([name, allowed]) => {
  const forbidden = Object.keys(LAYERS).filter((other) => other !== name && !allowed.includes(other));
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
              regex: `^(\\.\\./)+(packages/)?(${neighbours(name)})(/|$)`,
              message: "Import a neighbour by its package name, not by a path into its folder.",
            },
          ],
        },
      ],
    },
  };
});

function neighbours(name) {
  return Object.entries(PACKAGE_FOLDERS)
    .filter(([other]) => other !== name)
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
  {
    files: ["**/*.ts"],
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
      },
    },
  },
  ...layerRules,
);
