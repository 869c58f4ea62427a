import { expect } from 'chai';
import { type SinonFakeTimers, useFakeTimers } from 'sinon';
import { Deadline } from '../../src/shared/deadline.js';

describe('Deadline', () => {
  let clock: SinonFakeTimers;
  let passed: number;
  const onDeadline = (): void => void passed++;

  beforeEach(() => {
    clock = useFakeTimers({
      shouldClearNativeTimers: true,
      toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'],
    });
    passed = 0;
  });

  afterEach(() => clock.restore());

  /** Lets time pass in which no timer can fire, as when the event loop is blocked. */
  const block = (ms: number): void => {
    clock.jump(ms);
  };

  it('passes after its time, once', () => {
    new Deadline(1000, onDeadline);
    clock.tick(999);
    expect(passed).to.equal(0);
    clock.tick(5000);
    expect(passed).to.equal(1);
  });

  it('passes no earlier, though timers cut off fractions of a millisecond', () => {
    new Deadline(150, onDeadline);
    clock.tick(149);
    expect(passed).to.equal(0);
    clock.tick(10);
    expect(passed).to.equal(1);
  });

  it('does not pass while the event loop is blocked, and extends its time', () => {
    new Deadline(500, onDeadline);
    block(1200);
    clock.tick(300);
    expect(passed).to.equal(0);
    clock.tick(500);
    expect(passed).to.equal(1);
  });

  it('extends its time after a block that ends before the deadline', () => {
    new Deadline(500, onDeadline);
    clock.tick(10);
    block(480);
    clock.tick(200);
    expect(passed).to.equal(0);
    clock.tick(400);
    expect(passed).to.equal(1);
  });

  it('passes after four times its time at the latest, however often the loop is blocked', () => {
    new Deadline(1000, onDeadline);
    for (let elapsed = 0; elapsed < 5000; elapsed += 500) block(500);
    clock.tick(1);
    expect(passed).to.equal(1);
  });

  it('reads what has arrived before it passes', () => {
    const deadline = new Deadline(500, onDeadline);
    // Immediates run after the poll phase, in which a reply may cancel the deadline.
    clock.tick(500);
    expect(passed).to.equal(0);
    deadline.cancel();
    clock.tick(10);
    expect(passed).to.equal(0);
  });

  it('can be restarted, also with another time, and cancelled', () => {
    const deadline = new Deadline(100, onDeadline);
    clock.tick(90);
    deadline.restart();
    clock.tick(90);
    expect(passed).to.equal(0);
    deadline.restart(10);
    clock.tick(20);
    expect(passed).to.equal(1);
    deadline.restart();
    deadline.cancel();
    clock.tick(1000);
    expect(passed).to.equal(1);
  });

  it('sets no timer any more when it is not needed, until it is restarted', () => {
    let isNeeded = true;
    const deadline = new Deadline(10_000, onDeadline, { isNeeded: () => isNeeded });
    clock.tick(3000);
    expect(clock.countTimers()).to.equal(1);
    isNeeded = false;
    clock.tick(1000);
    expect(clock.countTimers()).to.equal(0);
    clock.tick(10_000);
    expect(passed).to.equal(0);
    isNeeded = true;
    deadline.restart();
    clock.tick(10_010);
    expect(passed).to.equal(1);
  });

  it('keeps the timer functions that it began with, whatever the program replaces them by', () => {
    const deadline = new Deadline(100, onDeadline);
    const { setTimeout, clearTimeout, setImmediate, clearImmediate } = globalThis;
    const refuse = (): never => expect.fail('it uses the functions of somebody else');
    Object.assign(globalThis, {
      setTimeout: refuse,
      clearTimeout: refuse,
      setImmediate: refuse,
      clearImmediate: refuse,
    });
    try {
      clock.tick(80);
      deadline.restart(1000);
      clock.tick(300);
      deadline.cancel();
    } finally {
      Object.assign(globalThis, { setTimeout, clearTimeout, setImmediate, clearImmediate });
    }
    clock.tick(2000);
    expect(passed).to.equal(0);
    expect(clock.countTimers()).to.equal(0);
  });

  it('never passes with Infinity, and takes times that no timer can hold', () => {
    new Deadline(Number.POSITIVE_INFINITY, onDeadline).cancel();
    new Deadline(1e12, onDeadline);
    clock.tick(1e6);
    expect(passed).to.equal(0);
  });
});
