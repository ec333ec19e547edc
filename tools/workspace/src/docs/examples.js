/**
 * Every `@example` in the packages' TSDoc and every ```ts fence in the pages: compiled against the packages' sources,
 * and run with the build if they need nothing special.
 *
 * A first line `// needs a device` (or anything else after "needs") says that an example cannot run everywhere. It is
 * compiled all the same, with the names of given.d.ts. So is one without an import: it is a part of a program.
 * `console.log(…); // text` says what is printed.
 *
 * @typedef {{ name: string, code: string, needs: string | undefined }} Example
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import MarkdownIt from "markdown-it";
import ts from "typescript";

const NEEDS = /^\/\/ (?:.+; )?needs (.+)$/m;
const PRINTS = /^\s*console\.log\(.*\); \/\/ (.+)$/gm;
const FENCE = /```ts\n([^]*?)```/g;
/** Marks a fence that is quoted from the sources, which compile elsewhere. */
const QUOTED = "<!-- code:";

/**
 * The examples in a page's fences.
 * @param {string} file the page's name, for messages.
 * @param {string} page its Markdown.
 * @returns {Example[]}
 */
export function examplesOfPage(file, page) {
  const tokens = new MarkdownIt({ html: true }).parse(page, {});
  const fences = tokens.filter(
    (token, index) => token.type === "fence" && token.info === "ts" && !isQuoted(tokens, index),
  );
  return fences.map(({ content, map }) => example(`${file}:${(map?.[0] ?? 0) + 1}`, content));
}

/**
 * The examples in a source's TSDoc.
 * @param {string} file the source's name, for messages.
 * @param {string} source
 * @returns {Example[]}
 */
export function examplesOfSource(file, source) {
  const parsed = ts.createSourceFile(file, source, ts.ScriptTarget.ESNext, true);
  /** @type {Example[]} */
  const found = [];
  const visit = (/** @type {ts.Node} */ node) => {
    for (const tag of ts.getJSDocTags(node)) {
      if (tag.tagName.text !== "example" || tag.parent.parent !== node) continue;
      const line = parsed.getLineAndCharacterOfPosition(tag.getStart(parsed)).line + 1;
      const text = ts.getTextOfJSDocComment(tag.comment) ?? "";
      found.push(...[...text.matchAll(FENCE)].map(([, code = ""]) => example(`${file}:${line}`, code)));
    }
    ts.forEachChild(node, visit);
  };
  visit(parsed);
  return found;
}

/**
 * Compiles examples.
 * @param {readonly Example[]} examples
 * @param {string} folder for them and their JavaScript, within the workspace.
 * @param {string} given a declaration file of the names that examples take as given.
 * @returns {Map<string, string[]>} the errors by the example's name; none for a right one.
 */
export function compileExamples(examples, folder, given) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const named = new Map(examples.map((each) => [fileOf(each, folder, "mts"), each]));
  for (const [file, { code }] of named) writeFileSync(file, `${code}\nexport {};\n`);
  const program = ts.createProgram([...named.keys(), given], {
    ...options(folder),
    outDir: folder,
    noEmit: false,
  });
  const mistakes = new Map();
  for (const [file, { name }] of named) {
    const source = program.getSourceFile(file);
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    if (found.length > 0) mistakes.set(name, found.map(inWords));
    const { outputText } = ts.transpileModule(source?.text ?? "", {
      compilerOptions: options(folder),
      fileName: file,
    });
    writeFileSync(fileOf({ name }, folder, "mjs"), outputText);
  }
  return mistakes;
}

/**
 * Runs a compiled example.
 * @param {Example} example
 * @param {string} folder where it was compiled.
 * @returns {{ status: number | null, stdout: string, stderr: string }}
 */
export function runExample(example, folder) {
  return spawnSync(process.execPath, [fileOf(example, folder, "mjs")], { encoding: "utf8", timeout: 60_000 });
}

/** The lines that an example says it prints. @param {Example} example @returns {string[]} */
export function promisedOutput({ code }) {
  return [...code.matchAll(PRINTS)].map(([, text = ""]) => text);
}

function example(name, code) {
  // Without an import it is a part of a program, with names from the text around it.
  const part = /^import /m.test(code) ? undefined : "the rest of its program";
  return { name, code, needs: NEEDS.exec(code)?.[1] ?? part };
}

function isQuoted(tokens, index) {
  // Each comment above a fence is a block of its own.
  let above = index - 1;
  while (tokens[above]?.type === "html_block" && !tokens[above]?.content.includes(QUOTED)) above--;
  return tokens[above]?.type === "html_block";
}

function fileOf({ name }, folder, ending) {
  return path.join(folder, `${name.replaceAll(/[^\w-]+/g, "_")}.${ending}`);
}

function options(folder) {
  const file = path.join(import.meta.dirname, "../../../../tsconfig.base.json");
  const { config } = ts.readConfigFile(file, (name) => readFileSync(name, "utf8"));
  const { options: base } = ts.parseJsonConfigFileContent(config, ts.sys, folder);
  // An example may show a value without using it.
  return { ...base, noUnusedLocals: false, verbatimModuleSyntax: false };
}

function inWords({ file, start = 0, messageText }) {
  const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1;
  return `line ${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
}
