// The driver of the example keeps the promises of a driver.
import '../examples/custom-driver/array-driver.test.js';
import { expect } from 'chai';
import sinon from 'sinon';
import { openArray } from '../examples/custom-driver/array-driver.js';
import { completes } from './support/until.js';

describe('array: a reserve that waits', () => {
  afterEach(() => sinon.restore());

  it('is woken by a delay that ends between its last look and its sleep', async () => {
    const driver = await openArray('array:delays', { prefix: '' });
    const consumer = await driver.consume(['delayed']);
    // A clock that goes on by a millisecond whenever somebody looks: for one of the delays it strikes in that moment.
    let now = 0;
    sinon.stub(performance, 'now').callsFake(() => ++now);
    for (let delayMs = 1; delayMs <= 20; delayMs++) {
      const reserving = consumer.reserve();
      const options = { priority: 1, delayMs, ttrMs: 60_000 };
      await driver.put([{ queue: 'delayed', body: Buffer.from('x'), options }]);
      const [message] = await completes(`the message comes that is delayed by ${delayMs} ms`, reserving);
      expect(String(message?.body)).to.equal('x');
      if (message) await consumer.settle([{ kind: 'ack', message }]);
    }
    await driver.close();
  });
});
