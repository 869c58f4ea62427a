import { expect } from 'chai';
import { JobTooBigError, PendingLimitError } from '../../../src/client/errors.js';
import { toHaricotError } from '../../../src/drivers/beanstalkd/errors.js';
import { EngineError } from '../../../src/queue/errors.js';

describe('An error of the client, as the framework tells it,', () => {
  it('may be tried again where too much was in flight, and nothing was done', () => {
    const cause = new PendingLimitError('too much', { command: 'put' });
    expect(toHaricotError(cause))
      .to.be.instanceOf(EngineError)
      .and.include({ retryable: true, outcome: 'nothing', cause });
  });

  it('is final where a body is too large, and nothing was done', () => {
    const cause = new JobTooBigError('too large', { command: 'put' });
    expect(toHaricotError(cause))
      .to.be.instanceOf(EngineError)
      .and.include({ retryable: false, outcome: 'nothing', cause });
  });
});
