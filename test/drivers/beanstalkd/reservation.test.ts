import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { Client } from '../../../src/client/client.js';
import type { Job } from '../../../src/client/job.js';
import { Journals } from '../../../src/drivers/beanstalkd/journals.js';
import { BeanstalkdReservation, type DeliveryStats, type Holder } from '../../../src/drivers/beanstalkd/reservation.js';
import { Tubes } from '../../../src/drivers/beanstalkd/tubes.js';
import type { Consumer, Settlement } from '../../../src/queue/driver.js';
import { EngineError, LeaseLostError } from '../../../src/queue/errors.js';
import { toFailure } from '../../../src/queue/failure.js';
import { rejection } from '../../support/failures.js';
import { Held } from '../../support/one-message.js';
import type { Peer } from '../../support/scripted-server.js';
import { jobStats, useWireServer } from '../../support/wire-server.js';

const RECORDED = 'USING p-haricot.failures/mail\r\nINSERTED 8\r\n';

/** A burial without a failure, with its record ahead. */
function recorded(jobId: string, reserves: number, command: string): string {
  const record = JSON.stringify({ jobId, kicks: 0, reserves, buries: 1, attempts: reserves });
  return `use p-haricot.failures/mail\r\nput 0 0 600 ${record.length}\r\n${record}\r\n${command}`;
}

const STATS: DeliveryStats = { pri: 55, ttr: 60, reserves: 2, buries: 0, kicks: 0 };

/** Settles down to the reservation itself. */
const consumer: Consumer = {
  reserve: () => expect.fail('nothing is reserved'),
  settle: async ([only]) => {
    const settlement = only as Settlement;
    return (settlement.message as BeanstalkdReservation).settle(settlement);
  },
  touch: async ([only]) => (only as BeanstalkdReservation).touch(),
  close: async () => {},
};

describe('BeanstalkdReservation', () => {
  const server = useWireServer();
  let client: Client;
  let peer: Peer;
  let job: Job;
  let reservation: Held;
  let held: BeanstalkdReservation;
  const tubes = new Tubes('p-');
  const context = { tubes, journals: new Journals(tubes, () => expect.fail('the journal is not read')) };
  let settled: number;
  let refused: number;
  let maxJobSize: number | undefined;
  const holder: Holder = {
    get client() {
      return client;
    },
    get maxJobSize() {
      return maxJobSize;
    },
    async learnMaxJobSize() {
      maxJobSize = (await client.stats()).maxJobSize;
    },
    onSettled: () => settled++,
    onRefused: () => refused++,
  };

  function holding(stats?: DeliveryStats, journals = context.journals): Held {
    held = new BeanstalkdReservation(job, { tubes, journals }, 'p-mail', holder, 0);
    if (stats) held.learn(stats);
    return new Held(consumer, held);
  }

  beforeEach(async () => {
    const connecting = Client.connect(server().url, { reconnect: false });
    peer = await server().peer();
    client = await connecting;
    const reserving = client.reserve();
    await peer.takes('reserve-with-timeout 30\r\n');
    peer.sends('RESERVED 7 2\r\nhi\r\n');
    job = (await reserving) as Job;
    settled = 0;
    refused = 0;
    maxJobSize = 65_535;
    reservation = holding(STATS);
  });

  afterEach(() => client.destroy());

  it('says what was delivered', () => {
    expect(reservation).to.include({ jobId: '7', queue: 'mail', attempt: 2, ttrMs: 60_000 });
    expect(reservation.body.toString()).to.equal('hi');
    expect(reservation.lost.aborted).to.equal(false);
  });

  it('is settled by its command, and its connection is free as soon as that is on its way', async () => {
    const acked = reservation.ack();
    expect(settled).to.equal(1);
    await peer.takes('delete 7\r\n');
    peer.sends('DELETED\r\n');
    await acked;
  });

  it('keeps the priority of the message, unless another is given', async () => {
    const released = reservation.release({ delayMs: 1500 });
    await peer.takes('release 7 55 2\r\n');
    peer.sends('RELEASED\r\n');
    await released;
  });

  it('gives the message the priority that is given', async () => {
    void reservation.release({ priority: 0 }).catch(() => {});
    await peer.takes('release 7 0 0\r\n');
  });

  it('buries with the priority of the message, unless another is given', async () => {
    const buried = reservation.bury();
    await peer.takes(recorded('7', 2, 'bury 7 55\r\n'));
    peer.sends(`${RECORDED}BURIED\r\n`);
    await buried;
  });

  describe('is buried with its failure', () => {
    const failure = toFailure('broken', { reason: 'attempts', attempt: 1, at: new Date(0) });
    const causes = { stack: '', causes: [], attempt: 1, at: '1970-01-01T00:00:00.000Z' };
    const kept = { reason: 'attempts', name: 'string', message: 'broken', ...causes };
    const record = JSON.stringify({ jobId: '7', kicks: 0, reserves: 2, buries: 1, attempts: 2, failure: kept });
    const put = `use p-haricot.failures/mail\r\nput 0 0 600 ${record.length}\r\n${record}\r\n`;

    it('in one write: the record goes to the journal, ahead of the command', async () => {
      const buried = reservation.bury({ failure });
      await peer.takes(`${put}bury 7 55\r\n`);
      peer.sends('USING p-haricot.failures/mail\r\nINSERTED 8\r\nBURIED\r\n');
      expect(await buried).to.deep.equal({});
    });

    it('without it where the server does not take the record, and says why', async () => {
      const buried = reservation.bury({ failure });
      await peer.takes(`${put}bury 7 55\r\n`);
      peer.sends('USING p-haricot.failures/mail\r\nDRAINING\r\nBURIED\r\n');
      expect((await buried).failureError).to.include({ code: 'ENGINE', retryable: true });
    });

    it('and leaves no record where it was lost meanwhile', async () => {
      const refused = rejection(reservation.bury({ failure }), LeaseLostError);
      await peer.takes(`${put}bury 7 55\r\n`);
      peer.sends('USING p-haricot.failures/mail\r\nINSERTED 8\r\nNOT_FOUND\r\n');
      await refused;
      await peer.takes('delete 8\r\n');
      peer.sends('DELETED\r\n');
    });
  });

  it('is still held where the server has refused to settle it, and its connection takes nothing else on', async () => {
    const released = rejection(reservation.release(), EngineError);
    await peer.takes('release 7 55 0\r\n');
    peer.sends('OUT_OF_MEMORY\r\n');
    expect(await released).to.include({ outcome: 'nothing', retryable: true });
    expect([settled, refused]).to.deep.equal([1, 1]);
    const acked = reservation.ack();
    await peer.takes('delete 7\r\n');
    peer.sends('DELETED\r\n');
    await acked;
  });

  it('is not held any more where the server has buried it instead of releasing it', async () => {
    const released = rejection(reservation.release(), EngineError);
    peer.sends('BURIED\r\n');
    expect(await released).to.include({ outcome: 'unknown' });
    expect(refused).to.equal(0);
    await rejection(reservation.ack(), LeaseLostError);
  });

  it('can be settled once', async () => {
    const acked = reservation.ack();
    for (const again of [reservation.ack(), reservation.release(), reservation.bury(), reservation.touch()]) {
      expect((await rejection(again, LeaseLostError)).message).to.equal(
        'cannot settle or renew message 7 of queue "mail": it is no longer held: it was acknowledged',
      );
    }
    await peer.takes('delete 7\r\n');
    peer.sends('DELETED\r\n');
    await acked;
    expect(peer.unread).to.equal('');
    expect(settled).to.equal(1);
    expect(reservation.lost.aborted).to.equal(false);
  });

  it('starts its lease anew', async () => {
    const touched = reservation.touch();
    await peer.takes('touch 7\r\n');
    peer.sends('TOUCHED\r\n');
    await touched;
    expect(settled).to.equal(0);
  });

  for (const method of ['ack', 'release', 'bury', 'touch'] as const) {
    it(`is lost when the server does not find its job: ${method}`, async () => {
      const error = rejection(reservation[method](), LeaseLostError);
      peer.sends(`${method === 'bury' ? RECORDED : ''}NOT_FOUND\r\n`);
      expect((await error).message).to.equal(
        'cannot settle or renew message 7 of queue "mail": it is no longer held: its lease had ended',
      );
      expect((await error).cause).to.include({ code: 'NOT_FOUND' });
      expect(reservation.lost.aborted).to.equal(true);
      expect(reservation.lost.reason).to.be.instanceOf(LeaseLostError);
      await rejection(reservation.touch(), LeaseLostError);
    });
  }

  it('is lost with its connection', async () => {
    const lost = new Promise((resolve) => reservation.lost.addEventListener('abort', resolve));
    held.markLost('its connection closed');
    await lost;
    expect(reservation.lost.reason).to.include({ code: 'LEASE_LOST' });
    expect((await rejection(reservation.ack(), LeaseLostError)).message).to.match(/its connection closed$/);
    expect(settled).to.equal(1);
  });

  it('tells that it is lost also when nobody has asked before', () => {
    held.markLost('its connection closed');
    expect(reservation.lost.aborted).to.equal(true);
    expect(reservation.lost.reason).to.be.instanceOf(LeaseLostError);
    expect(reservation.lost).to.equal(reservation.lost);
  });

  it('is not lost when its connection goes after it was settled', async () => {
    const acked = reservation.ack();
    peer.sends('DELETED\r\n');
    await acked;
    held.markLost('its connection closed');
    expect(reservation.lost.aborted).to.equal(false);
  });

  it('passes on what else the server says', async () => {
    const buried = rejection(reservation.bury(), EngineError);
    peer.sends(`${RECORDED}INTERNAL_ERROR\r\n`);
    expect(await buried).to.include({ retryable: true, outcome: 'unknown' });
    expect((await buried).cause).to.include({ code: 'INTERNAL_ERROR', jobId: '7' });
    expect(reservation.lost.aborted).to.equal(false);
  });

  describe('of which only the body is known', () => {
    beforeEach(() => {
      reservation = holding();
    });

    it('has no attempt, but the shortest TTR that there is', () => {
      expect(reservation).to.include({ attempt: undefined, ttrMs: 1000 });
    });

    it('is acknowledged without a question', async () => {
      const acked = reservation.ack();
      expect(settled).to.equal(1);
      await peer.takes('delete 7\r\n');
      peer.sends('DELETED\r\n');
      await acked;
    });

    it('is asked about when it is to be tracked, once', async () => {
      const tracked = reservation.track();
      await peer.takes('stats-job 7\r\n');
      peer.sends(jobStats({ reserves: 4, ttr: 90 }));
      await tracked;
      expect(reservation).to.include({ attempt: 4, ttrMs: 90_000 });
      await reservation.track();
      expect([peer.unread, settled]).to.deep.equal(['', 0]);
    });

    it('keeps its priority, which is asked for when it is released', async () => {
      const released = reservation.release();
      // From now on it cannot be settled otherwise, though its command is not sent yet.
      await rejection(reservation.ack(), LeaseLostError);
      await peer.takes('stats-job 7\r\n');
      expect(settled).to.equal(0);
      peer.sends(jobStats({ pri: 55 }));
      await peer.takes('release 7 55 0\r\n');
      expect(settled).to.equal(1);
      peer.sends('RELEASED\r\n');
      await released;
    });

    it('is released with a priority that is given without a question', async () => {
      void reservation.release({ priority: 3 }).catch(() => {});
      await peer.takes('release 7 3 0\r\n');
    });

    it('is asked about when it is buried: its record tells how often it was delivered', async () => {
      const buried = reservation.bury({ priority: 3 });
      await peer.takes('stats-job 7\r\n');
      peer.sends(jobStats({ tube: 'p-mail', reserves: 4 }));
      await peer.takes(recorded('7', 4, 'bury 7 3\r\n'));
      peer.sends(`${RECORDED}BURIED\r\n`);
      await buried;
    });

    it('is lost when its connection is lost before its command was sent', async () => {
      const released = rejection(reservation.release(), LeaseLostError);
      await peer.takes('stats-job 7\r\n');
      peer.ends();
      await released;
      expect(reservation.lost.aborted).to.equal(true);
      expect(settled).to.equal(1);
    });

    for (const [what, answer] of [
      ['there is no such job', 'NOT_FOUND\r\n'],
      ['nobody holds the job', jobStats().replace('state: reserved', 'state: ready   ')],
    ] as const) {
      it(`is lost when ${what}`, async () => {
        const tracked = rejection(reservation.track(), LeaseLostError);
        peer.sends(answer);
        await tracked;
        expect(reservation.lost.aborted).to.equal(true);
        await rejection(reservation.ack(), LeaseLostError);
        expect(settled).to.equal(1);
      });
    }

    it('is held while the journal is read after a kick, and has no attempt until then', async () => {
      let fail: (error: Error) => void = () => {};
      const unreadable = new Journals(
        tubes,
        () =>
          new Promise((_resolve, reject) => {
            fail = reject;
          }),
      );
      reservation = holding(undefined, unreadable);
      const asked = reservation.track();
      await peer.takes('stats-job 7\r\n');
      peer.sends(jobStats({ ttr: 1, reserves: 9, kicks: 1 }));
      await peer.takes('touch 7\r\n');
      peer.sends('TOUCHED\r\n');
      while (reservation.leaseEndsAt <= 1000) await nextTurn();
      // Whoever asks now is told when the rest is known.
      const tracked = reservation.track();
      fail(new Error('gone'));
      await tracked;
      expect(reservation.attempt).to.equal(1);
      await asked;
    });

    it('cannot be tracked once it was settled', async () => {
      const acked = reservation.ack();
      await rejection(reservation.track(), LeaseLostError);
      peer.sends('DELETED\r\n');
      await acked;
    });
  });
});
