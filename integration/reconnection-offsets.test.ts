import { expect } from 'chai';
import { Client, type ClientOptions, ConnectionLostError, ConnectTimeoutError } from '../src/client/index.js';
import { type Confirmed, converse, converseInTime, look } from './support/conversation.js';
import { onOwnServer } from './support/fixture.js';
import { isLoss, Ledger, settles } from './support/ledger.js';
import type { Direction, Fault, TcpProxy } from './support/proxy.js';
import { until } from './support/until.js';

/** Conversations at a time, each with a tube, a proxy and a collector of its own. */
const LANES = 6;
const QUICKLY: ClientOptions = { reconnect: { initialDelayMs: 1, maxDelayMs: 5 } };
const DIRECTIONS: readonly Direction[] = ['toServer', 'toClient'];

/** Where one conversation after the other takes place. */
interface Lane {
  readonly tube: string;
  readonly proxy: TcpProxy;
  /** Has a line without faults, and finds what a conversation left. */
  readonly collector: Client;
}

describe('a conversation of all commands', () => {
  const fixture = onOwnServer();
  let lanes: Lane[];

  beforeEach(async () => {
    lanes = await Promise.all(
      Array.from({ length: LANES }, async (_, index) => {
        // Short, because every byte counts here.
        const tube = `t${index}`;
        return { tube, proxy: await fixture.proxy(), collector: await fixture.connectTo(tube) };
      }),
    );
  });

  for (const direction of DIRECTIONS) {
    for (const effect of ['reset', 'close'] as const) {
      it(`survives a ${effect} behind every byte ${direction}`, async () => {
        await atEveryOffset((lane, at) => cut(lane, converse, { direction, at, effect }));
      });
    }

    it(`survives a half-close ${direction} behind every fifth byte`, async () => {
      await atEveryOffset((lane, at) => cut(lane, converse, { direction, at, effect: 'half-close' }), 5);
    });

    it(`gets REPLY_TIMEOUT where the line stalls ${direction}, here behind every 50th byte`, async () => {
      await atEveryOffset(
        (lane, at) =>
          cut(lane, converseInTime, { direction, at, effect: 'stall' }, { ...QUICKLY, replyTimeoutMs: 1000 }),
        50,
      );
    });
  }

  it('survives a cut behind every byte of long answers', async () => {
    await atEveryOffset((lane, at) => cut(lane, look, { direction: 'toClient', at, effect: 'close' }));
  });

  it('is the same when every byte is a packet of its own', async () => {
    for (const { proxy } of lanes) proxy.flow = { toServer: { pieceBytes: 1 }, toClient: { pieceBytes: 1 } };
    await Promise.all(
      lanes.map(async (lane) => {
        expect(await cut(lane, converse, undefined)).to.equal(false);
        expect(await cut(lane, look, undefined)).to.equal(false);
      }),
    );
  });

  it('is the same when packets are delayed and run together', async () => {
    for (const { proxy } of lanes) proxy.flow = { toServer: { delayMs: 1 }, toClient: { coalesceMs: 3 } };
    await Promise.all(
      lanes.map(async (lane) => {
        expect(await cut(lane, converse, undefined)).to.equal(false);
      }),
    );
  });

  /** Until the offset lies behind the end of the conversation: then no fault strikes. */
  async function atEveryOffset(run: (lane: Lane, at: number) => Promise<boolean>, step = 1): Promise<void> {
    let next = 0;
    let struck = 0;
    let over = false;
    await Promise.all(
      lanes.map(async (lane) => {
        while (!over) {
          const at = next;
          next += step;
          const hasStruck = await run(lane, at).catch((error) => {
            over = true;
            throw error;
          });
          if (hasStruck) struck += 1;
          else over = true;
        }
      }),
    );
    expect(struck * step).to.be.greaterThan(300);
  }
});

/** Has a conversation with that fault in it, and sees to it that nothing is lost but what may be. @returns whether it struck */
async function cut(
  { tube, proxy, collector }: Lane,
  talk: typeof converse,
  fault: Fault | undefined,
  options = QUICKLY,
): Promise<boolean> {
  const where = `${fault?.effect} ${fault?.direction} at ${fault?.at}`;
  const struckBefore = proxy.faults;
  proxy.plan(fault);
  const client = await Client.connect(proxy.url, options).catch((error: unknown) => {
    // Before the server's first answer there is no client that could come back.
    if (!(error instanceof ConnectionLostError || error instanceof ConnectTimeoutError)) throw error;
    return undefined;
  });
  if (client === undefined) {
    proxy.resume();
    return proxy.faults > struckBefore;
  }
  const [ledger, confirmed]: [Ledger, Confirmed] = [new Ledger(), { used: 'default', watched: ['default'] }];
  try {
    await talk(client, tube, where, ledger, confirmed);
  } catch (error) {
    if (!isLoss(error)) throw new Error(`${where}: ${error}`, { cause: error });
  }
  proxy.resume();
  if (client.isOpen) await goesOn(client, tube, ledger, confirmed, where);
  // Now that both have used it.
  await collect(collector, tube, ledger, where, client.isOpen ? 2 : 1);
  client.destroy();
  return proxy.faults > struckBefore;
}

/** The next calls work, and the tubes are as they were confirmed. */
async function goesOn(
  client: Client,
  tube: string,
  ledger: Ledger,
  confirmed: Confirmed,
  where: string,
): Promise<void> {
  expect(await settles(client.listTubeUsed()), where).to.equal(confirmed.used);
  expect(await settles(client.listTubesWatched()), where).to.deep.equal(confirmed.watched);
  const body = `after ${where}`;
  await ledger.put(body, client.tube(tube).put(body));
}

/** Takes all jobs of the tube and compares them with the ledger. @param users how many connections use the tube */
async function collect(client: Client, tube: string, ledger: Ledger, where: string, users: number): Promise<void> {
  await until(`${where}: the lost connection is gone`, async () => {
    const stats = await client.statsTube(tube);
    return stats?.currentUsing === users && stats.currentJobsReserved === 0;
  });
  const stats = await client.statsTube(tube);
  if (stats?.currentJobsBuried) await client.kick(10);
  if (stats?.currentJobsDelayed) await client.kick(10);
  const found: string[] = [];
  for (let left = (await client.statsTube(tube))?.currentJobsReady ?? 0; left > 0; left -= 1) {
    const job = await client.reserve({ timeout: 0 });
    if (job === null) throw new Error(`${where}: there is a job less than the server says`);
    found.push(job.text());
    await job.delete();
  }
  const unsure = found.filter((body) => ledger.possible.has(body));
  expect(
    found.filter((body) => !ledger.possible.has(body)),
    where,
  ).to.have.members([...ledger.certain]);
  expect(unsure, where).to.deep.equal([...new Set(unsure)]);
}
