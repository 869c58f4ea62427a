import { expect } from 'chai';
import { LeaseLostError } from '../../src/queue/errors.js';
import { DeadlineTimer } from '../../src/worker/deadline-timer.js';
import { LeaseKeeper } from '../../src/worker/lease.js';
import { useFakeClock } from '../support/clock.js';
import { FakeMessage, type MessageParts } from '../support/fake-driver.js';
import { deferred } from '../support/worker-harness.js';

describe('LeaseKeeper', () => {
  const clock = useFakeClock();
  let timer: DeadlineTimer;
  let losses: Error[];
  let errors: unknown[];
  let keeper: LeaseKeeper;

  function keep(ttrMs: number, parts: MessageParts = {}): FakeMessage {
    const reservation = new FakeMessage({ ttrMs, ...parts }, () => {});
    timer = new DeadlineTimer();
    losses = [];
    errors = [];
    keeper = new LeaseKeeper(reservation, timer, {
      touch: () => reservation.touch(),
      onLeaseLost: (reason) => losses.push(reason),
      onLeaseError: (error) => errors.push(error),
    });
    return reservation;
  }

  afterEach(() => {
    keeper.stop();
    timer.stop();
  });

  it('renews the lease well before it ends, again and again', async () => {
    const reservation = keep(10_000);
    await clock.tickAsync(3999);
    expect(reservation.touches).to.equal(0);
    await clock.tickAsync(1);
    expect(reservation.touches).to.equal(1);
    await clock.tickAsync(20_000);
    expect(reservation.touches).to.equal(6);
  });

  it('counts from when the renewal was sent, and repeats one that hangs', async () => {
    const reservation = keep(10_000);
    const answer = deferred();
    reservation.answer = () => answer.promise;
    await clock.tickAsync(7999);
    expect(reservation.touches).to.equal(1);
    await clock.tickAsync(1);
    expect(reservation.touches).to.equal(2);
    answer.resolve();
    await clock.tickAsync(3999);
    expect(reservation.touches).to.equal(2);
    await clock.tickAsync(1);
    expect([reservation.touches, losses]).to.deep.equal([3, []]);
  });

  it('asks for the TTR where it is unknown, and renews as often as that needs', async () => {
    const reservation = keep(1000, { untracked: true });
    const track = reservation.track.bind(reservation);
    reservation.track = async () => {
      await track();
      reservation.ttrMs = 60_000;
      reservation.leaseEndsAt += 59_000;
    };
    await clock.tickAsync(400);
    expect(reservation.touches).to.equal(1);
    await clock.tickAsync(23_999);
    expect(reservation.touches).to.equal(1);
    await clock.tickAsync(1);
    expect(reservation.touches).to.equal(2);
  });

  it('renews in time also when it was watched from the beginning', async () => {
    const reservation = keep(10_000);
    keeper.watch();
    await clock.tickAsync(4000);
    expect(reservation.touches).to.equal(1);
  });

  it('renews no more than ten times a second', async () => {
    const reservation = keep(200);
    await clock.tickAsync(1000);
    expect(reservation.touches).to.equal(10);
  });

  it('renews leases that are longer than a timer can be', async () => {
    const reservation = keep(365 * 86_400_000);
    await clock.tickAsync(1000);
    expect(reservation.touches).to.equal(0);
    await clock.tickAsync(145 * 86_400_000);
    expect(reservation.touches).to.equal(0);
    await clock.tickAsync(86_400_000);
    expect(reservation.touches).to.equal(1);
  });

  it('does nothing for a message that is done within a few milliseconds', async () => {
    const reservation = keep(10_000);
    await clock.tickAsync(49);
    keeper.stop();
    await clock.tickAsync(60_000);
    expect([reservation.touches, clock.pending]).to.deep.equal([0, 0]);
    reservation.loseLease();
    expect(losses).to.deep.equal([]);
  });

  it('renews nothing once it was stopped', async () => {
    const reservation = keep(10_000);
    await clock.tickAsync(3999);
    keeper.stop();
    await clock.tickAsync(60_000);
    expect([reservation.touches, clock.pending]).to.deep.equal([0, 0]);
  });

  it('runs no timer when it was stopped during a renewal', async () => {
    const reservation = keep(10_000);
    const answer = deferred();
    reservation.answer = () => answer.promise;
    await clock.tickAsync(4000);
    keeper.stop();
    answer.resolve();
    await clock.tickAsync(60_000);
    expect([reservation.touches, clock.pending]).to.deep.equal([1, 0]);
  });

  describe('tells that the lease is lost', () => {
    it('as soon as it is known', async () => {
      const reservation = keep(10_000);
      await clock.tickAsync(1000);
      reservation.loseLease();
      expect(losses).to.deep.equal([reservation.lost.reason]);
      await clock.tickAsync(60_000);
      expect(reservation.touches).to.equal(0);
    });

    it('at the first look, when that was within the first few milliseconds', async () => {
      const reservation = keep(10_000);
      reservation.loseLease();
      expect(losses).to.deep.equal([]);
      await clock.tickAsync(50);
      expect(losses).to.deep.equal([reservation.lost.reason]);
    });

    it('at once when it is watched, be it lost before or after', () => {
      const before = keep(10_000);
      before.loseLease();
      keeper.watch();
      expect(losses).to.deep.equal([before.lost.reason]);
      const after = keep(10_000);
      keeper.watch();
      after.loseLease();
      expect(losses).to.deep.equal([after.lost.reason]);
    });

    it('when a renewal is refused, and renews it no more', async () => {
      const reservation = keep(10_000);
      reservation.loseLease({ tell: false });
      await clock.tickAsync(60_000);
      expect(reservation.touches).to.equal(1);
      expect(losses).to.deep.equal([reservation.lost.reason]);
      expect(errors).to.deep.equal([]);
    });

    it('when it has ended by our own clock, since no renewal was answered', async () => {
      const reservation = keep(3000);
      reservation.answer = () => new Promise(() => {});
      await clock.tickAsync(2999);
      expect(losses).to.deep.equal([]);
      await clock.tickAsync(1);
      expect(losses).to.have.length(1);
      expect(losses[0]).to.be.instanceOf(LeaseLostError);
      expect(losses[0]?.message).to.match(/its lease has ended, and no renewal was answered$/);
      await clock.tickAsync(60_000);
      expect([reservation.touches, losses.length]).to.deep.equal([2, 1]);
    });

    it('when it has ended by our own clock, since every renewal failed', async () => {
      const reservation = keep(3000);
      reservation.answer = () => Promise.reject(new Error('no answer'));
      await clock.tickAsync(3000);
      expect([losses.length, errors.length]).to.deep.equal([1, 2]);
    });

    it('not by our own clock while the TTR is unknown', async () => {
      const reservation = keep(1000, { untracked: true });
      reservation.answer = () => new Promise(() => {});
      await clock.tickAsync(10_000);
      expect(losses).to.deep.equal([]);
    });

    it('to nobody once it was stopped', async () => {
      const reservation = keep(10_000);
      await clock.tickAsync(1000);
      keeper.stop();
      keeper.watch();
      reservation.loseLease();
      expect(losses).to.deep.equal([]);
    });
  });

  it('reports another failure and tries again', async () => {
    const reservation = keep(10_000);
    const error = new Error('no answer');
    reservation.answer = () => Promise.reject(error);
    await clock.tickAsync(4000);
    expect(errors).to.deep.equal([error]);
    reservation.answer = async () => {};
    await clock.tickAsync(4000);
    expect([reservation.touches, errors.length]).to.deep.equal([2, 1]);
  });

  it('does not report a failure that comes after it was stopped', async () => {
    const reservation = keep(10_000);
    const answer = deferred();
    reservation.answer = () => answer.promise;
    await clock.tickAsync(4000);
    keeper.stop();
    answer.reject(new Error('connection closed'));
    await clock.tickAsync(0);
    expect(errors).to.deep.equal([]);
  });
});
