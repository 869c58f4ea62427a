import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { Client } from '../../src/client/client.js';
import type { ClientOptions } from '../../src/client/options.js';
import { Pool, type PoolOptions } from '../../src/client/pool.js';
import { BeanstalkdError, InvalidArgumentError } from '../../src/protocol/errors.js';
import { rejection } from '../support/failures.js';
import { connectFake } from '../support/fake-socket.js';

/** A value that the types reject, as JavaScript code may pass it. */
const bad = <T>(value: unknown): T => value as T;

/** Objects that only resemble a signal. */
const DUCK = {
  aborted: false,
  reason: undefined,
  addEventListener() {},
  removeEventListener() {},
  throwIfAborted() {},
};

/** Values of every kind except strings, numbers and bytes. `undefined` is omitted, because it means no value. */
const NEITHER: readonly unknown[] = [
  null,
  true,
  Symbol('s'),
  () => 1,
  {},
  Object.create(null),
  [],
  [1],
  new Map(),
  new Date(0),
  new Proxy({}, {}),
];
const NO_NUMBER: readonly unknown[] = [...NEITHER, '1', '', 1n, Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5];
const NO_ID: readonly unknown[] = [...NEITHER, undefined, '', 'abc', '-1', ' 1', 1.5, -1, -1n, 2 ** 53];
const NO_TUBE: readonly unknown[] = [...NEITHER, undefined, '', '-a', 'a b', 'a\0', 'a\r\n', 'x'.repeat(201), 5];
const NO_BODY: readonly unknown[] = [
  ...NEITHER,
  undefined,
  5,
  1n,
  new ArrayBuffer(1),
  new Uint16Array(1),
  new DataView(new ArrayBuffer(1)),
];
const NO_OPTIONS: readonly unknown[] = [
  null,
  5,
  'x',
  true,
  () => 1,
  [],
  new Map(),
  new AbortController().signal,
  Symbol('s'),
];
const NO_SIGNAL: readonly unknown[] = [null, 5, 'x', true, {}, DUCK, new EventTarget(), new AbortController(), () => 1];

interface Row {
  readonly what: string;
  readonly wrong: readonly unknown[];
  readonly call: (client: Client, value: unknown) => unknown;
  /** What the error must name: the argument or option, and the allowed values. */
  readonly says: RegExp;
}

const TUBE = /a tube name must be 1 to 200 of .*, got /;
const ID = /a job id must be an integer from 0 to 18446744073709551615, got /;
const OPTIONS = /the options must be an object, got /;
const u32 = (name: string): RegExp => new RegExp(`${name} must be an integer from 0 to 4294967295, got `);

const ROWS: readonly Row[] = [
  {
    what: 'the body of put',
    wrong: NO_BODY,
    call: (c, v) => c.put(bad(v)),
    says: /a body must be a string or a Uint8Array, got /,
  },
  { what: 'the options of put', wrong: NO_OPTIONS, call: (c, v) => c.put('x', bad(v)), says: OPTIONS },
  {
    what: 'an option of put',
    wrong: ['prio', 'Priority', 'timeout', ''],
    call: (c, v) => c.put('x', bad({ [v as string]: 5 })),
    says: /an option must be priority, delay or ttr, got /,
  },
  {
    what: 'priority of put',
    wrong: NO_NUMBER,
    call: (c, v) => c.put('x', { priority: bad(v) }),
    says: u32('priority'),
  },
  { what: 'delay of put', wrong: NO_NUMBER, call: (c, v) => c.put('x', { delay: bad(v) }), says: u32('delay') },
  { what: 'ttr of put', wrong: NO_NUMBER, call: (c, v) => c.put('x', { ttr: bad(v) }), says: u32('ttr') },
  { what: 'the tube of use', wrong: NO_TUBE, call: (c, v) => c.use(bad(v)), says: TUBE },
  { what: 'the tube of watch', wrong: NO_TUBE, call: (c, v) => c.watch(bad(v)), says: TUBE },
  { what: 'the tube of ignore', wrong: NO_TUBE, call: (c, v) => c.ignore(bad(v)), says: TUBE },
  { what: 'the tube of statsTube', wrong: NO_TUBE, call: (c, v) => c.statsTube(bad(v)), says: TUBE },
  { what: 'the tube of pauseTube', wrong: NO_TUBE, call: (c, v) => c.pauseTube(bad(v), 1), says: TUBE },
  {
    what: 'the seconds of pauseTube',
    wrong: [...NO_NUMBER, undefined],
    call: (c, v) => c.pauseTube('a', bad(v)),
    says: u32('seconds'),
  },
  { what: 'the name of tube', wrong: NO_TUBE, call: async (c, v) => c.tube(bad(v)), says: TUBE },
  { what: 'the options of reserve', wrong: NO_OPTIONS, call: (c, v) => c.reserve(bad(v)), says: OPTIONS },
  {
    what: 'an option of reserve',
    wrong: ['timeoutMs', 'wait'],
    call: (c, v) => c.reserve(bad({ [v as string]: 5 })),
    says: /an option must be timeout or signal, got /,
  },
  {
    what: 'timeout of reserve',
    wrong: NO_NUMBER,
    call: (c, v) => c.reserve({ timeout: bad(v) }),
    says: /timeout must be an integer from 0 to 2147483647, got /,
  },
  {
    what: 'signal of reserve',
    wrong: NO_SIGNAL,
    call: (c, v) => c.reserve({ signal: bad(v) }),
    says: /signal must be an AbortSignal, got /,
  },
  { what: 'the id of reserveJob', wrong: NO_ID, call: (c, v) => c.reserveJob(bad(v)), says: ID },
  { what: 'the id of delete', wrong: NO_ID, call: (c, v) => c.delete(bad(v)), says: ID },
  { what: 'the id of release', wrong: NO_ID, call: (c, v) => c.release(bad(v)), says: ID },
  { what: 'the options of release', wrong: NO_OPTIONS, call: (c, v) => c.release(7, bad(v)), says: OPTIONS },
  {
    what: 'an option of release',
    wrong: ['ttr', 'pri'],
    call: (c, v) => c.release(7, bad({ [v as string]: 5 })),
    says: /an option must be priority or delay, got /,
  },
  {
    what: 'priority of release',
    wrong: NO_NUMBER,
    call: (c, v) => c.release(7, { priority: bad(v) }),
    says: u32('priority'),
  },
  { what: 'delay of release', wrong: NO_NUMBER, call: (c, v) => c.release(7, { delay: bad(v) }), says: u32('delay') },
  { what: 'the id of bury', wrong: NO_ID, call: (c, v) => c.bury(bad(v)), says: ID },
  { what: 'the options of bury', wrong: NO_OPTIONS, call: (c, v) => c.bury(7, bad(v)), says: OPTIONS },
  {
    what: 'an option of bury',
    wrong: ['delay', 'reason'],
    call: (c, v) => c.bury(7, bad({ [v as string]: 5 })),
    says: /an option must be priority, got /,
  },
  {
    what: 'priority of bury',
    wrong: NO_NUMBER,
    call: (c, v) => c.bury(7, { priority: bad(v) }),
    says: u32('priority'),
  },
  { what: 'the id of touch', wrong: NO_ID, call: (c, v) => c.touch(bad(v)), says: ID },
  { what: 'the id of kickJob', wrong: NO_ID, call: (c, v) => c.kickJob(bad(v)), says: ID },
  { what: 'the id of peek', wrong: NO_ID, call: (c, v) => c.peek(bad(v)), says: ID },
  { what: 'the id of statsJob', wrong: NO_ID, call: (c, v) => c.statsJob(bad(v)), says: ID },
  { what: 'the bound of kick', wrong: [...NO_NUMBER, undefined], call: (c, v) => c.kick(bad(v)), says: u32('bound') },
  {
    what: "the body of a tube's put",
    wrong: NO_BODY,
    call: (c, v) => c.tube('a').put(bad(v)),
    says: /a body must be /,
  },
  {
    what: "the options of a tube's put",
    wrong: NO_OPTIONS,
    call: (c, v) => c.tube('a').put('x', bad(v)),
    says: OPTIONS,
  },
  {
    what: "the bound of a tube's kick",
    wrong: NO_NUMBER,
    call: (c, v) => c.tube('a').kick(bad(v)),
    says: u32('bound'),
  },
  {
    what: "the seconds of a tube's pause",
    wrong: NO_NUMBER,
    call: (c, v) => c.tube('a').pause(bad(v)),
    says: u32('seconds'),
  },
];

describe('A method of the client', () => {
  for (const { what, wrong, call, says } of ROWS) {
    it(`refuses whatever is wrong as ${what}, names it and what is allowed, and sends nothing`, async () => {
      const { client, socket } = await connectFake();
      for (const value of wrong) {
        const error = await rejection(
          Promise.resolve().then(() => call(client, value)),
          InvalidArgumentError,
        );
        expect(error.code).to.equal('INVALID_ARGUMENT');
        expect(error.message).to.match(says);
        expect(error.message.length).to.be.below(300);
      }
      await nextTurn();
      expect(socket.writes).to.deep.equal([]);
      expect(client.isOpen).to.equal(true);
    });
  }

  it('refuses whatever is wrong as an option of quit, and stays open', async () => {
    const { client } = await connectFake();
    for (const value of NO_OPTIONS) {
      const error = await rejection(client.quit(bad(value)), InvalidArgumentError);
      expect(error.message).to.match(/the options of quit must be an object, got /);
    }
    for (const value of [...NEITHER.filter((one) => one !== true), 0, 'x']) {
      const error = await rejection(client.quit({ waitForJobs: bad(value) }), InvalidArgumentError);
      expect(error.message).to.match(/waitForJobs must be true or false, got /);
    }
    await rejection(client.quit(bad({ wait: true })), InvalidArgumentError);
    expect(client.isOpen).to.equal(true);
  });

  it('refuses the options of a job as those of the client', async () => {
    const { client, socket } = await connectFake();
    const reserving = client.reserve();
    socket.reply('RESERVED 7 0\r\n\r\n');
    const job = (await reserving) ?? expect.fail('no job');
    for (const value of NO_OPTIONS) {
      expect((await rejection(job.release(bad(value)), InvalidArgumentError)).message).to.match(OPTIONS);
      expect((await rejection(job.bury(bad(value)), InvalidArgumentError)).message).to.match(OPTIONS);
    }
    await rejection(job.release(bad({ prio: 1 })), InvalidArgumentError);
    await rejection(job.bury({ priority: bad('1') }), InvalidArgumentError);
  });

  it('reads each option once: a getter cannot change what was checked', async () => {
    const { client, socket } = await connectFake();
    let reads = 0;
    const body = new Uint8Array(new ArrayBuffer(3));
    const put = client.put(body, {
      get priority() {
        reads++;
        return reads === 1 ? 5 : bad<number>('5\r\ndelete 1');
      },
      get delay() {
        structuredClone(body, { transfer: [body.buffer] });
        return 0;
      },
    });
    await rejection(put, InvalidArgumentError);
    await nextTurn();
    expect(socket.sent).to.equal('');
    expect(reads).to.equal(1);
  });
});

/** Invalid values of each client option. */
const WRONG_OPTIONS: Readonly<Record<keyof ClientOptions, readonly [wrong: readonly unknown[], says: RegExp]>> = {
  url: [
    [null, 5, {}, [], '', 'http://a', 'a\0', `a${'b'.repeat(100_000)}`],
    /(url must be a string|an address must be .*), got /,
  ],
  host: [
    [null, 5, {}, [], '', 'a b', '127.0.0.1\0', 'a\n', '[::1]', 'a:1', 'a/b', 'u@h', 'x'.repeat(254)],
    /host must be a name or an address of 1 to 253 characters, got /,
  ],
  port: [[...NO_NUMBER, 0, 65_536], /port must be an integer from 1 to 65535, got /],
  tls: [
    [...NO_OPTIONS, { rejectUnauthorized: false }],
    /(the options of tls must be an object|an option of tls must be ca, .*), got /,
  ],
  signal: [NO_SIGNAL, /signal must be an AbortSignal, got /],
  connectTimeoutMs: [[...NO_NUMBER, 2 ** 31], /connectTimeoutMs must be an integer from 0 to 2147483647, got /],
  replyTimeoutMs: [[...NO_NUMBER, 2 ** 31], /replyTimeoutMs must be an integer from 0 to 2147483647, got /],
  livenessMs: [[...NO_NUMBER, 2 ** 31], /livenessMs must be an integer from 0 to 2147483647, got /],
  maxBodyBytes: [[...NO_NUMBER, 2 ** 32], /maxBodyBytes must be an integer from 0 to 4294967293, got /],
  reconnect: [
    [null, 5, 'x', [], new Map(), { maxTries: 5 }],
    /(reconnect must be true, false or an object|(the options|an option) of reconnect must be .*), got /,
  ],
  maxPendingBytes: [NO_NUMBER, /maxPendingBytes must be an integer from 0 to \d+, got /],
  maxWaitingCommands: [NO_NUMBER, /maxWaitingCommands must be an integer from 0 to \d+, got /],
  maxWaitingBytes: [NO_NUMBER, /maxWaitingBytes must be an integer from 0 to \d+, got /],
  maxWaitingMs: [[...NO_NUMBER, 2 ** 31], /maxWaitingMs must be an integer from 0 to 2147483647, got /],
  quitTimeoutMs: [[...NO_NUMBER, 2 ** 31], /quitTimeoutMs must be an integer from 0 to 2147483647, got /],
  callerStacks: [['true', 1, null], /^callerStacks must be true or false, got /],
  openSocket: [[null, 5, 'x', {}], /openSocket must be a function, got /],
};

const POOL_WRONG: Readonly<
  Record<Exclude<keyof PoolOptions, keyof ClientOptions>, readonly [readonly unknown[], RegExp]>
> = {
  min: [NO_NUMBER, /min must be an integer from 0 to 2147483647, got /],
  max: [[...NO_NUMBER, 0], /max must be an integer from 1 to 2147483647, got /],
  acquireTimeoutMs: [NO_NUMBER, /acquireTimeoutMs must be an integer from 1 to 2147483647, got /],
  idleTimeoutMs: [NO_NUMBER, /idleTimeoutMs must be an integer from 1 to 2147483647, got /],
  drainTimeoutMs: [NO_NUMBER, /drainTimeoutMs must be an integer from 0 to 2147483647, got /],
};

describe('Client.connect', () => {
  for (const [name, [wrong, says]] of Object.entries(WRONG_OPTIONS)) {
    it(`refuses whatever is wrong as ${name}, before it connects`, async () => {
      for (const value of wrong) {
        const error = await rejection(Client.connect({ [name]: bad(value) }), InvalidArgumentError);
        expect(error.message).to.match(says);
        expect(error.message.length).to.be.below(500);
      }
    });
  }

  it('refuses a target and options that are none, unknown options, and an address that is given twice', async () => {
    for (const value of NO_OPTIONS) {
      if (typeof value === 'string') continue;
      for (const call of [() => Client.connect(bad(value)), () => Client.connect('localhost', bad(value))]) {
        expect((await rejection(call(), InvalidArgumentError)).message).to.match(
          /^the options of Client.connect must be an object, got /,
        );
      }
    }
    const unknown = await rejection(Client.connect('localhost', bad({ timeout: 5 })), InvalidArgumentError);
    expect(unknown.message).to.match(
      /^an option of Client.connect must be url, host, .* or openSocket, got "timeout"$/,
    );
    await rejection(Client.connect('localhost', { url: 'localhost' }), InvalidArgumentError);
    await rejection(Client.connect('localhost', { host: 'localhost' }), InvalidArgumentError);
  });
});

describe('A pool', () => {
  const wrongOptions = { ...WRONG_OPTIONS, ...POOL_WRONG };
  for (const [name, [wrong, says]] of Object.entries(wrongOptions)) {
    if (name === 'signal' || name === 'reconnect') continue;
    it(`refuses whatever is wrong as ${name} at once`, () => {
      for (const value of wrong) {
        expect(() => new Pool({ [name]: bad(value) }), String(name)).to.throw(InvalidArgumentError, says);
      }
    });
  }

  it('refuses unknown options, those of a client that it has not, and what is no work', async () => {
    for (const options of [{ size: 5 }, { reconnect: true }, { signal: new AbortController().signal }]) {
      expect(() => new Pool(bad(options))).to.throw(InvalidArgumentError, /^an option of Pool must be .*, got "/);
    }
    for (const value of NO_OPTIONS) {
      if (typeof value === 'string') continue;
      expect(() => new Pool(bad(value))).to.throw(InvalidArgumentError, /^the options of Pool must be an object, got /);
      const pool = new Pool();
      await rejection(pool.acquire(bad(value)), InvalidArgumentError);
      await rejection(
        pool.use(() => 1, bad(value)),
        InvalidArgumentError,
      );
    }
    const pool = new Pool();
    for (const value of NO_SIGNAL) {
      const error = await rejection(pool.acquire({ signal: bad(value) }), InvalidArgumentError);
      expect(error.message).to.match(/^signal must be an AbortSignal, got /);
    }
    await rejection(pool.acquire(bad({ timeout: 5 })), InvalidArgumentError);
    for (const work of [undefined, null, 5, {}, Promise.resolve()]) {
      expect((await rejection(pool.use(bad(work)), BeanstalkdError)).message).to.match(
        /^work must be a function, got /,
      );
    }
    for (const client of [undefined, null, {}, 5]) await rejection(pool.release(bad(client)), InvalidArgumentError);
  });
});
