import { expect } from 'chai';
import { EngineBackoff } from '../../src/worker/engine-backoff.js';
import { useFakeClock } from '../support/clock.js';

describe('EngineBackoff', () => {
  const clock = useFakeClock();
  let reported: unknown[];
  let recoveries: number[];
  let stopping: AbortController;
  let backoff: EngineBackoff;

  beforeEach(() => {
    reported = [];
    recoveries = [];
    stopping = new AbortController();
    backoff = new EngineBackoff(
      { onFailure: (error) => reported.push(error), onRecovery: (downMs) => recoveries.push(downMs) },
      stopping.signal,
    );
  });

  /** How many milliseconds a round of waiting takes. */
  async function round(): Promise<number> {
    const began = performance.now();
    let isOver = false;
    void backoff.wait(new Error('no engine')).then(() => {
      isOver = true;
    });
    for (let ms = 0; !isOver && ms < 10_000; ms++) await clock.tickAsync(1);
    return performance.now() - began;
  }

  it('is waited out together, and reported once a round', async () => {
    const errors = [new Error('first'), new Error('second')];
    const waits = errors.map((error) => backoff.wait(error));
    await clock.tickAsync(200);
    await Promise.all(waits);
    expect(reported).to.deep.equal([errors[0]]);
    void backoff.wait(errors[1]);
    expect(reported).to.deep.equal(errors);
    stopping.abort();
  });

  it('is waited for longer each time, half of it at random, and no longer than five seconds', async () => {
    for (const longest of [200, 400, 800, 1600, 3200, 5000, 5000]) {
      expect(await round()).to.be.within(longest / 2, longest);
    }
  });

  it('begins anew once the engine has answered', async () => {
    for (let n = 0; n < 4; n++) await round();
    backoff.recover();
    expect(await round()).to.be.within(100, 200);
  });

  it('is waited for no longer once the signal aborts', async () => {
    const waiting = backoff.wait(new Error('no engine'));
    stopping.abort();
    await waiting;
    expect(clock.pending).to.equal(0);
    await backoff.wait(new Error('still none'));
  });
});
