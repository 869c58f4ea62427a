import { expect } from 'chai';
import { ReplyDeadline } from '../../src/client/reply-deadline.js';
import { useFakeClock } from '../support/clock.js';

describe('ReplyDeadline', () => {
  const clock = useFakeClock();
  let allowance: number | undefined;
  let overdue: number;
  let timer: ReplyDeadline;

  beforeEach(() => {
    allowance = 100;
    overdue = 0;
    timer = new ReplyDeadline(
      () => allowance,
      () => overdue++,
    );
  });

  it('reports once that the oldest command is overdue', async () => {
    timer.restart();
    await clock.tickAsync(99);
    expect(overdue).to.equal(0);
    await clock.tickAsync(1);
    expect(overdue).to.equal(1);
    await clock.tickAsync(1000);
    expect(overdue).to.equal(1);
    expect(clock.pending).to.equal(0);
  });

  it('allows for a blocked event loop: replies that have arrived are read first', async () => {
    timer.restart();
    setTimeout(() => timer.restart(), 100);
    clock.tick(100);
    await clock.tickAsync(99);
    expect(overdue).to.equal(0);
    await clock.tickAsync(1);
    expect(overdue).to.equal(1);
  });

  it('restarts when another command is the oldest, with one timer for all', async () => {
    timer.restart();
    for (let i = 0; i < 50; i++) {
      await clock.tickAsync(60);
      timer.restart();
      expect(clock.pending).to.equal(1);
    }
    expect(overdue).to.equal(0);
    await clock.tickAsync(99);
    expect(overdue).to.equal(0);
    await clock.tickAsync(1);
    expect(overdue).to.equal(1);
  });

  it('restarts while enough data of a reply arrives: 1 KiB per second', async () => {
    let received = 0;
    timer = new ReplyDeadline(
      () => allowance,
      () => overdue++,
      () => received,
    );
    allowance = 1000;
    timer.restart();
    for (let i = 0; i < 5; i++) {
      await clock.tickAsync(500);
      received += 1024;
      await clock.tickAsync(500);
      expect(overdue).to.equal(0);
    }
    received += 1023;
    await clock.tickAsync(1000);
    expect(overdue).to.equal(1);
  });

  it('passes sooner if the next command has less time', async () => {
    allowance = 10_000;
    timer.restart();
    await clock.tickAsync(50);
    allowance = 100;
    timer.restart();
    expect(clock.pending).to.equal(1);
    await clock.tickAsync(100);
    expect(overdue).to.equal(1);
  });

  it('passes later if the next command has more time', async () => {
    timer.restart();
    await clock.tickAsync(50);
    allowance = 1000;
    timer.restart();
    await clock.tickAsync(999);
    expect(overdue).to.equal(0);
    await clock.tickAsync(1);
    expect(overdue).to.equal(1);
  });

  it('sets no timer while nothing is pending, or the oldest command has no limit', async () => {
    for (const nothing of [undefined, Number.POSITIVE_INFINITY]) {
      allowance = nothing;
      timer.restart();
      expect(clock.pending).to.equal(0);
      allowance = 100;
      timer.restart();
      allowance = nothing;
      await clock.tickAsync(100);
      expect(clock.pending).to.equal(0);
      allowance = 100;
      timer.restart();
      await clock.tickAsync(99);
      expect(overdue).to.equal(0);
      timer.stop();
    }
  });

  it('sets no timers while nothing is pending: after a second at most there is none', async () => {
    allowance = 30_000;
    timer.restart();
    await clock.tickAsync(10_000);
    expect(clock.pending).to.equal(1);
    allowance = undefined;
    timer.restart();
    await clock.tickAsync(1000);
    expect(clock.pending).to.equal(0);
    allowance = 30_000;
    timer.restart();
    await clock.tickAsync(29_999);
    expect(overdue).to.equal(0);
    await clock.tickAsync(1);
    expect(overdue).to.equal(1);
  });

  it('reports nothing after it is stopped', async () => {
    timer.restart();
    timer.stop();
    expect(clock.pending).to.equal(0);
    await clock.tickAsync(1000);
    expect(overdue).to.equal(0);
  });
});
