import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { InvalidArgumentError } from '../../src/protocol/errors.js';
import { rejection } from '../support/failures.js';
import { connectFake } from '../support/fake-socket.js';

const bad = <T>(value: unknown): T => value as T;

const REFUSED: [what: string, call: (client: Client) => Promise<unknown>, message: RegExp][] = [
  ['a tube with a command in it', (c) => c.use('a\r\ndelete 7'), /^use: a tube name must be .* got "a\\r\\ndelete 7"$/],
  ['a tube with LF', (c) => c.watch('a\n'), /^watch: .* got "a\\n"$/],
  ['a tube with NUL', (c) => c.ignore('a\0'), /^ignore: .* got "a\\u0000"$/],
  ['a tube that begins with "-"', (c) => c.statsTube('-a'), /^stats-tube: .*not begin with "-", got "-a"$/],
  ['a tube of 201 bytes', (c) => c.use('x'.repeat(201)), /^use: a tube name must be 1 to 200 .*got "x{59}…"$/],
  ['an empty tube', (c) => c.pauseTube('', 1), /^pause-tube: .* got ""$/],
  ['no tube', (c) => c.use(bad(undefined)), /^use: .* got undefined$/],
  [
    'a negative pause',
    (c) => c.pauseTube('a', -1),
    /^pause-tube: seconds must be an integer from 0 to 4294967295, got -1$/,
  ],
  ['a negative priority', (c) => c.put('x', { priority: -1 }), /^put: priority must be an integer .*, got -1$/],
  ['a broken priority', (c) => c.put('x', { priority: 1.5 }), /^put: priority .*, got 1.5$/],
  ['a delay above u32', (c) => c.put('x', { delay: 2 ** 32 }), /^put: delay .* to 4294967295, got 4294967296$/],
  ['a TTR that is no number', (c) => c.put('x', { ttr: Number.NaN }), /^put: ttr .*, got NaN$/],
  ['a TTR as text', (c) => c.put('x', { ttr: bad('60') }), /^put: ttr .*, got "60"$/],
  ['an object as body', (c) => c.put(bad({ a: 1 })), /^put: a body must be a string or a Uint8Array, got an object$/],
  ['no body', (c) => c.put(bad(undefined)), /^put: a body .*, got undefined$/],
  [
    'an endless timeout',
    (c) => c.reserve({ timeout: Number.POSITIVE_INFINITY }),
    /^reserve-with-timeout: .*, got Infinity$/,
  ],
  [
    'a negative timeout',
    (c) => c.reserve({ timeout: -1 }),
    /^reserve-with-timeout: timeout .* 0 to 2147483647, got -1$/,
  ],
  ['a timeout above 2147483647', (c) => c.reserve({ timeout: 2 ** 31 }), /^reserve-with-timeout: .*, got 2147483648$/],
  [
    'an id with a command in it',
    (c) => c.delete('7\r\nquit'),
    /^delete: a job id must be an integer .*, got "7\\r\\nquit"$/,
  ],
  ['a negative id', (c) => c.touch(-1), /^touch: .*, got -1$/],
  ['a broken id', (c) => c.peek(1.5), /^peek: .*, got 1.5$/],
  ['an id above u64', (c) => c.reserveJob(2n ** 64n), /^reserve-job: .*, got 18446744073709551616n$/],
  ['an empty id', (c) => c.statsJob(''), /^stats-job: .*, got ""$/],
  ['an id that is none', (c) => c.kickJob(bad({})), /^kick-job: .*, got an object$/],
  ['a job for an id', (c) => c.release(bad({ id: '7' })), /^release: .*, got an object$/],
  ['the delay of a release', (c) => c.release(7, { delay: -1 }), /^release: delay .*, got -1$/],
  ['the priority of a bury', (c) => c.bury(7, { priority: -1 }), /^bury: priority .*, got -1$/],
  ['a negative bound', (c) => c.kick(-1), /^kick: bound must be an integer from 0 .*, got -1$/],
];

describe('Client, given an argument out of range,', () => {
  for (const [what, call, message] of REFUSED) {
    it(`refuses ${what} and sends nothing`, async () => {
      const { client, socket } = await connectFake();
      const error = await rejection(call(client), InvalidArgumentError);
      expect(error.message).to.match(message);
      expect(error.message.startsWith(`${error.command}: `)).to.equal(true);
      await nextTurn();
      expect(socket.writes).to.deep.equal([]);
      expect(client.isOpen).to.equal(true);
    });
  }

  it('sends what comes before and behind as if it had not been called', async () => {
    const { client, socket } = await connectFake();
    const answers = [
      client.use('a'),
      rejection(client.use('a b'), InvalidArgumentError),
      rejection(client.put('x', { delay: -1 }), InvalidArgumentError),
      client.watch('b'),
    ];
    await nextTurn();
    expect(socket.sent).to.equal('use a\r\nwatch b\r\n');
    socket.reply('USING a\r\nWATCHING 2\r\n');
    const [used, , , watched] = await Promise.all(answers);
    expect([used, watched]).to.deep.equal(['a', 2]);
  });
});
