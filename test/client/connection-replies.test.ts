import { expect } from 'chai';
import type { Client, ErrorCode } from '../../src/client/index.js';
import type { CommandName } from '../../src/protocol/commands.js';
import { type BeanstalkdError, BuriedError } from '../../src/protocol/errors.js';
import { REPLY_FORMS, type ReplyForm } from '../../src/protocol/replies.js';
import { rejection } from '../support/failures.js';
import { connectFake } from '../support/fake-socket.js';
import { encode } from '../support/replies.js';

/** The result of each reply to a command. A form that is not listed is no reply to it. */
type Outcomes = Partial<Record<ReplyForm, 'result' | ErrorCode>>;

const OF_ANY: Outcomes = {
  BAD_FORMAT: 'BAD_FORMAT',
  UNKNOWN_COMMAND: 'UNKNOWN_COMMAND',
  OUT_OF_MEMORY: 'OUT_OF_MEMORY',
  INTERNAL_ERROR: 'INTERNAL_ERROR',
};
const RESERVE: Outcomes = {
  'RESERVED <id> <bytes>': 'result',
  TIMED_OUT: 'result',
  DEADLINE_SOON: 'DEADLINE_SOON',
};
const PEEK: Outcomes = { 'FOUND <id> <bytes>': 'result', NOT_FOUND: 'result' };
const STATS: Outcomes = { 'OK <bytes>': 'result', NOT_FOUND: 'result' };

const COMMANDS: Record<
  Exclude<CommandName, 'quit'>,
  [call: (client: Client) => Promise<unknown>, outcomes: Outcomes]
> = {
  put: [
    (c) => c.put('x'),
    {
      'INSERTED <id>': 'result',
      'BURIED <id>': 'BURIED',
      EXPECTED_CRLF: 'EXPECTED_CRLF',
      JOB_TOO_BIG: 'JOB_TOO_BIG',
      DRAINING: 'DRAINING',
    },
  ],
  use: [(c) => c.use('a'), { 'USING <tube>': 'result' }],
  reserve: [(c) => c.reserve(), RESERVE],
  'reserve-with-timeout': [(c) => c.reserve({ timeout: 1 }), RESERVE],
  'reserve-job': [(c) => c.reserveJob(7), { 'RESERVED <id> <bytes>': 'result', NOT_FOUND: 'NOT_FOUND' }],
  delete: [(c) => c.delete(7), { DELETED: 'result', NOT_FOUND: 'NOT_FOUND' }],
  release: [(c) => c.release(7), { RELEASED: 'result', BURIED: 'BURIED', NOT_FOUND: 'NOT_FOUND' }],
  bury: [(c) => c.bury(7), { BURIED: 'result', NOT_FOUND: 'NOT_FOUND' }],
  touch: [(c) => c.touch(7), { TOUCHED: 'result', NOT_FOUND: 'NOT_FOUND' }],
  watch: [(c) => c.watch('a'), { 'WATCHING <count>': 'result' }],
  ignore: [(c) => c.ignore('a'), { 'WATCHING <count>': 'result', NOT_IGNORED: 'NOT_IGNORED' }],
  peek: [(c) => c.peek(7), PEEK],
  'peek-ready': [(c) => c.peekReady(), PEEK],
  'peek-delayed': [(c) => c.peekDelayed(), PEEK],
  'peek-buried': [(c) => c.peekBuried(), PEEK],
  kick: [(c) => c.kick(1), { 'KICKED <count>': 'result' }],
  'kick-job': [(c) => c.kickJob(7), { KICKED: 'result', NOT_FOUND: 'NOT_FOUND' }],
  'stats-job': [(c) => c.statsJob(7), STATS],
  'stats-tube': [(c) => c.statsTube('a'), STATS],
  stats: [(c) => c.stats(), { 'OK <bytes>': 'result' }],
  'list-tubes': [(c) => c.listTubes(), { 'OK <bytes>': 'result' }],
  'list-tube-used': [(c) => c.listTubeUsed(), { 'USING <tube>': 'result' }],
  'list-tubes-watched': [(c) => c.listTubesWatched(), { 'OK <bytes>': 'result' }],
  'pause-tube': [(c) => c.pauseTube('a', 1), { PAUSED: 'result', NOT_FOUND: 'NOT_FOUND' }],
};

/** Replies to a put after which the server may take the body for commands. */
const OUT_OF_STEP: ReplyForm[] = ['EXPECTED_CRLF', 'BAD_FORMAT', 'UNKNOWN_COMMAND'];

describe('Connection', () => {
  for (const [command, [call, specific]] of Object.entries(COMMANDS)) {
    it(`takes for a reply to ${command} just what the server may send, and breaks off at anything else`, async () => {
      const outcomes: Outcomes = { ...OF_ANY, ...specific };
      for (const form of REPLY_FORMS) {
        const { client, socket } = await connectFake();
        const outcome = call(client).then(
          () => 'result',
          (error: BeanstalkdError) => error,
        );
        const body = form.includes('<bytes>') ? Buffer.from('x') : undefined;
        socket.reply(encode({ form, value: form.includes('<tube>') ? 'a' : '7', body }));
        const settled = await outcome;
        const expected = outcomes[form] ?? 'PROTOCOL';
        if (typeof settled === 'string') {
          expect(settled, form).to.equal(expected);
        } else {
          expect(settled.code, form).to.equal(expected);
          expect(settled.command).to.equal(command);
        }
        const brokenOff = expected === 'PROTOCOL' || (command === 'put' && OUT_OF_STEP.includes(form));
        expect(socket.destroyed, form).to.equal(brokenOff);
        expect(client.isOpen).to.equal(!brokenOff);
        // The client may hold a job and would check it during a later test.
        client.destroy();
      }
    });
  }

  it('names the job that the server had to bury', async () => {
    const { client, socket } = await connectFake();
    const put = rejection(client.put('x'), BuriedError);
    const released = rejection(client.release(7), BuriedError);
    socket.reply('BURIED 18446744073709551615\r\nBURIED\r\n');
    expect(await put).to.include({ command: 'put', jobId: '18446744073709551615' });
    expect(await released).to.include({ command: 'release', jobId: '7' });
  });

  it('goes on behind the refusals that leave the stream in step', async () => {
    const { client, socket } = await connectFake();
    const refused = Promise.allSettled([client.put('a'), client.put('b'), client.put('c'), client.reserveJob(1)]);
    const used = client.listTubeUsed();
    socket.reply('JOB_TOO_BIG\r\nDRAINING\r\nOUT_OF_MEMORY\r\nBAD_FORMAT\r\nUSING default\r\n');
    const codes = (await refused).map((one) => one.status === 'rejected' && (one.reason as BeanstalkdError).code);
    expect(codes).to.deep.equal(['JOB_TOO_BIG', 'DRAINING', 'OUT_OF_MEMORY', 'BAD_FORMAT']);
    expect(await used).to.equal('default');
  });
});
