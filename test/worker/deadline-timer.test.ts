import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { DeadlineTimer, type HasDeadline } from '../../src/worker/deadline-timer.js';
import { useFakeClock } from '../support/clock.js';

describe('DeadlineTimer', () => {
  const clock = useFakeClock();
  let timer: DeadlineTimer;
  let passed: string[];

  beforeEach(() => {
    timer = new DeadlineTimer();
    passed = [];
  });

  function deadline(name: string, inMs: number, then: () => void = () => {}): HasDeadline {
    const onDeadline = (): void => {
      passed.push(name);
      then();
    };
    return { deadlineAt: performance.now() + inMs, onDeadline };
  }

  it('lets deadlines pass when it is time, whatever order they were set in, and once', async () => {
    for (const [name, inMs] of [
      ['c', 300],
      ['a', 100],
      ['b', 200],
    ] as const)
      timer.set(deadline(name, inMs));
    await clock.tickAsync(99);
    expect(passed).to.deep.equal([]);
    await clock.tickAsync(1);
    expect(passed).to.deep.equal(['a']);
    await clock.tickAsync(1000);
    expect(passed).to.deep.equal(['a', 'b', 'c']);
    expect(clock.pending).to.equal(0);
  });

  it('lets all pass that are due, at once where their time is over', async () => {
    for (const [name, inMs] of [
      ['a', 100],
      ['past', -5],
      ['b', 100],
    ] as const)
      timer.set(deadline(name, inMs));
    await clock.tickAsync(1);
    expect(passed).to.deep.equal(['past']);
    await clock.tickAsync(99);
    expect(passed.slice(1).sort()).to.deep.equal(['a', 'b']);
  });

  it('lets those pass no more that are cancelled, and the others still', async () => {
    const [a, b, c] = [deadline('a', 100), deadline('b', 100), deadline('c', 200)];
    for (const each of [a, b, c]) timer.set(each);
    expect(timer.cancel(a)).to.equal(true);
    expect(timer.cancel(a)).to.equal(false);
    await clock.tickAsync(200);
    expect(passed).to.deep.equal(['b', 'c']);
    expect(timer.cancel(b)).to.equal(false);
  });

  it('lets none pass that is cancelled by one that passes before it', async () => {
    const second = deadline('second', 100);
    timer.set(deadline('first', 100, () => timer.cancel(second)));
    timer.set(second);
    await clock.tickAsync(1000);
    expect(passed).to.deep.equal(['first']);
  });

  it('takes new deadlines while one passes', async () => {
    timer.set(deadline('a', 100, () => timer.set(deadline('b', 100))));
    await clock.tickAsync(199);
    expect(passed).to.deep.equal(['a']);
    await clock.tickAsync(1);
    expect(passed).to.deep.equal(['a', 'b']);
  });

  it('starts one timer for all deadlines, and none once all that were cancelled would have passed', async () => {
    for (let n = 0; n < 1000; n++) {
      const each = deadline('', 100 + n);
      timer.set(each);
      timer.cancel(each);
    }
    expect(clock.pending).to.equal(1);
    await clock.tickAsync(100);
    expect([clock.pending, passed]).to.deep.equal([0, []]);
  });

  it('cancels all deadlines when it is stopped', async () => {
    timer.set(deadline('a', 100));
    timer.stop();
    expect(clock.pending).to.equal(0);
    timer.set(deadline('b', 200));
    await clock.tickAsync(1000);
    expect(passed).to.deep.equal(['b']);
  });
});

describe('DeadlineTimer, with the event loop of Node,', () => {
  let timer: DeadlineTimer;

  beforeEach(() => {
    timer = new DeadlineTimer();
  });

  it('reads what has arrived while the event loop was blocked before a deadline passes', async () => {
    let passed = false;
    const each = {
      deadlineAt: performance.now() + 20,
      onDeadline: () => {
        passed = true;
      },
    };
    timer.set(each);
    // What arrives meanwhile is read in the phase before immediates; a fulfilled read stands for it.
    const { port1, port2 } = new MessageChannel();
    port2.once('message', () => timer.cancel(each));
    await nextTurn();
    port1.postMessage('answer');
    const until = performance.now() + 60;
    while (performance.now() < until);
    await sleep(10);
    port1.close();
    expect(passed).to.equal(false);
  });

  it('calls no deadline in the AsyncLocalStorage of another that started the timer', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen = await storage.run('first', () => {
      const first = { deadlineAt: performance.now() + 5, onDeadline: () => {} };
      timer.set(first);
      timer.cancel(first);
      return storage.exit(
        () =>
          new Promise((resolve) => {
            timer.set({ deadlineAt: performance.now() + 5, onDeadline: () => resolve(storage.getStore()) });
          }),
      );
    });
    expect(seen).to.equal(undefined);
  });
});
