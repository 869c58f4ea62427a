import { expect } from 'chai';
import { isLost, toEngineError } from '../../../src/drivers/postgres/errors.js';
import { EngineError, InvalidOptionError } from '../../../src/queue/errors.js';

const withCode = (code: string, message = 'x'): Error => Object.assign(new Error(message), { code });

describe('Errors of PostgreSQL', () => {
  it('tell whether the same call may succeed later, and whether it may have been done', () => {
    const cases: readonly (readonly [Error, boolean, EngineError['outcome']])[] = [
      [withCode('40001'), true, 'nothing'],
      [withCode('40P01'), true, 'nothing'],
      [withCode('53300'), true, 'nothing'],
      [withCode('25006'), true, 'nothing'],
      [withCode('57P01'), true, 'unknown'],
      [withCode('ECONNRESET'), true, 'unknown'],
      [new Error('Connection terminated unexpectedly'), true, 'unknown'],
      [withCode('42501'), false, 'nothing'],
      [withCode('22021'), false, 'nothing'],
      [new Error('something else'), false, 'nothing'],
    ];
    for (const [error, retryable, outcome] of cases) {
      const found = toEngineError(error, 'cannot store messages');
      expect(found, String((error as { code?: string }).code)).to.be.instanceOf(EngineError);
      expect(found).to.include({ retryable, outcome, cause: error });
      expect(toEngineError(error, 'cannot look', false)).to.include({ outcome: 'nothing' });
      expect(toEngineError(error, 'cannot connect', false)).to.include({ outcome: 'nothing' });
    }
  });

  it('say what was to be done, what the server says, escaped, and what helps', () => {
    expect(toEngineError(withCode('28P01', 'no \u001b[31m'), 'cannot set up').message).to.equal(
      'cannot set up: no \\u001b[31m (28P01); check the user and the password in the URL',
    );
    expect(toEngineError(withCode('57P01', 'terminated'), 'cannot store messages').message).to.equal(
      'cannot store messages: terminated (57P01); it may have been done or not',
    );
  });

  it('pass errors of haricot on', () => {
    const error = new InvalidOptionError('no');
    expect(toEngineError(error, 'cannot')).to.equal(error);
  });

  it('tell a connection that is of no use any more', () => {
    expect(
      [
        withCode('57P01'),
        withCode('EPIPE'),
        withCode('08006'),
        new Error('Client was closed and is not queryable'),
      ].map(isLost),
    ).to.deep.equal([true, true, true, true]);
    expect([withCode('23505'), new Error('x'), undefined].map(isLost)).to.deep.equal([false, false, false]);
  });
});
