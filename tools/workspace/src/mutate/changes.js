/**
 * The small changes to a source text, as a person mistypes: each is one place of the text, and its replacement.
 * Stryker's own list has no left-out calls and no numbers, and tries all changes of a place at once.
 *
 * @typedef {"operator" | "condition" | "call left out" | "constant"} Kind
 * @typedef {{ kind: Kind, start: number, end: number, instead: string }} Change offsets are in UTF-16 units, the end
 * not included.
 * @typedef {{ line: number, before: string, after: string }} Described
 */
import ts from "typescript";

const { SyntaxKind } = ts;

/** The likely mistype of each operator. */
const OTHER_OPERATOR = new Map([
  ["+", "-"],
  ["-", "+"],
  ["*", "/"],
  ["/", "*"],
  ["%", "*"],
  ["<", "<="],
  ["<=", "<"],
  [">", ">="],
  [">=", ">"],
  ["===", "!=="],
  ["!==", "==="],
  ["&&", "||"],
  ["||", "&&"],
  ["&", "|"],
  ["|", "&"],
  ["^", "&"],
  ["<<", ">>"],
  [">>", "<<"],
  [">>>", "<<"],
  ["+=", "-="],
  ["-=", "+="],
  ["|=", "&="],
  ["&=", "|="],
  ["++", "--"],
  ["--", "++"],
]);

/**
 * All changes to a TypeScript source, in the order of their places.
 * @param {string} text
 * @returns {Change[]}
 */
export function changesOf(text) {
  const source = ts.createSourceFile("source.ts", text, ts.ScriptTarget.Latest, true);
  /** @type {Change[]} */
  const found = [];
  /** @param {import("typescript").Node} node */
  const visit = (node) => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    found.push(...changesAt(node, source));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found.sort((one, other) => one.start - other.start);
}

/** @param {string} text @param {Change} change */
export function applied(text, { start, end, instead }) {
  return text.slice(0, start) + instead + text.slice(end);
}

/** A change as people read it. @param {string} text @param {Change} change @returns {Described} */
export function described(text, { start, end, instead }) {
  const line = text.slice(0, start).split("\n").length;
  return { line, before: oneLine(text.slice(start, end)), after: oneLine(instead) };
}

function oneLine(text) {
  return text.replace(/\s+/g, " ").trim();
}

function changesAt(node, source) {
  /** @type {(kind: Kind, place: import("typescript").Node, instead: string) => Change} */
  const change = (kind, place, instead) => ({
    kind,
    start: place.getStart(source),
    end: place.getEnd(),
    instead,
  });
  if (ts.isBinaryExpression(node) && !isText(node))
    return otherOperator(node.operatorToken, source).map((instead) =>
      change("operator", node.operatorToken, instead),
    );
  if (ts.isPrefixUnaryExpression(node)) return prefixChanges(node, source, change);
  const condition = conditionOf(node);
  if (condition !== undefined) return ["true", "false"].map((value) => change("condition", condition, value));
  if (ts.isExpressionStatement(node) && isCall(node.expression)) return [change("call left out", node, ";")];
  return otherConstant(node).map((value) => change("constant", node, value));
}

function otherOperator(operator, source) {
  const other = OTHER_OPERATOR.get(operator.getText(source));
  return other === undefined ? [] : [other];
}

function prefixChanges(node, source, change) {
  const operand = node.operand.getText(source);
  if (node.operator === SyntaxKind.ExclamationToken) return [change("condition", node, operand)];
  const other = OTHER_OPERATOR.get(node.getText(source).slice(0, 2));
  if (other !== undefined) return [change("operator", node, other + operand)];
  return [change("operator", node, operand)];
}

/** A sum of texts has no other operator. */
function isText({ left, right }) {
  return [left, right].some((side) => ts.isStringLiteralLike(side) || ts.isTemplateExpression(side));
}

function conditionOf(node) {
  if (ts.isIfStatement(node) || ts.isWhileStatement(node) || ts.isDoStatement(node)) return node.expression;
  if (ts.isForStatement(node) || ts.isConditionalExpression(node)) return node.condition;
  return undefined;
}

function isCall(node) {
  if (ts.isAwaitExpression(node) || ts.isVoidExpression(node)) return isCall(node.expression);
  return ts.isCallExpression(node) && node.expression.kind !== SyntaxKind.SuperKeyword;
}

function otherConstant(node) {
  if (node.kind === SyntaxKind.TrueKeyword) return ["false"];
  if (node.kind === SyntaxKind.FalseKeyword) return ["true"];
  if (ts.isBigIntLiteral(node)) return [`${BigInt(node.text.slice(0, -1)) + 1n}n`];
  // A literal's own text is decimal, however the source writes it.
  return ts.isNumericLiteral(node) ? [String(Number(node.text) + 1)] : [];
}
