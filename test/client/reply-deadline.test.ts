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

  it('tells once when the oldest command has had its time', async () => {
    timer.restart();
    await clock.tickAsync(99);
    expect(overdue).to.equal(0);
    await clock.tickAsync(1);
    expect(overdue).to.equal(1);
    await clock.tickAsync(1000);
    expect(overdue).to.equal(1);
    expect(clock.pending).to.equal(0);
  });

  it('is not misled by an event loop that was blocked: what has come meanwhile is read first', async () => {
    timer.restart();
    setTimeout(() => timer.restart(), 100);
    clock.tick(100);
    await clock.tickAsync(99);
    expect(overdue).to.equal(0);
    await clock.tickAsync(1);
    expect(overdue).to.equal(1);
  });

  it('counts anew when another command is the oldest, or bytes come, with one timer for all', async () => {
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

  it('counts anew while enough of the data of a reply comes: 1 KiB for each second', async () => {
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

  it('comes sooner where the next command may take less', async () => {
    allowance = 10_000;
    timer.restart();
    await clock.tickAsync(50);
    allowance = 100;
    timer.restart();
    expect(clock.pending).to.equal(1);
    await clock.tickAsync(100);
    expect(overdue).to.equal(1);
  });

  it('comes later where the next command may take more', async () => {
    timer.restart();
    await clock.tickAsync(50);
    allowance = 1000;
    timer.restart();
    await clock.tickAsync(999);
    expect(overdue).to.equal(0);
    await clock.tickAsync(1);
    expect(overdue).to.equal(1);
  });

  it('rests while nothing is out, and while the oldest may take for ever', async () => {
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

  it('tells nothing once it is stopped', async () => {
    timer.restart();
    timer.stop();
    expect(clock.pending).to.equal(0);
    await clock.tickAsync(1000);
    expect(overdue).to.equal(0);
  });
});
