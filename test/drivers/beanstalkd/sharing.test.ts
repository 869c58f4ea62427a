import { expect } from 'chai';
import { useFakeTimers } from 'sinon';
import type { ReserveOptions } from '../../../src/queue/driver.js';
import { EngineError, LeaseLostError } from '../../../src/queue/errors.js';
import { useSubscriptions } from '../../support/beanstalkd-consumer.js';
import { rejection } from '../../support/failures.js';
import type { Held, OneByOne } from '../../support/one-message.js';
import type { Peer } from '../../support/scripted-server.js';
import { jobStats, useWireServer } from '../../support/wire-server.js';

const ASK = 'reserve-with-timeout 0\r\n';

describe('BeanstalkdConsumer whose reserves are called at once', () => {
  const server = useWireServer();
  const subscribe = useSubscriptions(() => server().url);
  let consumer: OneByOne;
  /** The connection that waited for the first message and holds it, and the one that takes what is ready. */
  let blocking: Peer;
  let polling: Peer;

  /** Three calls wait; message 7 has come to the first, and the other two ask for what is ready. */
  async function begun(trackAttempts = false): Promise<{ seven: Held; others: ReturnType<typeof reserve>[] }> {
    consumer = subscribe(['default'], { trackAttempts });
    const reserving = [reserve(), reserve(), reserve()];
    blocking = await server().peer();
    await blocking.takes('reserve-with-timeout 30\r\n');
    expect(blocking.unread).to.equal('');
    blocking.sends('RESERVED 7 2\r\nhi\r\n');
    if (trackAttempts) {
      await blocking.takes('stats-job 7\r\n');
      blocking.sends(jobStats({ tube: 'default' }));
    }
    const [seven, ...others] = reserving;
    polling = await server().peer();
    await polling.takes(`${ASK}${ASK}`);
    return { seven: (await seven) as Held, others };
  }

  function reserve(signal?: AbortSignal): ReturnType<OneByOne['reserve']> {
    const reserving = consumer.reserve({ signal });
    reserving.catch(() => {});
    return reserving;
  }

  it('wait at the server down one connection, and take what is ready down another', async () => {
    const { others } = await begun();
    polling.sends('RESERVED 8 2\r\nhi\r\nRESERVED 9 2\r\nhi\r\n');
    expect((await Promise.all(others)).map((each) => each?.jobId)).to.deep.equal(['8', '9']);
    expect(server().connections).to.equal(2);
  });

  it('share writes: settlements and the next reserves', async () => {
    const { others } = await begun();
    polling.sends('RESERVED 8 2\r\nhi\r\nRESERVED 9 2\r\nhi\r\n');
    const [eight, nine] = await Promise.all(others);
    const acked = [nine?.ack(), eight?.ack()];
    const next = reserve();
    await polling.takes('delete 9\r\n');
    expect(polling.unread).to.equal(`delete 8\r\n${ASK}`);
    await polling.takes(`delete 8\r\n${ASK}`);
    polling.sends('DELETED\r\nDELETED\r\nRESERVED 10 2\r\nhi\r\n');
    await Promise.all(acked);
    expect(await next).to.include({ jobId: '10', attempt: undefined });
  });

  it('wait again when nothing is ready: one of them, down a connection that holds nothing', async () => {
    const { seven, others } = await begun();
    polling.sends('TIMED_OUT\r\nTIMED_OUT\r\n');
    // It held nothing, so it can wait.
    await polling.takes('reserve-with-timeout 30\r\n');
    const acked = seven.ack();
    await blocking.takes('delete 7\r\n');
    blocking.sends('DELETED\r\n');
    await acked;
    polling.sends('RESERVED 8 2\r\nhi\r\n');
    expect(await others[0]).to.include({ jobId: '8' });
    // The connection that is free takes what is ready now.
    await blocking.takes(ASK);
    expect(server().connections).to.equal(2);
  });

  it('ask for nothing while one of them waits, and give its answer to the one that has waited longest', async () => {
    consumer = subscribe(['default'], { trackAttempts: false });
    const first = reserve();
    blocking = await server().peer();
    await blocking.takes('reserve-with-timeout 30\r\n');
    const second = reserve();
    blocking.sends('RESERVED 7 2\r\nhi\r\n');
    expect(await first).to.include({ jobId: '7' });
    polling = await server().peer();
    await polling.takes(ASK);
    polling.sends('RESERVED 8 2\r\nhi\r\n');
    expect(await second).to.include({ jobId: '8' });
  });

  it('are given up one by one without a new connection, as long as another waits', async () => {
    consumer = subscribe(['default'], { trackAttempts: false });
    const controller = new AbortController();
    const given = rejection(reserve(controller.signal), Error);
    const other = reserve();
    blocking = await server().peer();
    await blocking.takes('reserve-with-timeout 30\r\n');
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await given).to.equal(reason);
    blocking.sends('RESERVED 7 2\r\nhi\r\n');
    expect(await other).to.include({ jobId: '7' });
    expect(server().connections).to.equal(1);
  });

  it('do not wait longer for a server that hangs than they were told to', async () => {
    const clock = useFakeTimers({
      shouldClearNativeTimers: true,
      toFake: ['performance', 'setTimeout', 'clearTimeout'],
    });
    try {
      consumer = subscribe(['default']);
      const reserving = consumer.reserve({ timeoutMs: 1000 });
      blocking = await server().peer();
      await blocking.takes('reserve-with-timeout 1\r\n');
      // In steps, as the event loop would.
      for (let n = 0; n < 30; n++) await clock.tickAsync(50);
      expect(await reserving).to.equal(null);
      await blocking.takesEnd();
    } finally {
      clock.restore();
    }
  });

  it('answer who does not wait at once, while others wait', async () => {
    consumer = subscribe(['default'], { trackAttempts: false });
    const waiting = reserve();
    blocking = await server().peer();
    await blocking.takes('reserve-with-timeout 30\r\n');
    const instant = consumer.reserve({ timeoutMs: 0 });
    polling = await server().peer();
    await polling.takes(ASK);
    polling.sends('TIMED_OUT\r\n');
    expect(await instant).to.equal(null);
    blocking.sends('RESERVED 7 2\r\nhi\r\n');
    expect(await waiting).to.include({ jobId: '7' });
  });

  it('all learn why a connection failed, once, and begin anew', async () => {
    const { seven, others } = await begun();
    polling.ends();
    for (const other of others) {
      expect(await rejection(other, EngineError)).to.include({ retryable: true, outcome: 'nothing' });
    }
    expect(seven.lost.aborted).to.equal(false);
    const again = reserve();
    polling = await server().peer();
    await polling.takes('reserve-with-timeout 30\r\n');
    polling.sends('RESERVED 8 2\r\nhi\r\n');
    expect(await again).to.include({ jobId: '8' });
  });

  it('leave a connection alone that has failed, until what it holds is settled', async () => {
    const { others } = await begun();
    polling.sends('RESERVED 8 2\r\nhi\r\nINTERNAL_ERROR\r\n');
    const eight = await others[0];
    expect(await rejection(others[1] ?? Promise.resolve(), EngineError)).to.include({ retryable: true });
    const acked = eight?.ack();
    await polling.takes('delete 8\r\n');
    polling.sends('DELETED\r\n');
    await acked;
    await polling.takes('quit\r\n');
    await polling.takesEnd();
  });

  it('answer null when the consumer is closed, and give back what it holds', async () => {
    const { seven, others } = await begun();
    polling.sends('RESERVED 8 2\r\nhi\r\n');
    const eight = await others[0];
    await consumer.close();
    expect(await others[1]).to.equal(null);
    await blocking.takesEnd();
    await polling.takesEnd();
    for (const held of [seven, eight]) {
      expect(held?.lost.aborted).to.equal(true);
      await rejection((held as Held).ack(), LeaseLostError);
    }
  });

  describe('for several messages', () => {
    beforeEach(() => {
      consumer = subscribe(['default'], { trackAttempts: false });
    });

    function several(options: ReserveOptions): Promise<string[]> {
      return consumer.consumer.reserve(options).then((messages) => messages.map(({ jobId }) => jobId));
    }

    it('ask for all of them in one write, and are answered with what was ready', async () => {
      const reserving = several({ max: 3, timeoutMs: 0 });
      polling = await server().peer();
      await polling.takes(`${ASK}${ASK}${ASK}`);
      polling.sends('RESERVED 8 2\r\nhi\r\nTIMED_OUT\r\n');
      polling.sends('RESERVED 9 2\r\nhi\r\n');
      expect(await reserving).to.deep.equal(['8', '9']);
    });

    it('are answered with none when nothing is ready, once all is answered', async () => {
      const reserving = several({ max: 2, timeoutMs: 0 });
      polling = await server().peer();
      await polling.takes(`${ASK}${ASK}`);
      polling.sends('TIMED_OUT\r\nTIMED_OUT\r\n');
      expect(await reserving).to.deep.equal([]);
    });

    it('wait at the server for one, and do not wait for more', async () => {
      const reserving = several({ max: 3 });
      blocking = await server().peer();
      await blocking.takes('reserve-with-timeout 30\r\n');
      blocking.sends('RESERVED 7 2\r\nhi\r\n');
      expect(await reserving).to.deep.equal(['7']);
      const next = several({ max: 2 });
      polling = await server().peer();
      await polling.takes(`${ASK}${ASK}`);
      polling.sends('RESERVED 8 2\r\nhi\r\nRESERVED 9 2\r\nhi\r\n');
      expect(await next).to.deep.equal(['8', '9']);
    });

    it('keep what has come when the connection fails before the rest', async () => {
      const reserving = several({ max: 3, timeoutMs: 0 });
      polling = await server().peer();
      await polling.takes(`${ASK}${ASK}${ASK}`);
      polling.sends('RESERVED 8 2\r\nhi\r\nINTERNAL_ERROR\r\nTIMED_OUT\r\n');
      expect(await reserving).to.deep.equal(['8']);
    });
  });

  describe('of two consumers of the same queue', () => {
    it('share connections', async () => {
      const { others } = await begun();
      polling.sends('RESERVED 8 2\r\nhi\r\nRESERVED 9 2\r\nhi\r\n');
      await Promise.all(others);
      const next = subscribe(['default'], { trackAttempts: false }).reserve();
      await polling.takes(ASK);
      polling.sends('RESERVED 10 2\r\nhi\r\n');
      expect(await next).to.include({ jobId: '10' });
      expect(server().connections).to.equal(2);
    });

    it('give back only what belongs to the one that is closed', async () => {
      const { others } = await begun();
      polling.sends('RESERVED 8 2\r\nhi\r\nRESERVED 9 2\r\nhi\r\n');
      const [eight] = await Promise.all(others);
      const other = subscribe(['default'], { trackAttempts: false });
      const next = other.reserve();
      await polling.takes(ASK);
      polling.sends('RESERVED 10 2\r\nhi\r\n');
      const ten = await next;
      const closed = consumer.close();
      await polling.takes('stats-job 8\r\nstats-job 9\r\n');
      polling.sends(jobStats({ tube: 'default', pri: 5 }) + jobStats({ tube: 'default', pri: 6 }));
      await polling.takes('release 8 5 0\r\nrelease 9 6 0\r\n');
      polling.sends('RELEASED\r\nRELEASED\r\n');
      await closed;
      expect(eight?.lost.aborted).to.equal(true);
      expect(ten?.lost.aborted).to.equal(false);
    });
  });

  describe('and are given a message again, because its lease had ended', () => {
    for (const trackAttempts of [false, true]) {
      it(`lose it for the holder before, before anybody else is given it, tracking ${trackAttempts}`, async () => {
        const { others } = await begun(trackAttempts);
        polling.sends('RESERVED 8 2\r\nhi\r\nRESERVED 9 2\r\nhi\r\n');
        if (trackAttempts) {
          await polling.takes('stats-job 8\r\nstats-job 9\r\n');
          polling.sends(jobStats({ tube: 'default' }) + jobStats({ tube: 'default' }));
        }
        const [stale] = (await Promise.all(others)) as [Held];
        const taking = reserve();
        await polling.takes(ASK);
        polling.sends('RESERVED 8 2\r\nhi\r\n');
        if (trackAttempts) await polling.takes('stats-job 8\r\n');
        else await taking;
        expect(stale.lost.aborted).to.equal(true);
        for (const settle of ['ack', 'release', 'bury', 'touch'] as const) {
          await rejection(stale[settle](), LeaseLostError);
        }
        expect(polling.unread).to.equal('');
        if (trackAttempts) polling.sends(jobStats({ tube: 'default', reserves: 2 }));
        const acked = (await taking)?.ack();
        await polling.takes('delete 8\r\n');
        polling.sends('DELETED\r\n');
        await acked;
      });
    }
  });
});
