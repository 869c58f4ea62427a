import { setImmediate as nextTurn } from 'node:timers/promises';
import { runCleanUps } from './after-test.js';

const unhandled = new Set<unknown>();

// Mocha 12 passes over a rejection that nobody handles. With the hook below, the test fails in which there is one.
process.on('unhandledRejection', (reason) => unhandled.add(reason));

/** Mocha loads this file before all tests (`.mocharc.json`). */
export const mochaHooks = {
  async afterEach(): Promise<void> {
    await nextTurn();
    const [reason] = unhandled;
    await runCleanUps();
    // What the clean-up made fail (a command that a test left unanswered on purpose) is not a fault of the test.
    await nextTurn();
    unhandled.clear();
    if (reason !== undefined) throw new Error('a rejection that nobody handled', { cause: reason });
  },
};
