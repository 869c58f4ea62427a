import { expect } from 'chai';
import { spy, useFakeTimers } from 'sinon';
import { Client } from '../../../src/client/client.js';
import { Budgets } from '../../../src/drivers/beanstalkd/budget.js';
import type { BeanstalkdReservation } from '../../../src/drivers/beanstalkd/reservation.js';
import { SharedLane } from '../../../src/drivers/beanstalkd/shared-lane.js';
import { Tubes } from '../../../src/drivers/beanstalkd/tubes.js';
import { Turns } from '../../../src/drivers/beanstalkd/turns.js';
import { LeaseLostError } from '../../../src/queue/errors.js';
import { rejection } from '../../support/failures.js';
import type { Peer } from '../../support/scripted-server.js';
import { jobStats, useWireServer } from '../../support/wire-server.js';
import { deferred } from '../../support/worker-harness.js';

const ASK = 'reserve-with-timeout 0\r\n';

describe('SharedLane', () => {
  const server = useWireServer();
  let lane: SharedLane;
  let connections: number;
  let connect: () => Promise<Client>;

  beforeEach(() => {
    connections = 0;
    connect = () => Client.connect(server().url, { reconnect: false });
  });

  afterEach(() => lane.destroy());

  function make(tubes = ['default'], trackAttempts = false): void {
    lane = new SharedLane({
      connect: () => {
        connections++;
        return connect();
      },
      tubes: new Tubes(''),
      turns: new Turns(tubes, 'strict'),
      trackAttempts,
      budgets: new Budgets(),
    });
  }

  /** Connected, and nothing asked yet. */
  async function connected(tubes?: string[], trackAttempts?: boolean): Promise<Peer> {
    make(tubes, trackAttempts);
    const made = deferred();
    const open = connect;
    connect = async () => {
      const client = await open();
      setImmediate(made.resolve);
      return client;
    };
    expect(await lane.take(undefined)).to.equal(null);
    await made.promise;
    connect = open;
    return server().peer();
  }

  /** @param stats where attempts are tracked: what the server tells of the job */
  async function took(peer: Peer, id: number, stats?: string): Promise<BeanstalkdReservation> {
    const taking = lane.take(undefined);
    await peer.takes(ASK);
    peer.sends(`RESERVED ${id} 2\r\nhi\r\n`);
    if (stats !== undefined) {
      await peer.takes(`stats-job ${id}\r\n`);
      peer.sends(stats);
    }
    return (await taking) as BeanstalkdReservation;
  }

  it('connects when it is first asked, once, and answers null until it has', async () => {
    make();
    expect(await Promise.all([lane.take(undefined), lane.take(undefined)])).to.deep.equal([null, null]);
    expect(connections).to.equal(1);
  });

  it('holds many jobs on one connection, and settles each with the next reserve in one write', async () => {
    const peer = await connected();
    const [first, second] = [await took(peer, 7), await took(peer, 8)];
    expect(first).to.include({ id: '7', queue: 'default', attempt: undefined });
    const acked = [second.ack(), first.ack()];
    const third = lane.take(undefined);
    await peer.takes('delete 8\r\n');
    expect(peer.unread).to.equal(`delete 7\r\n${ASK}`);
    peer.sends('DELETED\r\nDELETED\r\nTIMED_OUT\r\n');
    await Promise.all(acked);
    expect(await third).to.equal(null);
    expect(connections).to.equal(1);
  });

  it('asks each tube by itself, and waits for none', async () => {
    const peer = await connected(['a', 'b']);
    const taking = lane.take(undefined);
    await peer.takes(`watch a\r\nignore default\r\n${ASK}`);
    peer.sends('WATCHING 2\r\nWATCHING 1\r\nTIMED_OUT\r\n');
    await peer.takes(`watch b\r\nignore a\r\n${ASK}`);
    peer.sends('WATCHING 2\r\nWATCHING 1\r\nTIMED_OUT\r\n');
    expect(await taking).to.equal(null);
  });

  it('asks for what RESERVED does not tell where attempts are tracked', async () => {
    const peer = await connected(['default'], true);
    expect(await took(peer, 7, jobStats({ tube: 'default', reserves: 3 }))).to.include({ id: '7', attempt: 3 });
  });

  it('takes DEADLINE_SOON for what it is: a job that it holds is late, and none is ready', async () => {
    const peer = await connected();
    const held = await took(peer, 7);
    const taking = lane.take(undefined);
    await peer.takes(ASK);
    peer.sends('DEADLINE_SOON\r\n');
    expect(await taking).to.equal(null);
    expect(await took(peer, 8)).to.include({ id: '8' });
    expect(held.lost.aborted).to.equal(false);
  });

  it('loses what it holds with its connection, and connects anew', async () => {
    const peer = await connected();
    const [first, second] = [await took(peer, 7), await took(peer, 8)];
    void first.ack().catch(() => {});
    await peer.takes('delete 7\r\n');
    const lost = new Promise((resolve) => second.lost.addEventListener('abort', resolve));
    peer.ends();
    await lost;
    expect(first.lost.aborted).to.equal(false);
    const { message } = await rejection(second.ack(), LeaseLostError);
    expect(message).to.equal('message 8 of queue "default" is no longer held: its connection closed');
    expect(await lane.take(undefined)).to.equal(null);
    expect(connections).to.equal(2);
  });

  it('holds a job no longer whose lease is over', async () => {
    const peer = await connected();
    const reservation = await took(peer, 7);
    const touched = rejection(reservation.touch(), LeaseLostError);
    await peer.takes('touch 7\r\n');
    peer.sends('NOT_FOUND\r\n');
    await touched;
    const failed = lane.take(undefined);
    await peer.takes(ASK);
    peer.sends('OUT_OF_MEMORY\r\n');
    await failed;
    // Nothing is left to be waited for.
    await peer.takes('quit\r\n');
  });

  it('asks no more when something failed, and ends its connection when what it holds is settled', async () => {
    const peer = await connected(['default'], true);
    const first = await took(peer, 7, jobStats({ tube: 'default' }));
    const failing = lane.take(undefined);
    await peer.takes(ASK);
    // It is given to nobody: the connection's end gives it back.
    peer.sends('RESERVED 8 2\r\nhi\r\n');
    await peer.takes('stats-job 8\r\n');
    peer.sends('OUT_OF_MEMORY\r\n');
    expect(await failing).to.equal(null);
    expect(await lane.take(undefined)).to.equal(null);
    expect(connections).to.equal(1);
    expect(first.lost.aborted).to.equal(false);
    const acked = first.ack();
    await peer.takes('delete 7\r\n');
    peer.sends('DELETED\r\n');
    await acked;
    await peer.takes('quit\r\n');
    await peer.takesEnd();
  });

  it('gives nobody a job from another tube: no ask counts whose tube could not be watched', async () => {
    const peer = await connected(['a', 'b']);
    const taking = [lane.take(undefined), lane.take(undefined)];
    await peer.takes(`watch a\r\nignore default\r\n${ASK}${ASK}`);
    peer.sends('OUT_OF_MEMORY\r\nNOT_IGNORED\r\nRESERVED 7 2\r\nhi\r\nRESERVED 8 2\r\nhi\r\n');
    expect(await Promise.all(taking)).to.deep.equal([null, null]);
    await peer.takes('quit\r\n');
    await peer.takesEnd();
  });

  it('goes on to the next tube when a job of another is late', async () => {
    const peer = await connected(['a', 'b']);
    const taking = lane.take(undefined);
    await peer.takes(`watch a\r\nignore default\r\n${ASK}`);
    peer.sends('WATCHING 2\r\nWATCHING 1\r\nDEADLINE_SOON\r\n');
    await peer.takes(`watch b\r\nignore a\r\n${ASK}`);
    peer.sends('WATCHING 2\r\nWATCHING 1\r\nRESERVED 7 2\r\nhi\r\n');
    expect(await taking).to.include({ id: '7', queue: 'b' });
  });

  it('gives nobody a job from an ask whose connection has been ended meanwhile', async () => {
    const peer = await connected();
    const taking = [lane.take(undefined), lane.take(undefined)];
    await peer.takes(ASK + ASK);
    peer.sends('OUT_OF_MEMORY\r\n');
    expect(await taking[0]).to.equal(null);
    peer.sends('RESERVED 8 2\r\nhi\r\n');
    expect(await taking[1]).to.equal(null);
  });

  it('connects once, however long that takes, when its connection is lost with asks under way', async () => {
    const clock = useFakeTimers({ toFake: ['performance'] });
    try {
      const peer = await connected();
      const taking = lane.take(undefined);
      await peer.takes(ASK);
      const gate = deferred<never>();
      connect = () => gate.promise;
      peer.ends();
      expect(await taking).to.equal(null);
      for (let asks = 0; asks < 3; asks++) {
        expect(await lane.take(undefined)).to.equal(null);
        clock.tick(1000);
      }
      expect(connections).to.equal(2);
      gate.reject(new Error('no'));
    } finally {
      clock.restore();
    }
  });

  describe('whose job comes again, because its lease had ended', () => {
    for (const trackAttempts of [false, true]) {
      it(`loses it for its holder before anybody else is given it, tracking ${trackAttempts}`, async () => {
        const peer = await connected(['default'], trackAttempts);
        const stale = await took(peer, 7, trackAttempts ? jobStats({ tube: 'default' }) : undefined);
        const taking = lane.take(undefined);
        await peer.takes(ASK);
        peer.sends('RESERVED 7 2\r\nhi\r\n');
        if (trackAttempts) await peer.takes('stats-job 7\r\n');
        else await taking;
        expect(stale.lost.aborted).to.equal(true);
        for (const settle of ['ack', 'release', 'bury', 'touch'] as const) {
          await rejection(stale[settle](), LeaseLostError);
        }
        expect(peer.unread).to.equal('');
        if (trackAttempts) peer.sends(jobStats({ tube: 'default', reserves: 2 }));
        const acked = (await taking)?.ack();
        await peer.takes('delete 7\r\n');
        peer.sends('DELETED\r\n');
        await acked;
      });
    }

    it('asks on when it is gone again before it can be asked about', async () => {
      const peer = await connected(['default'], true);
      const taking = lane.take(undefined);
      await peer.takes(ASK);
      peer.sends('RESERVED 7 2\r\nhi\r\n');
      await peer.takes('stats-job 7\r\n');
      peer.sends(jobStats({ tube: 'default' }).replace('state: reserved', 'state: ready   '));
      await peer.takes(ASK);
      peer.sends('TIMED_OUT\r\n');
      expect(await taking).to.equal(null);
    });

    describe('and may be on its way already', () => {
      let peer: Peer;
      let reservation: BeanstalkdReservation;
      let clock: ReturnType<typeof useFakeTimers>;

      beforeEach(async () => {
        clock = useFakeTimers({ toFake: ['performance'] });
        peer = await connected(['default'], true);
        reservation = await took(peer, 7, jobStats({ tube: 'default', ttr: 60 }));
        clock.tick(30_001);
      });

      afterEach(() => clock.restore());

      it('touches it before it is settled late', async () => {
        const acked = reservation.ack();
        await peer.takes('touch 7\r\n');
        expect(peer.unread).to.equal('');
        peer.sends('TOUCHED\r\n');
        await peer.takes('delete 7\r\n');
        peer.sends('DELETED\r\n');
        await acked;
      });

      it('does not touch it again when that has been done in time', async () => {
        const touched = reservation.touch();
        await peer.takes('touch 7\r\n');
        peer.sends('TOUCHED\r\n');
        await touched;
        clock.tick(29_000);
        void reservation.ack().catch(() => {});
        await peer.takes('delete 7\r\n');
      });

      it('settles nothing that somebody else was given meanwhile', async () => {
        const taking = lane.take(undefined);
        const acked = rejection(reservation.ack(), LeaseLostError);
        await peer.takes(`${ASK}touch 7\r\n`);
        peer.sends('RESERVED 7 2\r\nhi\r\nTOUCHED\r\n');
        await acked;
        await peer.takes('stats-job 7\r\n');
        peer.sends(jobStats({ tube: 'default', reserves: 2 }));
        expect(await taking).to.include({ id: '7', attempt: 2 });
        expect(peer.unread).to.equal('');
      });
    });
  });

  describe('that is given up', () => {
    it('rejects at once, though the server does not answer, and releases what comes all the same', async () => {
      const peer = await connected();
      const controller = new AbortController();
      const given = rejection(lane.take(controller.signal), Error);
      await peer.takes(ASK);
      const reason = new Error('enough');
      controller.abort(reason);
      expect(await given).to.equal(reason);
      peer.sends('RESERVED 8 2\r\nhi\r\n');
      await peer.takes('stats-job 8\r\n');
      peer.sends(jobStats({ tube: 'default', pri: 55 }));
      await peer.takes('release 8 55 0\r\n');
    });

    it('asks no other tube', async () => {
      const peer = await connected(['a', 'b']);
      const controller = new AbortController();
      const given = rejection(lane.take(controller.signal), Error);
      await peer.takes(`watch a\r\nignore default\r\n${ASK}`);
      controller.abort();
      await given;
      peer.sends('WATCHING 2\r\nWATCHING 1\r\nTIMED_OUT\r\n');
      void lane.take(undefined);
      await peer.takes(ASK);
    });

    it('listens to no signal longer than it asks', async () => {
      const peer = await connected();
      const { signal } = new AbortController();
      const removed = spy(signal, 'removeEventListener');
      const taking = lane.take(signal);
      await peer.takes(ASK);
      peer.sends('TIMED_OUT\r\n');
      expect(await taking).to.equal(null);
      expect(removed.callCount).to.equal(1);
    });
  });

  it('makes no other connection for a second after one could not be made', async () => {
    const clock = useFakeTimers({ toFake: ['performance'] });
    try {
      const failed = deferred();
      connect = () => {
        setImmediate(failed.resolve);
        return Promise.reject(new Error('no'));
      };
      make();
      await lane.take(undefined);
      await failed.promise;
      clock.tick(999);
      await lane.take(undefined);
      expect(connections).to.equal(1);
      clock.tick(1);
      await lane.take(undefined);
      expect(connections).to.equal(2);
    } finally {
      clock.restore();
    }
  });

  it('closes a connection that comes when it was destroyed already', async () => {
    const gate = deferred();
    connect = async () => {
      const client = await Client.connect(server().url, { reconnect: false });
      await gate.promise;
      return client;
    };
    make();
    await lane.take(undefined);
    const peer = await server().peer();
    lane.destroy();
    gate.resolve();
    await peer.takesEnd();
  });
});
