import { expect } from 'chai';
import { plain } from '../../../src/cli/output/colour.js';
import { type Column, printTable, table } from '../../../src/cli/output/table.js';
import { FakeOutput } from '../../support/fake-output.js';
import { setVariable, terminal, useEnvironment } from '../harness.js';

interface Row {
  readonly name: string;
  readonly count: number;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'N', cell: ({ count }) => String(count), right: true },
  { title: 'NOTE', cell: ({ name }) => name.slice(0, 1) },
];
const ROWS = [
  { name: 'mail', count: 5 },
  { name: 'a-long-name', count: 12_000 },
  { name: '', count: 0 },
];

describe('A table', () => {
  useEnvironment({ FORCE_COLOR: undefined, NO_COLOR: undefined, TERM: 'xterm' });

  it('has aligned columns, numbers at the right, and no blanks at the end of a line', () => {
    expect(table(COLUMNS, ROWS, plain)).to.deep.equal([
      'NAME             N  NOTE',
      'mail             5  m',
      'a-long-name  12000  a',
      '                 0',
    ]);
  });

  it('has only titles where there are no rows', () => {
    expect(table(COLUMNS, [], plain)).to.deep.equal(['NAME  N  NOTE']);
  });

  it('is a JSON object a line for programs, even where colours are forced', () => {
    setVariable('FORCE_COLOR', '1');
    const output = new FakeOutput();
    printTable(output, true, COLUMNS, ROWS.slice(0, 2));
    expect(output.out).to.equal('{"name":"mail","count":5}\n{"name":"a-long-name","count":12000}\n');
  });

  it('has dim titles on a terminal, and no other colours', () => {
    const output = terminal();
    printTable(output, false, COLUMNS, ROWS.slice(0, 1));
    expect(output.out).to.equal('\u001b[2mNAME  N  NOTE\u001b[22m\nmail  5  m\n');
  });
});
