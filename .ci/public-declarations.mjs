// Removes from dist/ the declarations that no export of the package refers to. Users see only what they can import, and the
// tarball is smaller by what it does not need. Members that are marked @internal are stripped by the compiler before.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';

const { exports } = JSON.parse(readFileSync('package.json', 'utf8'));
const doors = Object.values(exports).flatMap(({ types }) => (types ? [resolve(types)] : []));
const root = resolve('dist');
const program = ts.createProgram(doors, {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: [],
});
const checker = program.getTypeChecker();
const isOurs = (file) => file.fileName.startsWith(root);

/** The statements, and the specifiers of imports and exports, that something public refers to. */
const reached = new Set();

/** Marks what a symbol is declared by, and all that those declarations refer to. */
function reach(symbol) {
  for (const declaration of symbol?.declarations ?? []) {
    const file = declaration.getSourceFile();
    if (!isOurs(file)) continue;
    const part = partOf(declaration);
    if (part === undefined || reached.has(part)) continue;
    reached.add(part);
    if (ts.isImportSpecifier(part) || ts.isExportSpecifier(part)) reach(checker.getImmediateAliasedSymbol(symbol));
    else visit(part);
  }
}

function visit(node) {
  if (ts.isIdentifier(node)) reach(checker.getSymbolAtLocation(node));
  ts.forEachChild(node, visit);
}

/** The import or export specifier, or else the statement, that a declaration is a part of. */
function partOf(declaration) {
  for (let node = declaration; node; node = node.parent) {
    if (ts.isImportSpecifier(node) || ts.isExportSpecifier(node)) return node;
    if (ts.isSourceFile(node.parent)) return node;
  }
  return undefined;
}

/** The text of a statement with only the specifiers that are reached; empty where nothing is left of it. */
function prune(statement, file) {
  const names = ts.isImportDeclaration(statement) ? statement.importClause?.namedBindings : statement.exportClause;
  if (names === undefined || !(ts.isNamedImports(names) || ts.isNamedExports(names))) {
    // `export * from` stays; what it leads to is pruned in its own file.
    const isKept = reached.has(statement) || ts.isExportDeclaration(statement);
    return isKept ? statement.getFullText(file) : '';
  }
  const kept = names.elements.filter((name) => reached.has(name));
  if (kept.length === names.elements.length) return statement.getFullText(file);
  if (kept.length === 0) return '';
  const text = statement.getFullText(file);
  const start = statement.getFullStart();
  const list = `{ ${kept.map((name) => name.getText(file)).join(', ')} }`;
  return text.slice(0, names.getStart(file) - start) + list + text.slice(names.getEnd() - start);
}

for (const door of doors) {
  const symbol = checker.getSymbolAtLocation(program.getSourceFile(door));
  for (const exported of checker.getExportsOfModule(symbol)) reach(exported);
  for (const own of symbol.exports.values()) reach(own);
}
for (const path of readdirSync(root, { recursive: true })) {
  if (!path.endsWith('.d.ts')) continue;
  const file = program.getSourceFile(join(root, path));
  const kept =
    file?.statements
      .map((statement) => prune(statement, file))
      .join('')
      .trim() ?? '';
  if (kept === '') rmSync(join(root, path));
  else writeFileSync(join(root, path), `${kept}\n`);
}
