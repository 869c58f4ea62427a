import { expect } from 'chai';
import { LiveLine } from '../../../src/cli/output/terminal-line.js';
import type { FakeOutput } from '../../support/fake-output.js';
import { terminal } from '../harness.js';

const CLEAR = '\r\u001b[2K';

describe('The live line', () => {
  let output: FakeOutput;
  let line: LiveLine;
  /** What the terminal gets, whichever stream it comes through. */
  let screen: string;

  beforeEach(() => {
    output = terminal(20);
    screen = '';
    for (const sink of [output.stdout, output.stderr]) {
      sink.write = (text) => {
        screen += text;
        return true;
      };
    }
    line = new LiveLine(output.stderr, [output.stdout, output.stderr]);
  });

  it('replaces what it said before', () => {
    line.show('one');
    line.show('two');
    expect(screen).to.equal(`${CLEAR}one${CLEAR}two`);
  });

  it('stays below what is written to either stream', () => {
    line.show('status');
    screen = '';
    output.stdout.write('a report\n');
    output.stderr.write('a complaint\n');
    expect(screen).to.equal(`${CLEAR}a report\n${CLEAR}status${CLEAR}a complaint\n${CLEAR}status`);
  });

  it('waits while a line is not ended, so that nothing of it is lost', () => {
    line.show('status');
    screen = '';
    output.stdout.write('half');
    line.show('later');
    expect(screen).to.equal(`${CLEAR}half`);
    output.stdout.write(' a line\n');
    output.stdout.write('');
    expect(screen).to.equal(`${CLEAR}half a line\n${CLEAR}later${CLEAR}${CLEAR}later`);
  });

  it('heeds bytes too, and passes on what write answers', () => {
    const bytes = Buffer.from('half') as unknown as string;
    expect(output.stdout.write(bytes)).to.equal(true);
    line.show('status');
    expect(screen).to.equal('half');
  });

  it('is cut where it does not fit, as a line that wraps could not be taken away', () => {
    line.show('0123456789 0123456789');
    expect(screen).to.equal(`${CLEAR}0123456789 01234567`);
  });

  it('leaves the terminal and the streams as they were', () => {
    line.show('status');
    line.end();
    output.stdout.write('after\n');
    expect(screen).to.equal(`${CLEAR}status${CLEAR}after\n`);
  });

  it('takes nothing away that was never shown', () => {
    output.stdout.write('text\n');
    line.end();
    expect(screen).to.equal('text\n');
  });
});
