import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import ts from 'typescript';

const FOLDER = 'src';
const LENGTH = 100_000;
/** A quadratic one takes seconds, a linear one milliseconds: of the processor's time, so that a busy machine changes nothing. */
const LIMIT_MS = 500;

/** What may be repeated, and what stands before and behind it: characters that the expressions look for, and one that none does. */
const REPEATED = [
  ' ',
  '\n',
  '\r\n',
  ' \n',
  '\t',
  'a',
  '0',
  '-',
  '.',
  '/',
  '//',
  ':',
  '@',
  '=',
  '&',
  '"',
  '[',
  '0.',
  'a:',
  ': ',
];
const BEFORE = ['', 'x', 'a://', 'SyntaxError: '];
const BEHIND = ['', '!'];

function hostile(length: number): string[] {
  const middles = REPEATED.map((repeated) => repeated.repeat(length / repeated.length));
  return middles.flatMap((middle) => BEFORE.flatMap((before) => BEHIND.map((behind) => before + middle + behind)));
}

interface Found {
  readonly place: string;
  readonly expression: RegExp;
}

/** Every regular expression that stands in a source file. */
function expressionsIn(path: string): Found[] {
  const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const found: Found[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isRegularExpressionLiteral(node)) {
      const end = node.text.lastIndexOf('/');
      const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      const expression = new RegExp(node.text.slice(1, end), node.text.slice(end + 1));
      found.push({ place: `${path}:${line} ${node.text}`, expression });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function processorMs(action: () => void): number {
  const before = process.cpuUsage();
  action();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** The beginning of the first string for which it takes too long. */
function slowFor({ expression }: Found, texts: readonly string[]): string | undefined {
  const search = (text: string): unknown => (expression.global ? text.replace(expression, '') : expression.test(text));
  return texts.find((text) => processorMs(() => search(text)) > LIMIT_MS)?.slice(0, 20);
}

describe('Every regular expression of the sources', function () {
  this.timeout(120_000);

  it('takes time linear in the length of a string, whatever is in it', () => {
    const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const all = files.flatMap((file) => expressionsIn(join(FOLDER, file)));
    expect(all.length).to.be.above(30);
    const texts = hostile(LENGTH);
    const slow = all.map((found) => [found.place, slowFor(found, texts)]).filter(([, text]) => text !== undefined);
    expect(slow).to.deep.equal([]);
  });

  it('is found slow by the same test where it is not', () => {
    expect(slowFor({ place: '', expression: /\s*[\r\n]+\s*/g }, hostile(LENGTH / 2))).to.be.a('string');
  });
});
