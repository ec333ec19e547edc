/**
 * Quotes code from the sources in the documentation, and keeps the two equal.
 *
 * A comment above a code block says what it quotes:
 *
 * <!-- code: packages/examples/src/pipeline/primary.ts step 3 -->
 * <!-- prettier-ignore -->
 *     ```ts
 *     …
 *     ```
 *
 * What can be quoted of a file: `file` (all of it), `function NAME`, `step NUMBER` and `task "TITLE"`: the statement
 * with that call of a Reporter, with the statements between it and the one before. Of the call only the reported work
 * is quoted: `const first = open();` of `const first = report.step(1, "one", () => open());`.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

const QUOTE =
  /(?<marker><!-- code: (?<file>\S+) (?<selector>[^\n]+?) -->\n<!-- prettier-ignore -->\n)```(?<language>ts|c)\n(?<code>[^]*?)```\n/g;

/**
 * The page with every quotation as the sources have it now.
 * @param {string} page the page's Markdown.
 * @param {string} root the workspace's root, from which the quoted files are named.
 * @returns {string}
 * @throws {Error} if quoted code no longer exists.
 */
export function refreshQuotes(page, root) {
  return page.replaceAll(QUOTE, (...match) => {
    const { marker, file, selector, language } = match.at(-1);
    return `${marker}\`\`\`${language}\n${quote(readFileSync(path.join(root, file), "utf8"), selector)}\n\`\`\`\n`;
  });
}

/** The file and selector of each quotation. @param {string} page @returns {string[]} */
export function quotesOf(page) {
  return [...page.matchAll(QUOTE)].map(({ groups }) => `${groups?.file} ${groups?.selector}`);
}

/**
 * A part of a TypeScript source, moved to the left margin.
 * @param {string} source the file's text.
 * @param {string} selector
 * @returns {string}
 */
export function quote(source, selector) {
  if (selector === "file") return source.trimEnd();
  const file = ts.createSourceFile("quoted.ts", source, ts.ScriptTarget.ESNext, true);
  const [kind = "", name = ""] = selector.split(/ (.*)/s);
  const [first, last] = kind === "function" ? functionNamed(file, name) : statementsOfCall(file, kind, name);
  const [comment] = ts.getLeadingCommentRanges(source, first.getFullStart()) ?? [];
  const start = comment?.pos ?? first.getStart(file);
  const call = kind === "function" ? undefined : find(last, (node) => isReport(node, kind));
  const code =
    call === undefined ? source.slice(start, last.getEnd()) : withoutReport(source, start, last, call);
  return dedent(code, source, start);
}

/** @param {ts.Node} statement the last one. */
function withoutReport(source, start, statement, call) {
  const action = call.arguments.find((argument) => ts.isArrowFunction(argument));
  if (action === undefined || ts.isBlock(action.body)) return source.slice(start, statement.getEnd());
  // The report of something synchronous is awaited too: if the action itself awaits, its own `await` comes along.
  const replaced = ts.isAwaitExpression(call.parent) ? call.parent : call;
  const body = bodyAtMargin(source, action.body, replaced);
  return (
    source.slice(start, replaced.getStart()) + body + source.slice(replaced.getEnd(), statement.getEnd())
  );
}

function bodyAtMargin(source, body, replaced) {
  const inner = ts.isParenthesizedExpression(body) ? body.expression : body;
  const [from, to] = [marginAt(source, inner.getStart()), marginAt(source, replaced.getStart())];
  return inner.getText().replaceAll(`\n${" ".repeat(from)}`, `\n${" ".repeat(to)}`);
}

function marginAt(source, at) {
  const line = source.slice(source.lastIndexOf("\n", at - 1) + 1);
  return line.length - line.trimStart().length;
}

function functionNamed(file, name) {
  const found = file.statements.find(
    (statement) => ts.isFunctionDeclaration(statement) && statement.name?.text === name,
  );
  if (found === undefined) throw new Error(`there is no function ${name} to quote`);
  return [found, found];
}

/**
 * @param {string} method `step` or `task`.
 * @param {string} argument the first argument, as it is written.
 */
function statementsOfCall(file, method, argument) {
  const call = find(file, (node) => isReport(node, method) && node.arguments[0]?.getText(file) === argument);
  if (call === undefined) throw new Error(`there is no report.${method}(${argument}, …) to quote`);
  let statement = call;
  while (!ts.isBlock(statement.parent)) statement = statement.parent;
  const siblings = statement.parent.statements;
  const end = siblings.findIndex((each) => each === statement);
  let start = end;
  while (start > 0 && !reports(siblings[start - 1])) start--;
  return [siblings[start] ?? statement, statement];
}

function reports(statement) {
  return statement !== undefined && find(statement, (node) => isReport(node)) !== undefined;
}

function isReport(node, method) {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return false;
  const { expression, name } = node.expression;
  if (!ts.isIdentifier(expression) || expression.text !== "report") return false;
  return method === undefined || name.text === method;
}

/**
 * @template {ts.Node} T
 * @param {ts.Node} node
 * @param {(node: ts.Node) => node is T} test
 * @returns {T | undefined}
 */
function find(node, test) {
  return test(node) ? node : ts.forEachChild(node, (child) => find(child, test));
}

/** @param {number} start where the code begins in the source. */
function dedent(code, source, start) {
  const margin = start - (source.lastIndexOf("\n", start - 1) + 1);
  return code.replaceAll(new RegExp(`\\n {${margin}}`, "g"), "\n");
}
