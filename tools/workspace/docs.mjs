/**
 * `npm run docs`: set-up; brings the code that the documentation quotes up to date; then TypeDoc over all packages into
 * docs/site. Anything that TypeDoc warns of (an undocumented symbol, a link that leads nowhere) is a failure.
 * With `--check`, as in `npm test`, the pages stay as they are; a test looks at what they quote.
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { bootstrap, root, stop } from "../set-up/bootstrap.mjs";

/** A changelog's own heading is no more than the package's name. */
const CHANGELOG = "Changes in ";
const HEADING = /^# (.+)\n/;
const PAGES_WITH_QUOTES = ["README.md", "docs/walkthrough.md", "docs/hot-loops.md"];
/** TypeDoc's names of `[Symbol.dispose]` and `[Symbol.asyncDispose]`, which the sources leave without a comment. */
const CLOSERS = {
  "[dispose]": "Closes it at the end of a `using` block.",
  "[asyncDispose]": "Closes it at the end of an `await using` block.",
};

await bootstrap();
const { refreshQuotes } = await import("./src/docs/quoted-code.js");
const { Application, Comment, LogLevel, ReflectionKind } = await import("typedoc");

if (!process.argv.includes("--check")) PAGES_WITH_QUOTES.forEach(refreshPage);
process.chdir(root);
const application = await Application.bootstrapWithPlugins({ logLevel: LogLevel.Warn });
const project = await application.convert();
if (project === undefined) stop("TypeDoc could not read the packages.");
else await write(project);

function refreshPage(page) {
  const file = path.join(root, page);
  const before = readFileSync(file, "utf8");
  const after = refreshQuotes(before, root);
  if (after === before) return;
  writeFileSync(file, after);
  process.stderr.write(`${page}: the quoted code is up to date again\n`);
}

async function write(project) {
  takeNameFromReadme(project);
  for (const document of project.documents ?? []) takeTitleFromHeading(document);
  guidesFirst(project);
  documentClosers(project);
  application.validate(project);
  await application.generateOutputs(project);
  const { errorCount, warningCount } = application.logger;
  if (errorCount + warningCount > 0)
    stop(`The documentation has ${errorCount} errors and ${warningCount} warnings.`);
  process.stdout.write(`The documentation is in ${path.join(root, "docs/site/index.html")}\n`);
}

/** A page is called in the site what its first heading calls it, and not by its file's name. */
function takeTitleFromHeading(document) {
  const heading = headingOf(document.content) ?? document.name;
  document.name = document.name.endsWith("/CHANGELOG") ? `${CHANGELOG}${heading}` : heading;
}

/** In the navigation, what is to be read comes before what is to be looked up; the changelogs come last. */
function guidesFirst(project) {
  const documents = project.documents ?? [];
  const changelogs = documents.filter(({ name }) => name.startsWith(CHANGELOG));
  const guides = documents.filter((document) => !changelogs.includes(document));
  project.childrenIncludingDocuments = [...guides, ...(project.children ?? []), ...changelogs];
}

function documentClosers(project) {
  for (const signature of project.getReflectionsByKind(ReflectionKind.CallSignature)) {
    const text = CLOSERS[signature.name];
    if (text !== undefined) signature.comment ??= new Comment([{ kind: "text", text }]);
  }
}

/** So is the whole site, by the front page's heading. */
function takeNameFromReadme(project) {
  project.name = headingOf(project.readme) ?? project.name;
  for (const page of [project, ...(project.children ?? [])]) dropHeading(page);
}

/** TypeDoc writes a heading of its own above each README. */
function dropHeading({ readme }) {
  const [first] = readme ?? [];
  if (first !== undefined) first.text = first.text.replace(HEADING, "");
}

function headingOf(content) {
  return HEADING.exec(content?.[0]?.text ?? "")?.[1];
}
