import { expect } from 'chai';
import { Tubes, toSeconds } from '../../../src/drivers/beanstalkd/tubes.js';
import { InvalidOptionError } from '../../../src/queue/errors.js';
import { thrown } from '../../support/failures.js';

describe('The tube of a queue', () => {
  it('has the name of the queue, behind the prefix of the installation', () => {
    expect(new Tubes('').tubeOf('mail')).to.equal('mail');
    expect(new Tubes('staging-').tubeOf('mail')).to.equal('staging-mail');
    expect(new Tubes('staging-').queueOf('staging-mail')).to.equal('mail');
  });

  it('must be short enough with its prefix', () => {
    const tubes = new Tubes('staging-');
    expect(tubes.tubeOf('x'.repeat(192))).to.have.length(200);
    expect(thrown(() => tubes.tubeOf('x'.repeat(193)), InvalidOptionError).message).to.match(
      /^a queue name must be at most 192 characters behind the prefix "staging-", got "x+…" \(193 characters\)$/,
    );
  });

  it('is refused for a name that no queue can have, prefix or not', () => {
    for (const prefix of ['', 'staging-']) {
      for (const queue of ['', '-mail', 'mail box', 'mail\r\n']) {
        thrown(() => new Tubes(prefix).tubeOf(queue), InvalidOptionError);
      }
    }
  });

  it('is told from the tubes of other installations', () => {
    const tubes = ['default', 'mail', 'staging-', 'staging-mail', 'staging-a-b', 'Staging-mail'];
    expect(new Tubes('').queuesIn(tubes)).to.deep.equal(tubes);
    expect(new Tubes('staging-').queuesIn(tubes)).to.deep.equal(['mail', 'a-b']);
  });

  it('is told from those of others that begin alike, but are the names of no queue', () => {
    const tubes = ['shop', 'shop-mail', 'shopmail', 'shop--', 'shop.mail'];
    expect(new Tubes('shop').queuesIn(tubes)).to.deep.equal(['mail', '.mail']);
  });

  it("is told from the driver's own", () => {
    const tubes = new Tubes('');
    expect(tubes.queuesIn([tubes.internal('marker'), 'haricot.jobs'])).to.deep.equal(['haricot.jobs']);
  });
});

describe('A duration on the wire', () => {
  it('is whole seconds, rounded up', () => {
    const rounded = [0, 0.1, 1, 999, 1000, 1001, 60_000].map(toSeconds);
    expect(rounded).to.deep.equal([0, 1, 1, 1, 1, 2, 60]);
  });
});
