/*
 * Load for minutes through a line that fails at random, which must lose nothing: `npm run soak -- worker --minutes 10`, or `client`.
 * Ends with 1 on a loss.
 */
const [, , what] = process.argv;
if (what === 'client') await import('./soak/client.js');
else if (what === 'worker') await import('./soak/worker.js');
else {
  console.error(`soak: what must be "client" or "worker", got ${JSON.stringify(what)}`);
  process.exitCode = 1;
}
