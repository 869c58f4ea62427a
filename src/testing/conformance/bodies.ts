import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { SuiteBuilder } from './suite-builder.js';

const BODIES: readonly (readonly [what: string, body: () => Buffer])[] = [
  ['of 0 bytes', () => Buffer.alloc(0)],
  ['of every byte there is', () => Buffer.from([...Array(256).keys()])],
  [
    'that look like protocols',
    () => Buffer.from('\r\nRESERVED 1 5\r\n\0\x1b[2J\'; DROP TABLE messages; --\n{"id":1}\r\n.\r\n%00$1?:a\ufffd\\'),
  ],
  ['that are no UTF-8', () => Buffer.from([0xff, 0xfe, 0x00, 0xc3, 0x28, 0xed, 0xa0, 0x80])],
  ['of 64 KiB', () => randomBytes(65_536)],
  ['of 1 MiB', () => randomBytes(1_048_576)],
];

/** What is delivered is what was put, to the byte. */
export function bodies(builder: SuiteBuilder): void {
  builder.describe('bodies', () => {
    for (const [what, make] of BODIES) {
      builder.it(`delivers and shows bodies ${what} as they are`, async (fixture) => {
        const body = make();
        const id = await fixture.put(body);
        const shown = await fixture.driver.find(fixture.queue, id);
        assert.ok(shown?.body.equals(body), `find() shows ${describe(shown?.body)} for ${describe(body)}`);
        const held = await fixture.next(await fixture.consume());
        const found = held.body;
        assert.ok(found.equals(body), `${describe(found)} were delivered for ${describe(body)}`);
        await held.ack();
      });
    }

    builder.it('takes a body that is part of a larger buffer', async (fixture) => {
      const whole = new TextEncoder().encode('before middle after');
      const item = { queue: fixture.queue, body: whole.subarray(7, 13), options: fixture.options() };
      await fixture.driver.put([item]);
      assert.deepEqual(await fixture.drain(await fixture.consume(), 1), ['middle']);
    });

    builder.it('keeps what was put when the buffer it came in is used for something else', async (fixture) => {
      const bodies = ['one', 'two', 'three'].map((body) => Buffer.from(body));
      const items = bodies.map((body) => ({ queue: fixture.queue, body, options: fixture.options() }));
      for (const group of [items.slice(0, 1), items.slice(1)]) {
        const putting = fixture.driver.put(group);
        for (const { body } of group) body.fill(0);
        await putting;
      }
      assert.deepEqual(await fixture.drain(await fixture.consume(), 3), ['one', 'two', 'three']);
    });

    builder.it('delivers the body that was put again, whatever its first holder did to it', async (fixture) => {
      const consumer = await fixture.consume();
      await fixture.put('intact');
      const first = await fixture.next(consumer);
      first.body.fill(0);
      await first.release();
      assert.deepEqual(await fixture.drain(consumer, 1), ['intact']);
    });

    builder.it('delivers and shows each body in memory of its own, which can be transferred', async (fixture) => {
      const sent = ['', 'a', 'b', '', 'x'.repeat(64), 'y'.repeat(5000), 'last'];
      const ids = await fixture.putMany(sent);
      const consumer = await fixture.consume({ concurrency: sent.length });
      for (const id of ids) {
        const shown = await fixture.driver.find(fixture.queue, id);
        if (shown) transfer(shown.body);
      }
      const held = await fixture.take(consumer, sent.length);
      for (const [index, { body }] of held.entries()) {
        assert.equal(body.toString(), sent[index], 'what was not transferred stays as it is');
        transfer(body);
      }
      for (const each of held) await each.release();
      assert.deepEqual((await fixture.drain(consumer, sent.length)).sort(), [...sent].sort());
    });
  });
}

/** As `postMessage` does with a transfer list. */
function transfer({ buffer, length }: Buffer): void {
  try {
    structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
  } catch {
    // Newer Nodes throw where older ones transfer nothing.
  }
  assert.equal(buffer.byteLength, 0, `the memory of a body of ${length} bytes cannot be transferred`);
}

function describe(body: Buffer | undefined): string {
  if (body === undefined) return 'nothing';
  return `${body.length} bytes (${body.subarray(0, 32).toString('hex')}${body.length > 32 ? '…' : ''})`;
}
