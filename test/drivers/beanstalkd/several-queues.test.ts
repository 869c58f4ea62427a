import { expect } from 'chai';
import { OutOfMemoryError } from '../../../src/protocol/errors.js';
import type { ConsumeOptions, ReserveOptions } from '../../../src/queue/driver.js';
import { EngineError } from '../../../src/queue/errors.js';
import { useSubscriptions } from '../../support/beanstalkd-consumer.js';
import { rejection } from '../../support/failures.js';
import type { Held, OneByOne } from '../../support/one-message.js';
import type { Peer } from '../../support/scripted-server.js';
import { jobStats, useWireServer } from '../../support/wire-server.js';

const ASK = 'reserve-with-timeout 0\r\n';
const WATCH_ALL = 'watch p-a\r\nwatch p-b\r\nignore default\r\n';
const WATCHING = 'WATCHING 2\r\nWATCHING 3\r\nWATCHING 2\r\n';

describe('BeanstalkdConsumer with several queues', () => {
  const server = useWireServer();
  const subscribe = useSubscriptions(() => server().url);
  let consumer: OneByOne;
  let peer: Peer;
  let nextId = 1;

  /** Reserves for the first time, and takes what is sent first. */
  async function reserve(
    options: ConsumeOptions,
    first: string,
    reserveOptions?: ReserveOptions,
  ): Promise<{ reserving: ReturnType<OneByOne['reserve']> }> {
    consumer = subscribe(['p-a', 'p-b'], { prefix: 'p-', ...options });
    const reserving = consumer.reserve(reserveOptions);
    reserving.catch(() => {});
    peer = await server().peer();
    await peer.takes(first);
    return { reserving };
  }

  /** Answers a reserve with a job, and the question where it is from. */
  async function give(tube: string): Promise<void> {
    const id = nextId++;
    peer.sends(`RESERVED ${id} 2\r\nhi\r\n`);
    await peer.takes(`stats-job ${id}\r\n`);
    peer.sends(jobStats({ tube }));
  }

  /** The settlement and the next reserve. */
  async function ackAndReserve(reservation: Held | null): Promise<{ reserving: ReturnType<OneByOne['reserve']> }> {
    void reservation?.ack().catch(() => {});
    const reserving = consumer.reserve();
    await peer.takes(`delete ${reservation?.jobId}\r\n`);
    peer.sends('DELETED\r\n');
    return { reserving };
  }

  describe('that take turns', () => {
    it('watches all of them and asks once, then waits for all, down the same connection', async () => {
      const { reserving } = await reserve({}, `${WATCH_ALL}${ASK}`);
      peer.sends(`${WATCHING}TIMED_OUT\r\n`);
      await peer.takes('reserve-with-timeout 30\r\n');
      await give('p-b');
      expect(await reserving).to.include({ queue: 'b', attempt: 1 });
      expect(server().connections).to.equal(1);
    });

    it('does not wait when it is not to wait', async () => {
      const { reserving } = await reserve({}, `${WATCH_ALL}${ASK}`, { timeoutMs: 0 });
      peer.sends(`${WATCHING}TIMED_OUT\r\n`);
      expect(await reserving).to.equal(null);
      expect(peer.unread).to.equal('');
    });

    it('waits as long as it is to wait', async () => {
      await reserve({}, `${WATCH_ALL}${ASK}`, { timeoutMs: 5000 });
      peer.sends(`${WATCHING}TIMED_OUT\r\n`);
      await peer.takes('reserve-with-timeout 5\r\n');
    });

    it('leaves out a queue that has had its turn, in one write with the settlement', async () => {
      const { reserving } = await reserve({ trackAttempts: false }, `${WATCH_ALL}${ASK}`);
      peer.sends(WATCHING);
      await give('p-a');
      const first = await reserving;
      expect(first).to.include({ queue: 'a' });
      void first?.ack().catch(() => {});
      const next = consumer.reserve();
      await peer.takes(`ignore p-a\r\ndelete ${first?.jobId}\r\n${ASK}`);
      peer.sends('WATCHING 1\r\nDELETED\r\n');
      await give('p-b');
      const second = await next;
      expect(second).to.include({ queue: 'b' });
      // Each has had its turn: the next round begins.
      const third = await ackAndReserve(second);
      await peer.takes(`watch p-a\r\n${ASK}`);
      peer.sends('WATCHING 2\r\n');
      await give('p-a');
      expect(await third.reserving).to.include({ queue: 'a' });
    });

    it('begins the next round when the others have nothing', async () => {
      const { reserving } = await reserve({}, `${WATCH_ALL}${ASK}`);
      peer.sends(WATCHING);
      await give('p-a');
      const first = await reserving;
      void first?.ack().catch(() => {});
      const next = consumer.reserve();
      await peer.takes(`ignore p-a\r\ndelete ${first?.jobId}\r\n${ASK}`);
      peer.sends('WATCHING 1\r\nDELETED\r\nTIMED_OUT\r\n');
      await peer.takes(`watch p-a\r\n${ASK}`);
      peer.sends('WATCHING 2\r\n');
      await give('p-a');
      expect(await next).to.include({ queue: 'a' });
    });

    it('asks for all who wait in one write, and counts what one queue gives beyond its turn', async () => {
      const { reserving } = await reserve({}, `${WATCH_ALL}${ASK}`);
      const others = [consumer.reserve(), consumer.reserve()];
      await peer.takes(`${ASK}${ASK}`);
      peer.sends(`${WATCHING}RESERVED 91 0\r\n\r\nRESERVED 92 0\r\n\r\nRESERVED 93 0\r\n\r\n`);
      await peer.takes('stats-job 91\r\nstats-job 92\r\nstats-job 93\r\n');
      for (let n = 0; n < 3; n++) peer.sends(jobStats({ tube: 'p-a' }));
      const held = await Promise.all([reserving, ...others]);
      expect(held.map((each) => each?.queue)).to.deep.equal(['a', 'a', 'a']);
      // It is out until the other one has had as many, or has none.
      for (let n = 0; n < 2; n++) {
        const next = consumer.reserve();
        await peer.takes(`${n === 0 ? 'ignore p-a\r\n' : ''}${ASK}`);
        if (n === 0) peer.sends('WATCHING 1\r\n');
        await give('p-b');
        expect(await next).to.include({ queue: 'b' });
      }
    });

    it('rejects, and ends a connection that could not watch: its reserve would be for another queue', async () => {
      const { reserving } = await reserve({}, `${WATCH_ALL}${ASK}`);
      peer.sends('WATCHING 2\r\nOUT_OF_MEMORY\r\nWATCHING 1\r\nRESERVED 7 2\r\nhi\r\n');
      expect((await rejection(reserving, EngineError)).cause).to.be.instanceOf(OutOfMemoryError);
      await peer.takes('quit\r\n');
      await peer.takesEnd();
    });

    it('gives back a job that comes after the call was given up', async () => {
      const controller = new AbortController();
      const reason = new Error('enough');
      const { reserving } = await reserve({}, `${WATCH_ALL}${ASK}`, { signal: controller.signal });
      controller.abort(reason);
      expect(await rejection(reserving, Error)).to.equal(reason);
      peer.sends(WATCHING);
      await give('p-b');
      await peer.takes(`ignore p-b\r\nrelease ${nextId - 1} 55 0\r\n`);
    });

    it('answers null when it is closed while it asks', async () => {
      const { reserving } = await reserve({}, `${WATCH_ALL}${ASK}`);
      await consumer.close();
      expect(await reserving).to.equal(null);
    });
  });

  describe('in strict order', () => {
    const SURVEY = 'stats-tube p-a\r\nstats-tube p-b\r\n';

    function tubeStats(ready: number, pause = 0): string {
      const text = `---\nname: x\ncurrent-jobs-ready: ${ready}\npause: ${pause}\n`;
      return `OK ${text.length}\r\n${text}\r\n`;
    }

    it('looks what is ready, and asks the first that has something, alone', async () => {
      const { reserving } = await reserve({ order: 'strict', trackAttempts: false }, SURVEY);
      peer.sends(`NOT_FOUND\r\n${tubeStats(1)}`);
      await peer.takes(`watch p-b\r\nignore default\r\n${ASK}`);
      peer.sends('WATCHING 2\r\nWATCHING 1\r\nRESERVED 7 2\r\nhi\r\n');
      expect(await reserving).to.include({ jobId: '7', queue: 'b', attempt: undefined });
    });

    it('asks the first without looking as long as it has something', async () => {
      const { reserving } = await reserve({ order: 'strict', trackAttempts: false }, SURVEY);
      peer.sends(tubeStats(1) + tubeStats(9));
      await peer.takes(`watch p-a\r\nignore default\r\n${ASK}`);
      peer.sends('WATCHING 2\r\nWATCHING 1\r\nRESERVED 7 2\r\nhi\r\n');
      const next = await ackAndReserve(await reserving);
      await peer.takes(ASK);
      peer.sends('TIMED_OUT\r\n');
      await peer.takes(SURVEY);
      peer.sends(tubeStats(0) + tubeStats(9));
      await peer.takes(`watch p-b\r\nignore p-a\r\n${ASK}`);
      peer.sends('WATCHING 2\r\nWATCHING 1\r\nRESERVED 8 2\r\nhi\r\n');
      expect(await next.reserving).to.include({ jobId: '8', queue: 'b' });
    });

    it('takes no more from each than it has, and no job that nobody waits for', async () => {
      const { reserving } = await reserve({ order: 'strict', trackAttempts: false }, SURVEY);
      const others = [consumer.reserve(), consumer.reserve()];
      peer.sends(tubeStats(0) + tubeStats(5));
      await peer.takes(`watch p-b\r\nignore default\r\n${ASK}`);
      peer.sends('WATCHING 2\r\nWATCHING 1\r\nRESERVED 7 0\r\n\r\n');
      expect(await reserving).to.include({ queue: 'b' });
      await peer.takes(SURVEY);
      peer.sends(tubeStats(1) + tubeStats(4));
      await peer.takes(`watch p-a\r\nignore p-b\r\n${ASK}watch p-b\r\nignore p-a\r\n${ASK}`);
      expect(peer.unread).to.equal('');
      peer.sends('WATCHING 2\r\nWATCHING 1\r\nRESERVED 8 0\r\n\r\nWATCHING 2\r\nWATCHING 1\r\nRESERVED 9 0\r\n\r\n');
      expect((await Promise.all(others)).map((each) => each?.queue)).to.deep.equal(['a', 'b']);
    });

    it('passes over a queue that is paused, and waits for all when nothing is ready', async () => {
      await reserve({ order: 'strict' }, SURVEY);
      peer.sends(tubeStats(3, 60) + tubeStats(0));
      await peer.takes(`${WATCH_ALL}reserve-with-timeout 30\r\n`);
    });
  });
});
