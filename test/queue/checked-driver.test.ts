import { expect } from 'chai';
import type { Capabilities } from '../../src/queue/capabilities.js';
import { checkedDriver } from '../../src/queue/checked-driver.js';
import type { Consumer, Driver, PutItem, PutOptions, Settlement } from '../../src/queue/driver.js';
import { InvalidOptionError, UnsupportedError } from '../../src/queue/errors.js';
import { toFailure } from '../../src/queue/failure.js';
import { rejection, thrown } from '../support/failures.js';
import { RecordingDriver, reservedMessage } from '../support/recording-driver.js';

const OPTIONS: PutOptions = { priority: 1, delayMs: 0, ttrMs: 1000 };
const BODY = Buffer.from('body');
const ITEM: PutItem = { queue: 'mail', body: BODY, options: OPTIONS };
const FAILURE = toFailure(new Error('no'), { reason: 'attempts', attempt: 1 });

/** What beanstalkd denies, and what no engine of ours does. */
const DENYING: Capabilities = {
  list: { ready: 'first', reserved: 'none' },
  failures: 'buried',
  transactions: false,
  uncountedRelease: false,
  deduplication: 'none',
  groups: false,
  expiry: false,
};

function transferred(): Uint8Array {
  const bytes = new Uint8Array(1);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  return bytes;
}

/** Calls that must be refused with a message that begins so. What is of the wrong type stands for callers in JavaScript. */
async function refuses(
  type: typeof InvalidOptionError | typeof UnsupportedError,
  calls: readonly (readonly [message: string, call: () => Promise<unknown>])[],
): Promise<void> {
  for (const [message, call] of calls) {
    // It rejects: to throw would surprise whoever has written no try around a promise.
    const error = await rejection(call(), type as typeof InvalidOptionError);
    expect(error.message.slice(0, message.length)).to.equal(message);
  }
}

describe('A checked driver', () => {
  it('is the same for the same driver, and is its own', () => {
    const driver = new RecordingDriver();
    expect(checkedDriver(driver)).to.equal(checkedDriver(driver));
    expect(checkedDriver(checkedDriver(driver))).to.equal(checkedDriver(driver));
  });

  it('has the capabilities of the driver, with what it leaves out at the strictest', () => {
    const { system, capabilities } = checkedDriver(
      new RecordingDriver({ list: { ready: 'first' }, groups: undefined }),
    );
    expect(system).to.equal('fake');
    expect(capabilities).to.deep.include({ groups: true, failures: 'kept', priorities: 'exact' });
    expect(capabilities.list).to.deep.equal({ ready: 'first', delayed: 'any', reserved: 'any', buried: 'any' });
  });

  it('is made of a driver, and of nothing else', () => {
    const { find: _, ...partly } = Object.fromEntries(
      Object.getOwnPropertyNames(RecordingDriver.prototype).map((name) => [name, () => {}]),
    );
    for (const [driver, shown] of [
      [undefined, 'undefined'],
      [null, 'null'],
      ['memory:', '"memory:"'],
      [{}, 'an object without setUp()'],
      [partly, 'an object without find()'],
      [Promise.resolve(new RecordingDriver()), 'a Promise without setUp()'],
    ]) {
      expect(thrown(() => checkedDriver(driver as unknown as Driver), InvalidOptionError).message).to.equal(
        `driver must be a driver, such as openDriver resolves to, got ${shown}`,
      );
    }
  });

  it('has move, transaction and isHeld only where the driver has them, and transaction where its capabilities do', async () => {
    const without = checkedDriver(new RecordingDriver());
    expect([without.move, without.transaction, (await without.consume(['a'])).isHeld]).to.deep.equal([
      undefined,
      undefined,
      undefined,
    ]);
    const calls: unknown[][] = [];
    const transaction: NonNullable<Driver['transaction']> = (work) => work({} as never);
    const withAll = Object.assign(new RecordingDriver(), {
      transaction,
      move: async (...args: unknown[]) => calls.push(args),
    });
    Object.assign(withAll.consumer, { isHeld: async () => true });
    const checked = checkedDriver(withAll);
    expect(await checked.move?.('a', 'b', ['7'])).to.equal(1);
    expect(calls).to.deep.equal([['a', 'b', ['7']]]);
    expect(await checked.transaction?.(async () => 5)).to.equal(5);
    const consumer = await checked.consume(['a']);
    expect(await consumer.isHeld?.(reservedMessage())).to.equal(true);
    await refuses(InvalidOptionError, [
      ['the target of a move must be another queue, got "a" itself', async () => checked.move?.('a', 'a', ['7'])],
      ['a queue name must be', async () => checked.move?.('a', '', ['7'])],
      ['a job id must be', async () => checked.move?.('a', 'b', [''])],
      ['the work of a transaction must be a function', async () => checked.transaction?.(5 as never)],
      ['a message to settle or touch must be a reserved one', async () => consumer.isHeld?.(5 as never)],
    ]);
    const denying = Object.assign(new RecordingDriver({ transactions: false }), { transaction });
    expect(checkedDriver(denying).transaction).to.equal(undefined);
  });

  it('passes on what is valid, and what the driver answers: its promise itself where it matters', async () => {
    const driver = new RecordingDriver();
    const checked = checkedDriver(driver);
    const put = Promise.resolve({ atomic: true, stored: [] });
    const { put: original } = driver;
    driver.put = (...args) => {
      void original.apply(driver, args);
      return put;
    };
    const transaction = {};
    expect(checked.put([ITEM], { transaction })).to.equal(put);
    await checked.setUp('mail');
    expect(await checked.stats(['a', 'b'])).to.have.length(2);
    await checked.list('mail', { state: 'reserved', limit: 9, after: 'x' });
    expect(await checked.find('mail', '7')).to.equal(null);
    expect(await checked.retry('mail', { ids: ['7'], body: BODY })).to.equal(1);
    expect(await checked.promote('mail', { limit: 0 })).to.equal(2);
    expect(await checked.delete('mail', ['7'])).to.equal(3);
    expect(await checked.flush('mail', ['ready'])).to.equal(4);
    expect(await checked.queues()).to.deep.equal(['mail']);
    await checked.pause('mail', 0);
    await checked.close();
    expect(driver.calls).to.deep.equal([
      ['put', ['mail'], { transaction }],
      ['setUp', 'mail'],
      ['stats', ['a', 'b']],
      ['list', 'mail', { state: 'reserved', limit: 9, after: 'x' }],
      ['find', 'mail', '7'],
      ['retry', 'mail', { ids: ['7'], body: BODY }],
      ['promote', 'mail', { limit: 0 }],
      ['delete', 'mail', ['7']],
      ['flush', 'mail', ['ready']],
      ['queues'],
      ['pause', 'mail', 0],
      ['close'],
    ]);
  });

  it('refuses what is invalid, before the driver is called', async () => {
    const driver = new RecordingDriver();
    const checked = checkedDriver(driver);
    const put = (item: Partial<PutItem> | undefined) => () => checked.put([{ ...ITEM, ...item } as PutItem]);
    const options = (given: Partial<PutOptions>) => put({ options: { ...OPTIONS, ...given } });
    await refuses(InvalidOptionError, [
      ['the messages to put must be an array, got null', () => checked.put(null as never)],
      ['a queue name must be', () => checked.put([undefined as never])],
      ['a queue name must be', () => checked.put([ITEM, { ...ITEM, queue: '-' }])],
      ['the options of a message to put must be an object, got undefined', put({ options: undefined as never })],
      ['an option of a message to put must be priority, delayMs,', options({ delay: 5 } as object)],
      ['priority must be an integer from 0 to 4294967295, got -1', options({ priority: -1 })],
      ['delayMs must be a number from 0 to 4294967295000, got NaN', options({ delayMs: Number.NaN })],
      ['ttrMs must be a number from 1000 to 4294967295000, got 999', options({ ttrMs: 999 })],
      ['deduplicationKey must be a string that is not empty, got ""', options({ deduplicationKey: '' })],
      ['group must be a string that is not empty, got 5', options({ group: 5 as never })],
      ['expiresAt must be a valid Date, got a Date', options({ expiresAt: new Date(Number.NaN) })],
      ['a body must be bytes (Uint8Array), got a string', put({ body: 'text' as never })],
      ['a body must have its memory, got bytes that were transferred', put({ body: transferred() })],
      ['an option of put must be transaction, got "tx"', () => checked.put([ITEM], { tx: {} } as never)],
      ['transaction must be an object, got null', () => checked.put([ITEM], { transaction: null as never })],
      ['a queue name must be', () => checked.setUp('a b')],
      ['the queues to consume must be an array of at least one, got "a"', () => checked.consume('a' as never)],
      ['the queues to consume must be an array of at least one, got an empty array', () => checked.consume([])],
      ['a queue name must be', () => checked.consume(['a', 'a b'])],
      ['concurrency must be an integer of at least 1, got 0', () => checked.consume(['a'], { concurrency: 0 })],
      ['order must be "fair" or "strict"', () => checked.consume(['a'], { order: 'any' as never })],
      ['trackAttempts must be true or false', () => checked.consume(['a'], { trackAttempts: 1 as never })],
      ['an option of consume must be concurrency,', () => checked.consume(['a'], { slots: 1 } as never)],
      ['the queues must be an array', () => checked.stats('mail' as never)],
      ['a queue name must be', () => checked.stats(['mail', ''])],
      ['state must be "ready", "delayed", "reserved" or "buried"', () => checked.list('a', { limit: 1 } as never)],
      ['limit must be an integer of at least 1, got 0', () => checked.list('a', { state: 'ready', limit: 0 })],
      ['after must be a string', () => checked.list('a', { state: 'ready', limit: 1, after: '' })],
      ['an option of list must be state, limit or after', () => checked.list('a', { page: 1 } as never)],
      ['a job id must be a string that is not empty, got 7', () => checked.find('a', 7 as never)],
      ['the selection of retry must have ids or limit, got neither', () => checked.retry('a', {} as never)],
      ['the selection of retry must have ids or limit, got both', () => checked.retry('a', { ids: ['1'], limit: 1 })],
      ['an option of retry must be ids, limit or body', () => checked.retry('a', { id: '7' } as never)],
      ['limit must be an integer of at least 0, got 1.5', () => checked.retry('a', { limit: 1.5 })],
      ['the job ids must be an array, got "7"', () => checked.retry('a', { ids: '7' as never })],
      [
        'the selection of retry must have one id where a body is given, got 2',
        () => checked.retry('a', { ids: ['1', '2'], body: BODY } as never),
      ],
      [
        'the selection of retry must have one id where a body is given, got none',
        () => checked.retry('a', { limit: 1, body: BODY } as never),
      ],
      ['a body must be bytes', () => checked.retry('a', { ids: ['1'], body: 'text' as never })],
      ['an option of promote must be ids or limit', () => checked.promote('a', { limit: 1, body: BODY } as never)],
      ['the selection of promote must have ids or limit, got neither', () => checked.promote('a', {} as never)],
      ['a job id must be', () => checked.delete('a', ['7', ''])],
      ['the states to flush must be an array of at least one', () => checked.flush('a', [])],
      ['state must be "ready", "delayed" or "buried"', () => checked.flush('a', ['reserved' as never])],
      ['the pause must be a number', () => checked.pause('a', -1)],
    ]);
    expect(driver.calls).to.deep.equal([]);
  });

  it('gives a driver just those members of a selection that are there', async () => {
    const driver = new RecordingDriver();
    const checked = checkedDriver(driver);
    await checked.retry('a', { ids: undefined, limit: 3 } as never);
    await checked.retry('a', { ids: ['7'], limit: undefined, body: undefined } as never);
    await checked.retry('a', { ids: ['7'], body: BODY });
    await checked.promote('a', { ids: undefined, limit: 3 } as never);
    expect(driver.calls).to.deep.equal([
      ['retry', 'a', { limit: 3 }],
      ['retry', 'a', { ids: ['7'] }],
      ['retry', 'a', { ids: ['7'], body: BODY }],
      ['promote', 'a', { limit: 3 }],
    ]);
  });

  it('refuses what its capabilities deny, before the driver is called', async () => {
    const driver = new RecordingDriver(DENYING);
    const checked = checkedDriver(driver);
    const options = (given: Partial<PutOptions>) => () => checked.put([{ ...ITEM, options: { ...OPTIONS, ...given } }]);
    await refuses(UnsupportedError, [
      ['cannot put a message with deduplicationKey: fake finds no duplicates', options({ deduplicationKey: 'a' })],
      ['cannot put a message with group: fake has no groups', options({ group: 'a' })],
      ['cannot put a message with expiresAt: fake has no expiry', options({ expiresAt: new Date() })],
      [
        'cannot put messages in a transaction: fake has no transactions',
        () => checked.put([ITEM], { transaction: {} }),
      ],
      [
        'cannot list reserved messages: fake shows none of them',
        () => checked.list('a', { state: 'reserved', limit: 1 }),
      ],
      [
        'cannot list 2 ready messages: fake shows the first only; set limit to 1',
        () => checked.list('a', { state: 'ready', limit: 2 }),
      ],
      [
        'cannot list ready messages after another: fake shows the first only',
        () => checked.list('a', { state: 'ready', limit: 1, after: 'x' }),
      ],
    ]);
    expect(driver.calls).to.deep.equal([]);
    await checked.list('a', { state: 'ready', limit: 1 });
    await checked.list('a', { state: 'delayed', limit: 2 });
  });

  it('passes on what its capabilities allow', async () => {
    const driver = new RecordingDriver();
    const options = { ...OPTIONS, deduplicationKey: 'a', group: 'b', expiresAt: new Date() };
    await checkedDriver(driver).put([{ ...ITEM, options }]);
    expect(driver.puts[0]?.options).to.equal(options);
  });

  it('checks options again that have changed since, and frozen ones for each driver', async () => {
    const options = { ...OPTIONS };
    const frozen = Object.freeze({ ...OPTIONS, group: 'a' });
    const checked = checkedDriver(new RecordingDriver());
    await checked.put([{ ...ITEM, options }]);
    options.priority = -1;
    await rejection(checked.put([{ ...ITEM, options }]), InvalidOptionError);
    await checked.put([{ ...ITEM, options: frozen }]);
    await checked.put([{ ...ITEM, options: frozen }]);
    await rejection(
      checked.put([
        { ...ITEM, options: frozen },
        { ...ITEM, options },
      ]),
      InvalidOptionError,
    );
    const denying = checkedDriver(new RecordingDriver(DENYING));
    await rejection(denying.put([{ ...ITEM, options: frozen }]), UnsupportedError);
  });

  it('rejects where the driver throws', async () => {
    const broken = new Error('a driver that throws where it should reject');
    const fail = (): never => {
      throw broken;
    };
    const driver = Object.assign(new RecordingDriver(), { put: fail, find: fail });
    expect(await rejection(checkedDriver(driver).put([ITEM]), Error)).to.equal(broken);
    expect(await rejection(checkedDriver(driver).find('a', '7'), Error)).to.equal(broken);
  });
});

describe('A checked consumer', () => {
  async function consumerWith(capabilities?: Capabilities): Promise<[Consumer, RecordingDriver]> {
    const driver = new RecordingDriver(capabilities);
    const consumer = await checkedDriver(driver).consume(['mail']);
    driver.calls.length = 0;
    return [consumer, driver];
  }

  const message = reservedMessage();

  it('is asked for each queue once', async () => {
    const driver = new RecordingDriver();
    await checkedDriver(driver).consume(['a', 'b', 'a'], { concurrency: 2, order: 'strict', trackAttempts: false });
    expect(driver.calls).to.deep.equal([
      ['consume', ['a', 'b'], { concurrency: 2, order: 'strict', trackAttempts: false }],
    ]);
  });

  it('passes on what is valid, at once', async () => {
    const [consumer, driver] = await consumerWith();
    const transaction = {};
    const settlements: Settlement[] = [
      { kind: 'ack', message, transaction },
      { kind: 'release', message, priority: 0, delayMs: 5, failure: FAILURE, counted: false },
      { kind: 'bury', message, priority: undefined, failure: FAILURE },
    ];
    const reserved = consumer.reserve({ max: 2, timeoutMs: 0 });
    const settled = consumer.settle(settlements);
    const touched = consumer.touch([message]);
    // Commands that are issued in one tick share a write.
    expect(driver.calls).to.deep.equal([
      ['reserve', { max: 2, timeoutMs: 0 }],
      ['settle', ...settlements],
      ['touch', message],
    ]);
    expect(await Promise.all([reserved, settled, touched])).to.deep.equal([[], [{}, {}, {}], [{}]]);
    await consumer.close();
    expect(driver.calls.at(-1)).to.deep.equal(['closeConsumer']);
  });

  it('refuses what is invalid, before anything is settled', async () => {
    const [consumer, driver] = await consumerWith();
    const settle =
      (...settlements: unknown[]) =>
      () =>
        consumer.settle(settlements as Settlement[]);
    await refuses(InvalidOptionError, [
      ['max must be an integer of at least 1, got 0', () => consumer.reserve({ max: 0 })],
      ['timeoutMs must be a number', () => consumer.reserve({ timeoutMs: -1 })],
      ['signal must be an AbortSignal', () => consumer.reserve({ signal: { aborted: false } as never })],
      ['an option of reserve must be max, timeoutMs or signal', () => consumer.reserve({ timeout: 5 } as never)],
      ['settlements must be an array', () => consumer.settle(message as never)],
      ['the kind of a settlement must be "ack", "release" or "bury", got undefined', settle(undefined)],
      ['the kind of a settlement must be', settle({ kind: 'kick', message })],
      ['an option of ack must be kind, message or transaction', settle({ kind: 'ack', message, failure: FAILURE })],
      ['a message to settle or touch must be a reserved one, got undefined', settle({ kind: 'ack' })],
      ['transaction must be an object', settle({ kind: 'ack', message, transaction: 5 })],
      ['priority must be', settle({ kind: 'bury', message, priority: -1 })],
      ['delayMs must be', settle({ kind: 'ack', message }, { kind: 'release', message, delayMs: Number.NaN })],
      ['counted must be true or false', settle({ kind: 'release', message, counted: 0 })],
      ['failure must be a record of a failure', settle({ kind: 'bury', message, failure: 'no' })],
      ['the messages to touch must be an array', () => consumer.touch(message as never)],
      ['a message to settle or touch must be a reserved one', () => consumer.touch([null as never])],
    ]);
    expect(driver.calls).to.deep.equal([]);
  });

  it('refuses what the capabilities of its driver deny', async () => {
    const [consumer, driver] = await consumerWith(DENYING);
    await refuses(UnsupportedError, [
      [
        'cannot acknowledge a message in a transaction: fake has no transactions',
        () => consumer.settle([{ kind: 'ack', message, transaction: {} }]),
      ],
      [
        'cannot release a message uncounted: fake counts every delivery',
        () => consumer.settle([{ kind: 'release', message, counted: false }]),
      ],
      [
        'cannot release a message with a failure: fake keeps those of buried messages only',
        () => consumer.settle([{ kind: 'release', message, failure: FAILURE }]),
      ],
    ]);
    expect(driver.calls).to.deep.equal([]);
    await consumer.settle([
      { kind: 'release', message, counted: true },
      { kind: 'bury', message, failure: FAILURE },
    ]);
    const [forgetful] = await consumerWith({ failures: 'none' });
    await refuses(UnsupportedError, [
      [
        'cannot bury a message with a failure: fake keeps none',
        () => forgetful.settle([{ kind: 'bury', message, failure: FAILURE }]),
      ],
    ]);
  });

  it('rejects with the reason of a signal that has aborted, and reserves nothing', async () => {
    const [consumer, driver] = await consumerWith();
    const reason = new RangeError('enough');
    expect(await rejection(consumer.reserve({ signal: AbortSignal.abort(reason) }), RangeError)).to.equal(reason);
    expect(driver.calls).to.deep.equal([]);
  });
});
