import { syncBuiltinESMExports } from 'node:module';
import { type SinonFakeTimers, useFakeTimers } from 'sinon';
import { afterTest } from './after-test.js';

/** Time that passes only when the test says so, for each test of the suite this is called in. */
export function useFakeClock(): Pick<SinonFakeTimers, 'tick' | 'tickAsync'> & { readonly pending: number } {
  let clock: SinonFakeTimers;
  beforeEach(() => {
    clock = useFakeTimers({
      shouldClearNativeTimers: true,
      toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'],
    });
    // For the imports of node:timers/promises.
    syncBuiltinESMExports();
    afterTest(() => {
      clock.restore();
      syncBuiltinESMExports();
    });
  });
  return {
    tick: (ms) => clock.tick(ms),
    tickAsync: (ms) => clock.tickAsync(ms),
    /** How many timers run. */
    get pending() {
      return clock.countTimers();
    },
  };
}
