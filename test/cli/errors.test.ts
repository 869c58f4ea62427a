import { expect } from 'chai';
import { CommandFailedError, errorLine, exitCodeOf, UsageError } from '../../src/cli/errors.js';
import { InvalidArgumentError } from '../../src/client/errors.js';
import { InvalidOptionError, SchemaError, UnsupportedError } from '../../src/queue/errors.js';

describe('The exit code', () => {
  it('is 2 for wrong usage: what another command line would make right', () => {
    for (const error of [
      new UsageError('unknown option'),
      new InvalidOptionError('no such order'),
      new SchemaError('mail.send', []),
      new UnsupportedError('only the first'),
      new InvalidArgumentError('no id'),
    ]) {
      expect(exitCodeOf(error), error.name).to.equal(2);
    }
  });

  it('is 1 for everything else', () => {
    for (const error of [
      new CommandFailedError('NOT_FOUND', 'no message'),
      Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }),
      Object.assign(new Error('odd'), { code: 5 }),
      new Error('bug'),
      'thrown text',
      null,
    ]) {
      expect(exitCodeOf(error), String(error)).to.equal(1);
    }
  });
});

describe('The line about an error', () => {
  const error = new CommandFailedError('NOT_FOUND', 'no message 7', { cause: new Error('two\nlines') });

  it('is a sentence with its causes for people', () => {
    expect(errorLine(error, false)).to.equal('haricot: no message 7 (two lines)');
  });

  it('is a record with a code for programs', () => {
    expect(JSON.parse(errorLine(error, true))).to.deep.equal({
      error: { code: 'NOT_FOUND', message: 'no message 7 (two lines)' },
    });
    expect(JSON.parse(errorLine('thrown', true))).to.deep.equal({ error: { code: 'FAILED', message: 'thrown' } });
  });
});
