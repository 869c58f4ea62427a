import { expect } from 'chai';
import { DecodeError } from '../../src/queue/errors.js';
import { json } from '../../src/queue/json.js';
import { defineMessage, type Message } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import { failureOf } from '../support/failures.js';
import { useWorkerHarness } from '../support/worker-harness.js';

const Placed = defineMessage<unknown>('order.placed');

describe('A worker on a queue of bare data', () => {
  const harness = useWorkerHarness();

  it('hands over what another program has stored, with the type of its queue', async () => {
    const { driver, signals } = harness();
    const received: Message[] = [];
    signals.connect(Placed, (message) => received.push(message));
    driver.deliver({ jobId: '9', queue: 'orders', body: Buffer.from('{"id":7}') });
    const queue = new Queue(driver, 'orders', { codec: json, type: 'order.placed' });
    await harness().worker({ maxMessages: 1 }, queue).run();
    expect(received.map(({ id, data }) => [id, data])).to.deep.equal([['9', { id: 7 }]]);
  });

  it('buries what cannot be read, and tells messageFailed whose body it was', async () => {
    const { driver, signals } = harness();
    signals.connect(Placed, () => expect.fail('there is no message'));
    const reservation = driver.deliver({ jobId: '9', queue: 'orders', body: Buffer.from('no JSON') });
    const queue = new Queue(driver, 'orders', { codec: json, type: 'order.placed' });
    await harness().worker({ maxMessages: 1 }, queue).run();
    const [failed] = harness().events('messageFailed');
    expect(failed?.error).to.be.instanceOf(DecodeError);
    expect(failed?.error).to.include({ queue: 'orders', jobId: '9', body: reservation.body });
    expect(failureOf(reservation)).to.include({
      reason: 'undecodable',
      message: 'the body must be JSON, got 7 bytes that are not',
    });
  });
});
