import { expect } from 'chai';
import { BeanstalkdConsumer } from '../../../src/drivers/beanstalkd/consumer.js';
import { Tubes } from '../../../src/drivers/beanstalkd/tubes.js';
import type { Reservation } from '../../../src/queue/driver.js';
import { rejection } from '../../support/failures.js';
import type { Peer } from '../../support/scripted-server.js';
import { useWireServer } from '../../support/wire-server.js';

const ASK = 'reserve-with-timeout 0\r\n';

describe('BeanstalkdConsumer with several slots', () => {
  const server = useWireServer();
  let consumer: BeanstalkdConsumer;
  /** The connections on which the first two messages came, and the shared one. */
  let first: Peer;
  let second: Peer;
  let shared: Peer;

  afterEach(() => consumer.close());

  /** Each slot holds a message, 7 and 8, and the shared connection is there. */
  async function begun(): Promise<{ seven: Reservation; eight: Reservation }> {
    consumer = new BeanstalkdConsumer(server().url, new Tubes(''), ['default'], 2, { trackAttempts: false });
    let reserving = consumer.reserve();
    first = await server().peer();
    await first.takes('reserve-with-timeout 30\r\n');
    first.sends('RESERVED 7 2\r\nhi\r\n');
    const seven = (await reserving) as Reservation;
    reserving = consumer.reserve();
    shared = await server().peer();
    second = await server().peer();
    await second.takes('reserve-with-timeout 30\r\n');
    second.sends('RESERVED 8 2\r\nhi\r\n');
    return { seven, eight: (await reserving) as Reservation };
  }

  it('takes what is ready down one connection more, the settlement before it in the same write', async () => {
    await begun();
    let reserving = consumer.reserve();
    await shared.takes(ASK);
    for (const id of [9, 10]) {
      shared.sends(`RESERVED ${id} 2\r\nhi\r\n`);
      const acked = (await reserving)?.ack();
      reserving = consumer.reserve();
      await shared.takes(`delete ${id}\r\n`);
      expect(shared.unread).to.equal(ASK);
      await shared.takes(ASK);
      shared.sends('DELETED\r\n');
      await acked;
    }
    expect(server().connections).to.equal(3);
  });

  it('waits on a connection that is free when nothing is ready, and shares again when something comes', async () => {
    const { seven } = await begun();
    const acked = seven.ack();
    await first.takes('delete 7\r\n');
    first.sends('DELETED\r\n');
    await acked;
    const reserving = consumer.reserve();
    await shared.takes(ASK);
    shared.sends('TIMED_OUT\r\n');
    await first.takes('reserve-with-timeout 30\r\n');
    first.sends('RESERVED 9 2\r\nhi\r\n');
    expect(await reserving).to.include({ id: '9' });
    void consumer.reserve();
    await shared.takes(ASK);
  });

  it('gives up at once, though the server does not answer', async () => {
    await begun();
    const controller = new AbortController();
    const reason = new Error('enough');
    const given = rejection(consumer.reserve({ signal: controller.signal }), Error);
    await shared.takes(ASK);
    controller.abort(reason);
    expect(await given).to.equal(reason);
    expect(server().connections).to.equal(3);
  });

  it('gives up also when the signal aborts between the two ways to ask', async () => {
    consumer = new BeanstalkdConsumer(server().url, new Tubes(''), ['default'], 2, { trackAttempts: false });
    const reserving = consumer.reserve();
    first = await server().peer();
    await first.takes('reserve-with-timeout 30\r\n');
    first.sends('RESERVED 7 2\r\nhi\r\n');
    await reserving;
    const controller = new AbortController();
    const reason = new Error('enough');
    const given = rejection(consumer.reserve({ signal: controller.signal }), Error);
    controller.abort(reason);
    expect(await given).to.equal(reason);
  });

  it('answers null when it is closed while it asks', async () => {
    await begun();
    const reserving = consumer.reserve();
    await shared.takes(ASK);
    await consumer.close();
    expect(await reserving).to.equal(null);
    await shared.takesEnd();
    expect(server().connections).to.equal(3);
  });
});
