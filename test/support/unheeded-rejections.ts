// Mocha 12 passes over a rejection that nobody handles. With this, as a root hook, the test fails in which there is one.
import { setImmediate as nextTurn } from 'node:timers/promises';

const unheeded = new Set<unknown>();

process.on('unhandledRejection', (reason) => unheeded.add(reason));

afterEach('lets no rejection go unheeded', async () => {
  await nextTurn();
  const [reason] = unheeded;
  unheeded.clear();
  if (reason !== undefined) throw new Error('a rejection that nobody handled', { cause: reason });
});
