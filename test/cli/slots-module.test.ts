import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { CommandFailedError } from '../../src/cli/errors.js';
import { connectSlots, endSlots, loadSlots, SlotQueues, type SlotsModule } from '../../src/cli/slots-module.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { json } from '../../src/queue/json.js';
import type { QueueOptions } from '../../src/queue/queue.js';
import { raw } from '../../src/queue/raw.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import type { SlotsEnd } from '../../src/worker/slots.js';
import { useFakeClock } from '../support/clock.js';
import { rejection, thrown } from '../support/failures.js';
import { type FakeEngine, fakeEngine } from './harness.js';

const CODEC = '{ dataOnly: true, encode: () => Buffer.alloc(0), decode: () => ({}) }';

describe('A slots module', () => {
  let folder: string;
  let files = 0;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haricot-module-'));
  });

  afterEach(() => rm(folder, { recursive: true }));

  async function load(source: string, extension = 'mjs'): Promise<SlotsModule> {
    const file = join(folder, `slots${++files}.${extension}`);
    await writeFile(file, source);
    return loadSlots(file);
  }

  for (const [what, source, extension] of [
    ['an ES module', `export default () => {}; export const queues = { mail: { codec: ${CODEC}, type: 'a' } };`, 'mjs'],
    [
      'what a compiler makes of one',
      `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = () => {}; exports.queues = { mail: { type: 'a' } };`,
      'cjs',
    ],
    ['a CommonJS module', `module.exports = () => {}; module.exports.queues = { mail: { type: 'a' } };`, 'cjs'],
  ] as const) {
    it(`has options of queues: ${what}`, async () => {
      expect((await load(source, extension)).queues).to.have.nested.property('mail.type', 'a');
    });
  }

  it('need not have any', async () => {
    expect((await load('export default () => {};')).queues).to.deep.equal({});
  });

  for (const [what, queues, message] of [
    ['a string', `'mail'`, /^the export queues of .* must be an object of options by the names of queues, got "mail"$/],
    ['an array', `[{ type: 'a' }]`, /^the export queues of .*, got an array of 1$/],
    ['null', 'null', /^the export queues of .*, got null$/],
    [
      'options that are none',
      `{ mail: 'a' }`,
      /^queues\["mail"\] of .* must be an object such as { codec, type }, got "a"$/,
    ],
    ['options that are null', '{ mail: null }', /^queues\["mail"\] of .*, got null$/],
  ] as const) {
    it(`is refused where queues is ${what}`, async () => {
      const { message: told } = await rejection(
        load(`export default () => {}; export const queues = ${queues};`),
        InvalidOptionError,
      );
      expect(told).to.match(message);
    });
  }
});

describe('The queues of a slots module', () => {
  let driver: FakeEngine;
  let signals: SignalDispatcher;

  beforeEach(() => {
    driver = fakeEngine();
    signals = new SignalDispatcher();
  });

  function app(queues: Record<string, QueueOptions> = {}, options: QueueOptions = {}): SlotQueues {
    return new SlotQueues(driver, { specifier: './slots.js', connect: () => {}, queues }, signals, options);
  }

  it('are the same each time, unless options are given', () => {
    const queues = app();
    expect(queues.queue('mail')).to.equal(queues.queue('mail')).and.not.to.equal(queues.queue('sms'));
    expect(queues.queue('mail', {})).not.to.equal(queues.queue('mail'));
  });

  it('have the options of the module, those of the command before them, and those of the call before both', () => {
    const queues = app({ mail: { codec: json, type: 'a' } }, { type: 'b' });
    expect(queues.queue('mail')).to.include({ codec: json, type: 'b' });
    expect(queues.queue('sms')).to.include({ type: 'b' });
    expect(queues.queue('mail', { codec: raw, type: 'c' })).to.include({ codec: raw, type: 'c' });
  });

  it('have no options that only look like those of the module', () => {
    expect(app().queue('constructor').type).to.equal(undefined);
  });

  it('tell the signals of the worker what slots publish', async () => {
    const submitted: unknown[] = [];
    signals.connect('messageSubmitted', ({ queue, message }) => submitted.push([queue, message.type]));
    await app().queue('mail').publish({ type: 'mail.send', schema: undefined }, 5);
    expect(submitted).to.deep.equal([['mail', 'mail.send']]);
  });

  it('refuse options that there are not', () => {
    const { message } = thrown(() => app({ mail: { kodec: json } as QueueOptions }).queue('mail'), InvalidOptionError);
    expect(message).to.contain('"kodec"');
  });
});

describe('The default export of a slots module', () => {
  const clock = useFakeClock();
  let signals: SignalDispatcher;

  beforeEach(() => {
    signals = new SignalDispatcher();
    signals.connect('messageReceived', () => {});
  });

  function returning(end: unknown): SlotsModule {
    return { specifier: './slots.js', connect: () => end as SlotsEnd, queues: {} };
  }

  function connect(module: SlotsModule): ReturnType<typeof connectSlots> {
    return connectSlots(module, signals, new SlotQueues(fakeEngine(), module, signals, {}));
  }

  it('gets the signals, the engine, and queues on it', async () => {
    const driver = fakeEngine();
    const given: unknown[] = [];
    const module = { ...returning(undefined), connect: (...args: unknown[]) => void given.push(...args) };
    const queues = new SlotQueues(driver, module, signals, {});
    await connectSlots(module, signals, queues);
    const [first, second] = given as [unknown, SlotQueues];
    expect(first).to.equal(signals);
    // May be taken apart.
    const { driver: its, queue } = second;
    expect(its).to.equal(driver);
    expect(queue('mail')).to.equal(queues.queue('mail'));
  });

  it('may return nothing, or a function that is called at the end', async () => {
    const end = (): void => {};
    for (const [returned, expected] of [
      [undefined, undefined],
      [null, undefined],
      [Promise.resolve(undefined), undefined],
      [end, end],
      [Promise.resolve(end), end],
    ] as const) {
      expect(await connect(returning(returned))).to.equal(expected);
    }
  });

  it('is refused where it returns anything else', async () => {
    for (const [returned, got] of [
      [[() => {}], 'an array of 1'],
      [5, '5'],
      ['end', '"end"'],
      [{ close: () => {} }, 'an object'],
      [false, 'false'],
    ] as const) {
      expect((await rejection(connect(returning(returned)), InvalidOptionError)).message).to.equal(
        `what the default export of ./slots.js returns must be nothing, or a function that is called at the end, got ${got}`,
      );
    }
  });

  it('fails where its end fails, or is not over in time', async () => {
    for (const end of [
      () => {
        throw new Error('no route');
      },
      () => Promise.reject(new Error('no route')),
    ]) {
      const { code, message } = await rejection(endSlots(returning(end), end, 10_000), CommandFailedError);
      expect([code, message]).to.deep.equal([
        'SLOTS_FAILED',
        'cannot end the slots of ./slots.js: the function that its default export has returned failed: no route',
      ]);
    }
    const never = (): Promise<void> => new Promise(() => {});
    const ending = rejection(endSlots(returning(never), never, 10_000), CommandFailedError);
    await clock.tickAsync(10_000);
    expect((await ending).message).to.equal(
      'cannot end the slots of ./slots.js: the function that its default export has returned has not ended after 10s (--grace)',
    );
    expect(clock.pending).to.equal(0);
  });

  it('leaves no timer behind', async () => {
    const end = async (): Promise<void> => {};
    await endSlots(returning(end), end, 10_000);
    expect(clock.pending).to.equal(0);
  });
});
