import assert from 'node:assert/strict';
import type { MessageState } from '../../queue/capabilities.js';
import type { StoredMessage } from '../../queue/driver.js';
import { refuses, strings } from './assertions.js';
import { type Fixture, LATE, LONG_MS, NORMAL, URGENT } from './fixture.js';
import type { SuiteBuilder } from './suite-builder.js';

const ALL_STATES: readonly MessageState[] = ['ready', 'delayed', 'reserved', 'buried'];

/** More than one page of any engine. */
const MANY = 25;
const PAGE = 4;

/** Messages by state, without reserving them. */
export function list(builder: SuiteBuilder): void {
  builder.describe('list', () => {
    for (const state of ALL_STATES) {
      builder.it(
        `shows the next ${state} message, and delivers none`,
        async (fixture) => {
          const start = Date.now();
          const ids = await fill(fixture, state, 3);
          const before = await fixture.countsOf(fixture.queue);
          const { messages } = await fixture.driver.list(fixture.queue, { state, limit: 1 });
          const found = messages.map(({ jobId, queue, state, body }) => ({
            jobId,
            queue,
            state,
            body: body.toString(),
          }));
          assert.deepEqual(found, [{ jobId: ids[0], queue: fixture.queue, state, body: '0' }], 'what list() shows');
          const attempts = state === 'reserved' || state === 'buried' ? 1 : 0;
          for (const message of messages) check(message, { attempts, priority: NORMAL, before: start });
          await fixture.counts(before, 'after a list');
          const seen = await fixture.driver.find(fixture.queue, ids[0] ?? '');
          assert.equal(seen?.attempts ?? attempts, attempts, 'a list is no delivery');
        },
        { [`list.${state}`]: ['any', 'first'] },
      );

      builder.it(
        `shows all ${state} messages in order, by pages, without loss or repetition while others put and take`,
        (fixture) => listsByPages(fixture, state),
        { [`list.${state}`]: 'any' },
      );

      builder.it(
        `refuses to show more ${state} messages than the engine can`,
        async (fixture) => {
          await fill(fixture, state, 2);
          const isNone = fixture.driver.capabilities.list[state] === 'none';
          for (const options of [{ limit: 2 }, { limit: 1, after: '1' }, ...(isNone ? [{ limit: 1 }] : [])]) {
            const what = `list() of ${state} messages with ${JSON.stringify(options)}`;
            await refuses('UNSUPPORTED', what, fixture.driver.list(fixture.queue, { state, ...options }));
          }
          await fixture.counts({ [state]: 2 }, 'after lists that were refused');
        },
        { [`list.${state}`]: ['first', 'none'] },
      );
    }

    builder.it('shows nothing of other states, and nothing of a queue that is empty', async (fixture) => {
      const { list } = fixture.driver.capabilities;
      const shown = ALL_STATES.filter((state) => list[state] !== 'none');
      await fixture.put('a');
      await fixture.next(await fixture.consume());
      for (const state of shown) {
        const { messages } = await fixture.driver.list(fixture.queue, { state, limit: 1 });
        assert.equal(messages.length, state === 'reserved' ? 1 : 0, `so many ${state} messages`);
        const empty = await fixture.driver.list(fixture.newQueue(), { state, limit: 1 });
        assert.deepEqual([empty.messages, empty.next], [[], undefined], `the ${state} messages of an empty queue`);
      }
    });

    builder.it(
      'shows the most urgent ready message first',
      async (fixture) => {
        await fixture.put('b', { priority: NORMAL });
        await fixture.put('a', { priority: URGENT });
        await fixture.put('c', { priority: LATE });
        const { messages } = await fixture.driver.list(fixture.queue, { state: 'ready', limit: 1 });
        assert.deepEqual(strings(messages), ['a'], 'the first ready message that is shown');
      },
      { 'list.ready': ['any', 'first'] },
    );

    builder.it(
      'refuses to go on after what was never the end of a page',
      async (fixture) => {
        await fixture.put('a');
        for (const after of ['no page', '\u0000', 'x'.repeat(1000)]) {
          const listing = fixture.driver.list(fixture.queue, { state: 'ready', limit: 1, after });
          await refuses('INVALID_OPTION', `list() after ${JSON.stringify(after.slice(0, 10))}`, listing);
        }
      },
      { 'list.ready': 'any' },
    );
  });

  builder.describe('find', () => {
    builder.it('shows a message in whatever state, with what the engine knows of it', async (fixture) => {
      const before = Date.now();
      const { ready, delayed, buried } = await fixture.oneOfEach();
      const reserved = await fixture.put('reserved', { priority: URGENT });
      await fixture.next(await fixture.consume());
      for (const [state, jobId, attempts] of [
        ['ready', ready, 0],
        ['delayed', delayed, 0],
        ['buried', buried, 1],
        ['reserved', reserved, 1],
      ] as const) {
        const found = await fixture.driver.find(fixture.queue, jobId);
        assert.ok(found, `find() of a ${state} message must find it`);
        const { queue, body } = found;
        assert.deepEqual(
          { jobId: found.jobId, queue, state: found.state, body: body.toString() },
          { jobId, queue: fixture.queue, state, body: state },
          `what find() shows of a ${state} message`,
        );
        check(found, { attempts, priority: state === 'reserved' ? URGENT : NORMAL, before });
      }
      await fixture.counts({ ready: 1, delayed: 1, reserved: 1, buried: 1 }, 'after a find of each');
    });

    builder.it('finds no message that is gone, that never was, or that is in another queue', async (fixture) => {
      const id = await fixture.put('a');
      assert.equal(await fixture.driver.find(fixture.newQueue(), id), null, 'in another queue');
      await (await fixture.next(await fixture.consume())).ack();
      assert.equal(await fixture.driver.find(fixture.queue, id), null, 'after its ack');
    });
  });
}

/** What the engine does not know is undefined; what it tells is right. */
function check(
  found: StoredMessage,
  { attempts, priority, before }: { attempts: number; priority: number; before: number },
): void {
  const { state, ttrMs, createdAt, dueAt } = found;
  assert.equal(found.attempts ?? attempts, attempts, `the attempts of a ${state} message`);
  assert.equal(found.priority ?? priority, priority, `the priority of a ${state} message`);
  assert.ok(ttrMs === undefined || ttrMs === 120_000, `the TTR of a ${state} message of 120 s is told as ${ttrMs} ms`);
  if (createdAt !== undefined) isAbout(createdAt, before, `the time at which a ${state} message was put`);
  const due = { delayed: LONG_MS, reserved: 120_000, ready: undefined, buried: undefined }[state];
  if (due === undefined) assert.equal(dueAt, undefined, `the end of no delay, and of no lease, of a ${state} message`);
  else if (dueAt !== undefined) isAbout(dueAt, before + due, `when a ${state} message is due`);
}

/** An engine that knows whole seconds may be off, and so may clocks that are not the same. The test may take a while, too. */
function isAbout(time: Date, ms: number, what: string): void {
  const off = time.getTime() - ms;
  assert.ok(off > -1500 && off < 60_000, `${what} is told to be ${off} ms off`);
}

/** Brings so many messages into a state; their bodies are their places in the order of a list. @returns their ids in order */
async function fill(fixture: Fixture, state: MessageState, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push(await add(fixture, state, String(n), n));
  return ids;
}

/** The greater the place, the later it comes in a list. */
async function add(fixture: Fixture, state: MessageState, body: string, place: number): Promise<string> {
  if (state === 'ready') return fixture.put(body);
  if (state === 'delayed') return fixture.put(body, { delayMs: LONG_MS + 1000 * place });
  if (state === 'buried') return fixture.putBuried(body);
  const id = await fixture.put(body, { ttrMs: LONG_MS + 1000 * place });
  await fixture.next(await fixture.consume());
  return id;
}

async function listsByPages(fixture: Fixture, state: MessageState): Promise<void> {
  const ids = await fill(fixture, state, MANY);
  const found: StoredMessage[] = [];
  let after: string | undefined;
  let pages = 0;
  do {
    const page = await fixture.driver.list(fixture.queue, {
      state,
      limit: PAGE,
      ...(after !== undefined && { after }),
    });
    assert.ok(page.messages.length <= PAGE, `a page of ${PAGE} has ${page.messages.length} messages`);
    found.push(...page.messages);
    after = page.next;
    pages++;
    assert.ok(pages <= MANY, 'the pages come to an end');
    // What comes in meanwhile may be seen or not; what was shown already may go.
    if (pages <= 3) await add(fixture, state, 'late', MANY + pages);
    const [first] = found;
    if (pages === 2 && first && state !== 'reserved') await fixture.driver.delete(fixture.queue, [first.jobId]);
  } while (after !== undefined);
  const early = found.filter(({ body }) => body.toString() !== 'late');
  assert.deepEqual(
    early.map(({ jobId }) => jobId),
    ids,
    'the messages that were there from the beginning',
  );
  for (const message of found) assert.equal(message.state, state, 'the state of a message that is shown');
}
