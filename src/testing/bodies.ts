import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Reservation } from '../queue/driver.js';
import type { Declaration } from './declaration.js';

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
export function bodies(declaration: Declaration): void {
  declaration.describe('bodies', () => {
    for (const [what, make] of BODIES) {
      declaration.it(`delivers and shows bodies ${what} as they are`, async (trial) => {
        const body = make();
        await trial.put(body);
        const [shown] = await trial.driver.peek(trial.queue, 'ready', 1);
        assert.ok(shown?.body.equals(body), `peek shows ${describe(shown?.body)} for ${describe(body)}`);
        const reservation = await trial.next(await trial.consume());
        const found = reservation.body;
        assert.ok(found.equals(body), `${describe(found)} were delivered for ${describe(body)}`);
        await reservation.ack();
      });
    }

    declaration.it('takes a body that is part of a larger buffer', async (trial) => {
      const whole = new TextEncoder().encode('before middle after');
      await trial.driver.put(trial.queue, whole.subarray(7, 13), trial.options());
      assert.deepEqual(await trial.drain(await trial.consume(), 1), ['middle']);
    });

    declaration.it('keeps what was put when the buffer it came in is used for something else', async (trial) => {
      const [one, many] = [Buffer.from('one'), Buffer.from('many')];
      const putting = trial.driver.put(trial.queue, one, trial.options());
      one.fill(0);
      await putting;
      const puttingMany = trial.driver.putMany(trial.queue, [{ body: many, options: trial.options() }]);
      many.fill(0);
      await puttingMany;
      assert.deepEqual(await trial.drain(await trial.consume(), 2), ['one', 'many']);
    });

    declaration.it('delivers the body that was put again, whatever its first holder did to it', async (trial) => {
      const consumer = await trial.consume();
      await trial.put('intact');
      const first = await trial.next(consumer);
      first.body.fill(0);
      await first.release();
      assert.deepEqual(await trial.drain(consumer, 1), ['intact']);
    });

    declaration.it('delivers and shows each body in memory of its own, which can be transferred', async (trial) => {
      const sent = ['', 'a', 'b', '', 'x'.repeat(64), 'y'.repeat(5000), 'last'];
      await trial.putMany(sent);
      const consumer = await trial.consume({ slots: sent.length });
      const [shown] = await trial.driver.peek(trial.queue, 'ready', 1);
      if (shown !== undefined) transfer(shown.body);
      const held: Reservation[] = [];
      while (held.length < sent.length) held.push(await trial.next(consumer));
      for (const [index, { body }] of held.entries()) {
        assert.equal(body.toString(), sent[index], 'what was not transferred stays as it is');
        transfer(body);
      }
      for (const reservation of held) await reservation.release();
      assert.deepEqual((await trial.drain(consumer, sent.length)).sort(), [...sent].sort());
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
