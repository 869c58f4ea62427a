/*
 * How the server answers what the client never sends: BAD_FORMAT and UNKNOWN_COMMAND for all 25 commands, and
 * that the client's rules about arguments are the server's. How the stream goes on after it: connection-loss.
 */
import { expect } from 'chai';
import { InvalidArgumentError } from '../src/client/index.js';
import { isTubeName } from '../src/protocol/arguments.js';
import { COMMANDS, type CommandName } from '../src/protocol/commands.js';
import { onSharedServer } from './support/fixture.js';
import type { RawConnection } from './support/raw.js';
import { rejects } from './support/rejects.js';

/** For each command a line that begins like it and is not one; `quit` reads no further than its name. */
const BAD_LINES: Readonly<Record<Exclude<CommandName, 'quit'>, readonly string[]>> = {
  put: [
    'put 4294967296 0 60 0',
    'put 0 4294967296 60 0',
    'put 0 0 -1 0',
    'put 0 0 60 4294967296',
    'put 0 0 60',
    'put ',
  ],
  use: ['use ', 'use a b', 'use  a', 'use a:b', 'use -a', `use ${'a'.repeat(201)}`],
  reserve: ['reserve ', 'reserved'],
  'reserve-with-timeout': ['reserve-with-timeout', 'reserve-with-timeout 9223372036854775808'],
  'reserve-job': ['reserve-job ', 'reserve-job 1 ', 'reserve-job 18446744073709551616'],
  delete: ['delete ', 'delete -1', 'delete 1x', 'delete 18446744073709551616'],
  release: ['release 1', 'release 1 0', 'release 1 4294967296 0', 'release 1 0 4294967296', 'release x 0 0'],
  bury: ['bury 1', 'bury 1 -1', 'bury 1 4294967296', 'bury x 1'],
  touch: ['touch ', 'touch 1.0', 'touch 18446744073709551616'],
  watch: ['watch ', 'watch a,b', `watch ${'a'.repeat(201)}`],
  ignore: ['ignore ', 'ignore -a', `ignore ${'a'.repeat(201)}`],
  peek: ['peek ', 'peek 0x1', 'peek 1 2', 'peek +1', 'peek 18446744073709551616'],
  'peek-ready': ['peek-ready '],
  'peek-delayed': ['peek-delayed '],
  'peek-buried': ['peek-buried '],
  kick: ['kick ', 'kick a'],
  'kick-job': ['kick-job ', 'kick-job x', 'kick-job 18446744073709551616'],
  'stats-job': ['stats-job', 'stats-job ', 'stats-job 1x'],
  'stats-tube': ['stats-tube', 'stats-tube ', 'stats-tube a@b'],
  stats: ['stats ', 'stats now'],
  'list-tubes': ['list-tubes '],
  'list-tube-used': ['list-tube-used '],
  'list-tubes-watched': ['list-tubes-watched '],
  'pause-tube': ['pause-tube a', 'pause-tube a 4294967296', 'pause-tube a -1', 'pause-tube -a 1'],
};

describe('a command line the server cannot read', () => {
  const fixture = onSharedServer();

  for (const [command, lines] of Object.entries(BAD_LINES)) {
    it(`is answered BAD_FORMAT where it begins like ${command}, and the next line is read as ever`, async () => {
      const raw = await fixture.connectRaw();
      for (const line of lines) {
        await raw.exchanges(`${line}\r\nlist-tube-used\r\n`, 'BAD_FORMAT\r\nUSING default\r\n');
      }
    });

    it(`is answered UNKNOWN_COMMAND where it is ${command} in capitals, and the next line is read as ever`, async () => {
      const raw = await fixture.connectRaw();
      const sent = `${command.toUpperCase()} 1\r\nlist-tube-used\r\n`;
      await raw.exchanges(sent, 'UNKNOWN_COMMAND\r\nUSING default\r\n');
    });
  }

  it('is tried above for every command', () => {
    expect([...Object.keys(BAD_LINES), 'quit']).to.have.members(Object.keys(COMMANDS));
  });

  it('is a quit where it begins with quit, whatever follows', async () => {
    const raw = await fixture.connectRaw();
    raw.send('quit now\r\n');
    expect(await raw.ends()).to.equal('end of file');
  });

  it('is answered UNKNOWN_COMMAND where it is empty, where it begins with a space, or is no command', async () => {
    const raw = await fixture.connectRaw();
    for (const line of ['', ' stats', 'foo', 'put', 'peek', 'list-tube']) {
      await raw.exchanges(`${line}\r\nlist-tube-used\r\n`, 'UNKNOWN_COMMAND\r\nUSING default\r\n');
    }
  });

  it('is answered BAD_FORMAT where it contains a NUL', async () => {
    const raw = await fixture.connectRaw();
    await raw.exchanges('use a\0b\r\nlist-tube-used\r\n', 'BAD_FORMAT\r\nUSING default\r\n');
  });

  it('goes on over a lone LF, which ends no line', async () => {
    const raw = await fixture.connectRaw();
    await raw.exchanges('use a\nuse b\r\nlist-tube-used\r\n', 'BAD_FORMAT\r\nUSING default\r\n');
  });

  it('makes the connection mute where it contains a CR without LF, until a buffer of 224 bytes is full', async () => {
    const [raw, witness] = [await fixture.connectRaw(), await fixture.connect()];
    raw.send('use a\rb\r\nlist-tube-used\r\n');
    for (let turn = 0; turn < 5; turn++) await witness.listTubeUsed();
    expect(raw.unread).to.equal('');
    await raw.exchanges(`${'x'.repeat(300)}\r\n`, 'BAD_FORMAT\r\n');
    await raw.exchanges('list-tube-used\r\n', 'USING default\r\n');
  });
});

describe('the length of a command line', () => {
  const fixture = onSharedServer();

  it('may be 224 bytes with its CR LF, which no line of the client exceeds', async () => {
    const [raw, client] = [await fixture.connectRaw(), await fixture.connect()];
    await raw.exchanges(`peek ${'0'.repeat(216)}0\r\n`, 'NOT_FOUND\r\n');
    const tube = fixture.tube().padEnd(200, '-');
    const line = `pause-tube ${tube} 4294967295\r\n`;
    expect(line.length).to.equal(224);
    await raw.exchanges(line, 'NOT_FOUND\r\n');
    await client.use(tube);
    await client.pauseTube(tube, 4_294_967_295);
  });

  it('is answered BAD_FORMAT once where it is more, when its CR LF comes', async () => {
    const [raw, witness] = [await fixture.connectRaw(), await fixture.connect()];
    raw.send('x'.repeat(300));
    await witness.listTubeUsed();
    expect(raw.unread).to.equal('');
    await raw.exchanges('\r\nlist-tube-used\r\n', 'BAD_FORMAT\r\nUSING default\r\n');
  });

  it('costs the next command its answer where it is exactly 225 bytes', async () => {
    const [raw, witness] = [await fixture.connectRaw(), await fixture.connect()];
    await raw.exchanges(`${'x'.repeat(223)}\r\nlist-tube-used\r\n`, 'BAD_FORMAT\r\n');
    await witness.listTubeUsed();
    await raw.exchanges('list-tubes-watched\r\n', 'OK 14\r\n---\n- default\n\r\n');
  });
});

describe("the client's rules about arguments", () => {
  const fixture = onSharedServer();

  it('are those of the server about every byte of a tube name, the first and the others', async () => {
    const raw = await fixture.connectRaw();
    const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).filter((byte) => byte !== '\r');
    for (const name of bytes.flatMap((byte) => [byte, `a${byte}`])) {
      await raw.exchanges(`ignore ${name}\r\n`, isTubeName(name) ? 'WATCHING 1\r\n' : 'BAD_FORMAT\r\n');
    }
  });

  it('refuse tube names that the server refuses, without sending them', async () => {
    const [client, raw] = [await fixture.connect(), await fixture.connectRaw()];
    for (const name of ['', '-a', 'a b', 'a:b', 'bohné', 'a'.repeat(201), 'a\r\ndelete 7', 'a\n', 'a\0']) {
      const error = await rejects(client.use(name), InvalidArgumentError);
      expect(error).to.include({ code: 'INVALID_ARGUMENT', command: 'use' });
      if (!name.includes('\r')) await raw.exchanges(`use ${name}\r\n`, 'BAD_FORMAT\r\n');
    }
    expect(await client.listTubeUsed()).to.equal('default');
  });

  it('refuse numbers that the server refuses', async () => {
    const [client, raw] = [await fixture.connectTo(fixture.tube()), await fixture.connectRaw()];
    const above = 4_294_967_296;
    await refused(client.put('', { priority: above }), raw, `put ${above} 0 60 0`);
    await refused(client.put('', { delay: -1 }), raw, 'put 0 -1 60 0');
    await refused(client.put('', { ttr: 0.5 }), raw, 'put 0 0 0.5 0');
    await refused(client.release(1, { priority: above }), raw, `release 1 ${above} 0`);
    await refused(client.bury(1, { priority: above }), raw, `bury 1 ${above}`);
    await refused(client.pauseTube('a', above), raw, `pause-tube a ${above}`);
    await refused(client.delete(18_446_744_073_709_551_616n), raw, 'delete 18446744073709551616');
    await refused(client.peek('1.0'), raw, 'peek 1.0');
  });

  it('refuse numbers that the server takes for others: kick wraps modulo 2^32 and ignores what follows', async () => {
    const [client, raw] = [await fixture.connectTo(fixture.tube()), await fixture.connectRaw()];
    const tube = await client.listTubeUsed();
    await raw.exchanges(`use ${tube}\r\n`, `USING ${tube}\r\n`);
    await Promise.all([client.put('', { delay: 300 }), client.put('', { delay: 300 })]);
    await rejects(client.kick(4_294_967_297), InvalidArgumentError);
    await raw.exchanges('kick 4294967297\r\n', 'KICKED 1\r\n');
    await rejects(client.kick(1.5), InvalidArgumentError);
    await raw.exchanges('kick 1.5\r\n', 'KICKED 1\r\n');
  });
});

async function refused(call: Promise<unknown>, raw: RawConnection, line: string): Promise<void> {
  await rejects(call, InvalidArgumentError);
  await raw.exchanges(`${line}\r\n`, 'BAD_FORMAT\r\n');
}
