import type { Client, Job, ReserveOptions } from '../../src/client/index.js';
import { type Ledger, settles, together } from './ledger.js';

/** What the server has confirmed to a client. */
export interface Confirmed {
  used: string;
  watched: string[];
}

/**
 * Says every command that there is, most of them one after the other, some together in one write. When it returns, the
 * client has quit and left no job; when it throws, a call was lost. What may be left then is in the ledger.
 */
export async function converse(
  client: Client,
  tube: string,
  name: string,
  ledger: Ledger,
  confirmed: Confirmed,
  firstReserve: ReserveOptions = {},
): Promise<void> {
  confirmed.used = await settles(client.use(tube));
  await settles(client.watch(tube));
  confirmed.watched.push(tube);
  await settles(client.ignore('default'));
  confirmed.watched.shift();

  const first = `1 ${name}`;
  const id = await ledger.put(first, client.put(first));
  const job = the(await settles(client.reserve(firstReserve)));
  await settles(job.touch());
  await settles(job.release({ priority: 1 }));
  const again = the(await settles(client.reserve({ timeout: 0 })));
  await settles(again.bury());
  await settles(client.peekBuried());
  await settles(client.kick(1));
  await settles(client.peekReady());
  const taken = await settles(client.reserveJob(id));
  await settles(taken.release({ delay: 100 }));
  await settles(client.peekDelayed());
  await settles(client.kickJob(id));
  await settles(client.peek(id));
  await settles(client.pauseTube(tube, 0));

  const [second, third] = [`2 ${name}`, `3 ${name}`];
  await together([
    ledger.put(second, client.put(second)),
    client.listTubeUsed(),
    ledger.put(third, client.put(third)),
    ledger.delete(first, client.delete(id)),
    client.listTubesWatched(),
  ]);
  for (const body of [second, third]) {
    const next = the(await settles(client.reserve({ timeout: 0 })));
    await ledger.delete(body, next.delete());
  }
  await settles(client.quit());
}

/** The same without a reserve that may wait for ever. */
export function converseInTime(...[client, tube, name, ledger, confirmed]: Parameters<typeof look>): Promise<void> {
  return converse(client, tube, name, ledger, confirmed, { timeout: 0 });
}

/** Asks for everything that is answered at length. */
export async function look(
  client: Client,
  tube: string,
  name: string,
  ledger: Ledger,
  confirmed: Confirmed,
): Promise<void> {
  confirmed.used = await settles(client.use(tube));
  const id = await ledger.put(name, client.put(name));
  await together([client.stats(), client.statsTube(tube), client.statsJob(id), client.listTubes()]);
  await ledger.delete(name, client.delete(id));
  await settles(client.quit());
}

function the(job: Job | null): Job {
  if (job === null) throw new Error('there is a job, but reserve answered null');
  return job;
}
