import { expect } from 'chai';
import { BeanstalkdConsumer } from '../../../src/drivers/beanstalkd/consumer.js';
import { Tubes } from '../../../src/drivers/beanstalkd/tubes.js';
import { OutOfMemoryError } from '../../../src/protocol/errors.js';
import type { ConsumeOptions, ReserveOptions } from '../../../src/queue/driver.js';
import { rejection } from '../../support/failures.js';
import type { Peer } from '../../support/scripted-server.js';
import { jobStats, useWireServer } from '../../support/wire-server.js';

describe('BeanstalkdConsumer with several queues', () => {
  const server = useWireServer();
  let consumer: BeanstalkdConsumer;
  let peer: Peer;

  afterEach(() => consumer.close());

  /** Reserves, and takes what is sent first. */
  async function reserve(
    options: ConsumeOptions,
    first: string,
    reserveOptions?: ReserveOptions,
  ): Promise<{ reserving: ReturnType<BeanstalkdConsumer['reserve']> }> {
    consumer = new BeanstalkdConsumer(server().url, new Tubes('p-'), ['p-a', 'p-b'], 1, options);
    const reserving = consumer.reserve(reserveOptions);
    reserving.catch(() => {});
    peer = await server().peer();
    await peer.takes(first);
    return { reserving };
  }

  /** Answers to two changes of what is watched. */
  const WATCHING = 'WATCHING 2\r\nWATCHING 1\r\n';
  const FIRST = 'watch p-a\r\nignore default\r\nreserve-with-timeout 0\r\n';
  const SECOND = 'watch p-b\r\nignore p-a\r\nreserve-with-timeout 0\r\n';
  const RESERVED = 'RESERVED 7 2\r\nhi\r\n';

  it('asks one after another, each alone, then waits for all of them', async () => {
    const { reserving } = await reserve({}, FIRST);
    peer.sends(`${WATCHING}TIMED_OUT\r\n`);
    await peer.takes(SECOND);
    peer.sends(`${WATCHING}TIMED_OUT\r\n`);
    await peer.takes('watch p-a\r\nreserve-with-timeout 30\r\n');
    peer.sends(`WATCHING 2\r\n${RESERVED}`);
    await peer.takes('stats-job 7\r\n');
    peer.sends(jobStats({ tube: 'p-a' }));
    expect(await reserving).to.include({ id: '7', queue: 'a' });
  });

  it('waits for none of them when it is not to wait', async () => {
    const { reserving } = await reserve({}, FIRST, { timeoutMs: 0 });
    peer.sends(`${WATCHING}TIMED_OUT\r\n`);
    await peer.takes(SECOND);
    peer.sends(`${WATCHING}TIMED_OUT\r\n`);
    expect(await reserving).to.equal(null);
    expect(peer.unread).to.equal('');
  });

  it('waits as long as it is to wait', async () => {
    await reserve({}, FIRST, { timeoutMs: 5000 });
    peer.sends(`${WATCHING}TIMED_OUT\r\n`);
    await peer.takes(SECOND);
    peer.sends(`${WATCHING}TIMED_OUT\r\n`);
    await peer.takes('watch p-a\r\nreserve-with-timeout 5\r\n');
  });

  it('begins with the next queue when one has given a message, in one write with its settlement', async () => {
    const { reserving } = await reserve({ trackAttempts: false }, FIRST);
    peer.sends(`${WATCHING}${RESERVED}`);
    const first = await reserving;
    expect(first).to.include({ id: '7', queue: 'a', attempt: undefined });
    const acked = first?.ack();
    const next = consumer.reserve();
    await peer.takes(`delete 7\r\n${SECOND}`);
    peer.sends(`DELETED\r\n${WATCHING}${RESERVED}`);
    expect(await next).to.include({ queue: 'b' });
    await acked;
  });

  it('begins with the first each time in strict order, and need not change what it watches', async () => {
    const { reserving } = await reserve({ order: 'strict', trackAttempts: false }, FIRST);
    peer.sends(`${WATCHING}${RESERVED}`);
    const first = await reserving;
    const acked = first?.ack();
    void consumer.reserve();
    await peer.takes('delete 7\r\nreserve-with-timeout 0\r\n');
    peer.sends('DELETED\r\n');
    await acked;
  });

  it('watches one queue alone again after it has waited for all', async () => {
    const { reserving } = await reserve({ order: 'strict', trackAttempts: false }, FIRST);
    peer.sends(`${WATCHING}TIMED_OUT\r\n`);
    await peer.takes(SECOND);
    peer.sends(`${WATCHING}TIMED_OUT\r\n`);
    await peer.takes('watch p-a\r\nreserve-with-timeout 30\r\n');
    peer.sends(`WATCHING 2\r\n${RESERVED}`);
    // Nobody else can tell from which of them the job is.
    await peer.takes('stats-job 7\r\n');
    peer.sends(jobStats({ tube: 'p-b' }));
    const reservation = await reserving;
    expect(reservation).to.include({ queue: 'b' });
    const acked = reservation?.ack();
    void consumer.reserve();
    await peer.takes('delete 7\r\nignore p-b\r\nreserve-with-timeout 0\r\n');
    peer.sends('DELETED\r\n');
    await acked;
  });

  it('gives up between two queues: a job that comes all the same goes back with the connection', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const { reserving } = await reserve({}, FIRST, { signal: controller.signal });
    controller.abort(reason);
    expect(await rejection(reserving, Error)).to.equal(reason);
    peer.sends(`${WATCHING}TIMED_OUT\r\n`);
    await peer.takesEnd();
  });

  it('ends a connection that could not watch: its reserve would be for another queue', async () => {
    const { reserving } = await reserve({}, FIRST);
    peer.sends(`${WATCHING}TIMED_OUT\r\n`);
    await peer.takes(SECOND);
    peer.sends(`OUT_OF_MEMORY\r\nNOT_IGNORED\r\n${RESERVED}`);
    await rejection(reserving, OutOfMemoryError);
    await peer.takesEnd();
  });

  it('answers null when it is closed between two queues', async () => {
    const { reserving } = await reserve({}, FIRST);
    await consumer.close();
    expect(await reserving).to.equal(null);
    await peer.takesEnd();
  });
});
