import { expect } from 'chai';
import { spy } from 'sinon';
import { OutOfMemoryError } from '../../../src/protocol/errors.js';
import type { ConsumeOptions } from '../../../src/queue/driver.js';
import { DriverClosedError, EngineError, LeaseLostError } from '../../../src/queue/errors.js';
import { toFailure } from '../../../src/queue/failure.js';
import { useSubscriptions } from '../../support/beanstalkd-consumer.js';
import { rejection } from '../../support/failures.js';
import type { Held, OneByOne } from '../../support/one-message.js';
import type { Peer } from '../../support/scripted-server.js';
import { jobStats, useWireServer } from '../../support/wire-server.js';

describe('BeanstalkdConsumer', () => {
  const server = useWireServer();
  let consumer: OneByOne;

  const subscribe = useSubscriptions(() => server().url);

  function consume(prefix = '', watched = ['mail'], options: ConsumeOptions = {}): OneByOne {
    consumer = subscribe(watched, { prefix, ...options });
    return consumer;
  }

  afterEach(() => consumer.close());

  /** A consumer that has reserved job 7 on its first connection. */
  async function reserved(): Promise<{ reservation: Held; peer: Peer }> {
    const reserving = consume().reserve();
    const peer = await server().peer();
    await peer.takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    peer.sends('WATCHING 2\r\nWATCHING 1\r\nRESERVED 7 2\r\nhi\r\n');
    await peer.takes('stats-job 7\r\n');
    peer.sends(jobStats());
    const reservation = await reserving;
    return { reservation: reservation as Held, peer };
  }

  it('watches its queue, ignores the default one and reserves, all in one write', async () => {
    void consume('p-', ['p-mail']).reserve({ timeoutMs: 1001 });
    const peer = await server().peer();
    await peer.takes('watch p-mail\r\n');
    expect(peer.unread).to.equal('ignore default\r\nreserve-with-timeout 2\r\n');
  });

  it('waits also for longer than the server can be told to', async () => {
    const reserving = consume().reserve({ timeoutMs: 4_294_967_295_000 });
    const peer = await server().peer();
    await peer.takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    await consumer.close();
    expect(await reserving).to.equal(null);
  });

  it('has nothing to change for the default queue', async () => {
    void consume('', ['default']).reserve();
    await (await server().peer()).takes('reserve-with-timeout 30\r\n');
  });

  it('connects only when it is to reserve', async () => {
    await consume().close();
    expect(server().connections).to.equal(0);
  });

  it('asks for what RESERVED does not tell', async () => {
    const reserving = consume('p-', ['p-mail']).reserve();
    const peer = await server().peer();
    await peer.takes('watch p-mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    peer.sends('WATCHING 2\r\nWATCHING 1\r\nRESERVED 7 2\r\nhi\r\n');
    await peer.takes('stats-job 7\r\n');
    peer.sends(jobStats({ tube: 'p-mail', ttr: 90, reserves: 3 }));
    expect(await reserving).to.deep.include({
      jobId: '7',
      queue: 'mail',
      body: Buffer.from('hi'),
      attempt: 3,
      ttrMs: 90_000,
    });
  });

  it('goes on waiting when the job was gone before it could be asked about', async () => {
    const reserving = consume().reserve({ timeoutMs: 0 });
    const peer = await server().peer();
    await peer.takes('watch mail\r\nignore default\r\nreserve-with-timeout 0\r\n');
    peer.sends('WATCHING 2\r\nWATCHING 1\r\nRESERVED 7 2\r\nhi\r\n');
    await peer.takes('stats-job 7\r\n');
    peer.sends('NOT_FOUND\r\n');
    await peer.takes('reserve-with-timeout 0\r\n');
    peer.sends('TIMED_OUT\r\n');
    expect(await reserving).to.equal(null);
  });

  it('sends the settlement of one message and the next reserve in one write, on the same connection', async () => {
    const { reservation, peer } = await reserved();
    const acked = reservation.ack();
    void consumer.reserve();
    await peer.takes('delete 7\r\n');
    expect(peer.unread).to.equal('reserve-with-timeout 30\r\n');
    peer.sends('DELETED\r\n');
    await acked;
    expect(server().connections).to.equal(1);
  });

  it('reserves on another connection while a message is held', async () => {
    await reserved();
    void consumer.reserve();
    const peer = await server().peer();
    await peer.takes('watch mail\r\nignore default\r\nreserve-with-timeout 0\r\n');
    peer.sends('WATCHING 2\r\nWATCHING 1\r\nTIMED_OUT\r\n');
    await peer.takes('reserve-with-timeout 30\r\n');
    expect(server().connections).to.equal(2);
  });

  it('reserves on a new connection when the free one was lost', async () => {
    const { reservation, peer } = await reserved();
    const acked = reservation.ack();
    await peer.takes('delete 7\r\n');
    peer.sends('DELETED\r\n');
    await acked;
    const lost = rejection(consumer.reserve(), EngineError);
    peer.ends();
    expect(await lost).to.include({ retryable: true, outcome: 'nothing' });
    expect((await lost).cause).to.include({ code: 'CONNECTION_LOST' });
    void consumer.reserve();
    await (await server().peer()).takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
  });

  it('gives up waiting by closing the connection, with the reason of the signal', async () => {
    const controller = new AbortController();
    const given = rejection(consume().reserve({ signal: controller.signal }), Error);
    const peer = await server().peer();
    await peer.takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    peer.sends('WATCHING 2\r\nWATCHING 1\r\n');
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await given).to.equal(reason);
    await peer.takesEnd();
  });

  it('gives up while the server answers nothing at all', async () => {
    const controller = new AbortController();
    const given = rejection(consume().reserve({ signal: controller.signal }), Error);
    const peer = await server().peer();
    await peer.takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    controller.abort();
    expect((await given).name).to.equal('AbortError');
    await peer.takesEnd();
  });

  it('gives a job back that arrives while it gives up, by ending the connection', async () => {
    const controller = new AbortController();
    const given = rejection(consume().reserve({ signal: controller.signal }), Error);
    const peer = await server().peer();
    await peer.takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    peer.sends('WATCHING 2\r\nWATCHING 1\r\nRESERVED 7 2\r\nhi\r\n');
    await peer.takes('stats-job 7\r\n');
    controller.abort();
    expect((await given).name).to.equal('AbortError');
    peer.sends(jobStats());
    await peer.takes('quit\r\n');
    await peer.takesEnd();
  });

  it('gives up only the reserve: the settlement that was sent before it is still answered', async () => {
    const { reservation, peer } = await reserved();
    const controller = new AbortController();
    const acked = reservation.ack();
    const given = rejection(consumer.reserve({ signal: controller.signal }), Error);
    await peer.takes('delete 7\r\nreserve-with-timeout 30\r\n');
    controller.abort();
    await given;
    await peer.takesEnd();
    peer.sends('DELETED\r\nTIMED_OUT\r\n');
    await acked;
  });

  it('gives up while it is still connecting, and does not connect', async () => {
    const controller = new AbortController();
    const given = rejection(consume().reserve({ signal: controller.signal }), Error);
    controller.abort();
    expect((await given).name).to.equal('AbortError');
    void consumer.reserve();
    await (await server().peer()).takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    expect(server().connections).to.equal(1);
  });

  it('listens to a signal once, however often it reserves with it', async () => {
    const { signal } = new AbortController();
    const listening = spy(signal, 'addEventListener');
    let reserving = consume().reserve({ signal });
    const peer = await server().peer();
    await peer.takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    peer.sends('WATCHING 2\r\nWATCHING 1\r\n');
    for (let n = 0; n < 5; n++) {
      peer.sends('RESERVED 7 2\r\nhi\r\n');
      await peer.takes('stats-job 7\r\n');
      peer.sends(jobStats());
      const acked = (await reserving)?.ack();
      reserving = consumer.reserve({ signal });
      await peer.takes('delete 7\r\nreserve-with-timeout 30\r\n');
      peer.sends('DELETED\r\n');
      await acked;
    }
    expect(listening.callCount).to.equal(1);
  });

  it('lets many wait with one signal, without a warning of a leak, and down one connection', async () => {
    const controller = new AbortController();
    const warned = spy();
    process.on('warning', warned);
    consume();
    const given = Array.from({ length: 200 }, () => rejection(consumer.reserve({ signal: controller.signal }), Error));
    const peer = await server().peer();
    await peer.takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    const reason = new Error('enough');
    controller.abort(reason);
    for (const error of await Promise.all(given)) expect(error).to.equal(reason);
    await peer.takesEnd();
    process.off('warning', warned);
    expect(warned.called).to.equal(false);
    expect(server().connections).to.equal(1);
  });

  it('heeds the signal of each reserve, and none that was for another', async () => {
    const { reservation, peer } = await reserved();
    const [before, now] = [new AbortController(), new AbortController()];
    const acked = reservation.ack();
    const first = consumer.reserve({ timeoutMs: 0, signal: before.signal });
    await peer.takes('delete 7\r\nreserve-with-timeout 0\r\n');
    peer.sends('DELETED\r\nTIMED_OUT\r\n');
    expect(await first).to.equal(null);
    await acked;
    const given = rejection(consumer.reserve({ signal: now.signal }), Error);
    await peer.takes('reserve-with-timeout 30\r\n');
    before.abort();
    const reason = new Error('now');
    now.abort(reason);
    expect(await given).to.equal(reason);
    await peer.takesEnd();
  });

  it('goes on holding a message when the signal aborts with which it was reserved', async () => {
    const controller = new AbortController();
    const reserving = consume().reserve({ signal: controller.signal });
    const peer = await server().peer();
    await peer.takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    peer.sends('WATCHING 2\r\nWATCHING 1\r\nRESERVED 7 2\r\nhi\r\n');
    await peer.takes('stats-job 7\r\n');
    peer.sends(jobStats());
    const reservation = await reserving;
    controller.abort();
    expect(reservation?.lost.aborted).to.equal(false);
    const acked = reservation?.ack();
    await peer.takes('delete 7\r\n');
    peer.sends('DELETED\r\n');
    await acked;
  });

  it('answers null to a reserve that waits when it is closed', async () => {
    const reserving = consume().reserve();
    const peer = await server().peer();
    await peer.takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    await consumer.close();
    expect(await reserving).to.equal(null);
    await peer.takesEnd();
  });

  it('answers null to a reserve that is still connecting when it is closed', async () => {
    const reserving = consume().reserve();
    await consumer.close();
    expect(await reserving).to.equal(null);
  });

  it('takes no reserve once it is closed', async () => {
    await consume().close();
    await rejection(consumer.reserve(), DriverClosedError);
  });

  it('tells why it could not connect, and tries anew with the next reserve', async () => {
    consume();
    const { url } = server();
    await server().close();
    for (let n = 0; n < 2; n++) {
      const error = await rejection(consumer.reserve(), EngineError);
      expect(error).to.include({ retryable: true, outcome: 'nothing' });
      expect(error.cause).to.include({ code: 'CONNECTION_LOST', sent: false });
      expect(error.message).to.contain(url);
    }
  });

  it('closes a connection that could not watch: its reserve would be for other queues', async () => {
    const reserving = rejection(consume().reserve(), EngineError);
    const peer = await server().peer();
    await peer.takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    peer.sends('OUT_OF_MEMORY\r\n');
    expect((await reserving).cause).to.be.instanceOf(OutOfMemoryError);
    await peer.takesEnd();
  });

  it('waits on another connection when one says that a job is late which nobody was given', async () => {
    const { reservation, peer } = await reserved();
    const released = rejection(reservation.release(), EngineError);
    void consumer.reserve();
    await peer.takes('release 7 55 0\r\nreserve-with-timeout 30\r\n');
    peer.sends('INTERNAL_ERROR\r\nDEADLINE_SOON\r\n');
    expect(await released).to.include({ retryable: true, outcome: 'unknown' });
    await peer.takes('quit\r\n');
    await (await server().peer()).takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
  });

  it('takes nothing on down a connection that has refused to settle its message, which is still held', async () => {
    const { reservation, peer } = await reserved();
    const released = rejection(reservation.release(), EngineError);
    await peer.takes('release 7 55 0\r\n');
    peer.sends('OUT_OF_MEMORY\r\n');
    await released;
    void consumer.reserve();
    await (await server().peer()).takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    const acked = reservation.ack();
    await peer.takes('delete 7\r\n');
    peer.sends('DELETED\r\n');
    await acked;
    await peer.takes('quit\r\n');
  });

  it('asks for the largest body once a connection, before the first failure is recorded', async () => {
    const { reservation, peer } = await reserved();
    const failure = toFailure(new Error('x'.repeat(4000)), { reason: 'attempts', attempt: 1 });
    const buried = reservation.bury({ failure });
    await peer.takes('stats\r\n');
    const stats = '---\nmax-job-size: 2000\n';
    peer.sends(`OK ${stats.length}\r\n${stats}\r\n`);
    await peer.takes('use haricot.failures/mail\r\nput 0 0 600 ');
    const [, size = '', , record = ''] = /^([0-9]+)(\r\n)(.*)\r\nbury 7 55\r\n$/.exec(peer.unread) ?? [];
    expect(Number(size)).to.be.within(1000, 1998);
    expect(JSON.parse(record)).to.have.nested.property('failure.reason', 'attempts');
    peer.sends('USING haricot.failures/mail\r\nINSERTED 8\r\nBURIED\r\n');
    expect(await buried).to.deep.equal({});
  });

  it('settles many messages in one write, and answers for each', async () => {
    const { reservation, peer } = await reserved();
    const { message } = reservation;
    const strange = { ...message, jobId: '9', queue: 'mail' };
    const results = consumer.consumer.settle([
      { kind: 'ack', message },
      { kind: 'release', message },
      { kind: 'ack', message: strange },
    ]);
    await peer.takes('delete 7\r\n');
    peer.sends('DELETED\r\n');
    const [acked, released, notOurs] = await results;
    expect(acked).to.deep.equal({});
    for (const result of [released, notOurs]) expect(result?.error).to.be.instanceOf(LeaseLostError);
    const [again] = await consumer.consumer.touch([message]);
    expect(again?.error).to.be.instanceOf(LeaseLostError);
    expect(peer.unread).to.equal('');
  });

  it('loses what it holds with the connection', async () => {
    const { reservation, peer } = await reserved();
    const lost = new Promise((resolve) => reservation.lost.addEventListener('abort', resolve));
    peer.ends();
    await lost;
    expect((await rejection(reservation.ack(), LeaseLostError)).message).to.equal(
      'cannot settle or renew message 7 of queue "mail": it is no longer held: its connection closed',
    );
  });

  it('reserves again on a connection whose message was lost', async () => {
    const { reservation, peer } = await reserved();
    const lost = rejection(reservation.touch(), LeaseLostError);
    await peer.takes('touch 7\r\n');
    peer.sends('NOT_FOUND\r\n');
    await lost;
    void consumer.reserve();
    await peer.takes('reserve-with-timeout 30\r\n');
  });

  describe('that does not track attempts', () => {
    it('asks for nothing: two commands for a message, in one write', async () => {
      const reserving = consume('p-', ['p-mail'], { trackAttempts: false }).reserve();
      const peer = await server().peer();
      await peer.takes('watch p-mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
      peer.sends('WATCHING 2\r\nWATCHING 1\r\nRESERVED 7 2\r\nhi\r\n');
      const reservation = await reserving;
      expect(reservation).to.include({ jobId: '7', queue: 'mail', attempt: undefined });
      const acked = reservation?.ack();
      void consumer.reserve();
      await peer.takes('delete 7\r\nreserve-with-timeout 30\r\n');
      peer.sends('DELETED\r\n');
      await acked;
      expect(server().connections).to.equal(1);
    });

    it('gives back a job that arrives while it gives up, by ending the connection', async () => {
      const controller = new AbortController();
      const reserving = consume('', ['mail'], { trackAttempts: false }).reserve({ signal: controller.signal });
      const given = rejection(reserving, Error);
      const peer = await server().peer();
      await peer.takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
      controller.abort();
      peer.sends('WATCHING 2\r\nWATCHING 1\r\nRESERVED 7 2\r\nhi\r\n');
      await given;
      await peer.takesEnd();
      void consumer.reserve();
      await (await server().peer()).takes('watch mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    });
  });
});
