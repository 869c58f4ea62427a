import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { InvalidArgumentError, JobTooBigError, OutOfMemoryError } from '../../src/protocol/errors.js';
import { rejection, thrown } from '../support/failures.js';
import { sentNext } from '../support/fake-network.js';
import { connectFake, type FakeSocket } from '../support/fake-socket.js';
import { ok } from '../support/replies.js';

const put = (body: string): string => `put 1024 0 60 ${body.length}\r\n${body}\r\n`;

describe('A tube of a client', () => {
  let client: Client;
  let socket: FakeSocket;

  beforeEach(async () => {
    ({ client, socket } = await connectFake());
  });

  it('sends each command into its tube and decodes the reply', async () => {
    const mail = client.tube('mail');
    expect(mail.name).to.equal('mail');
    const calls = [
      mail.put('a', { priority: 1, delay: 2, ttr: 3 }),
      mail.peekReady().then((job) => job?.text()),
      mail.peekDelayed(),
      mail.peekBuried(),
      mail.kick(5),
      mail.stats().then((stats) => stats?.name),
      mail.pause(60),
      mail.resume(),
    ];
    expect(await sentNext(socket)).to.equal(
      'use mail\r\nput 1 2 3 1\r\na\r\npeek-ready\r\npeek-delayed\r\npeek-buried\r\nkick 5\r\n' +
        'stats-tube mail\r\npause-tube mail 60\r\npause-tube mail 0\r\n',
    );
    expect(socket.writes).to.have.length(1);
    socket.reply(
      'USING mail\r\nINSERTED 1\r\nFOUND 1 1\r\na\r\nNOT_FOUND\r\nNOT_FOUND\r\nKICKED 2\r\n' +
        'OK 15\r\n---\nname: mail\n\r\nPAUSED\r\nPAUSED\r\n',
    );
    expect(await Promise.all(calls)).to.deep.equal(['1', 'a', null, null, 2, 'mail', undefined, undefined]);
  });

  it('shares a pipelined connection with others, with the fewest use commands, in one write', async () => {
    const [a, b] = [client.tube('a'), client.tube('b')];
    const calls = [a.put('1'), a.put('2'), b.put('3'), b.kick(4), client.tube('b').put('5'), a.put('6')];
    expect(await sentNext(socket)).to.equal(
      `use a\r\n${put('1')}${put('2')}use b\r\n${put('3')}kick 4\r\n${put('5')}use a\r\n${put('6')}`,
    );
    expect(socket.writes).to.have.length(1);
    socket.reply(
      'USING a\r\nINSERTED 1\r\nINSERTED 2\r\nUSING b\r\nINSERTED 3\r\nKICKED 0\r\nINSERTED 5\r\nUSING a\r\nINSERTED 6\r\n',
    );
    expect(await Promise.all(calls)).to.deep.equal(['1', '2', '3', 0, '5', '6']);
    void a.put('7');
    expect(await sentNext(socket)).to.equal(put('7'));
  });

  it('sends no use if the tube is in use, or the command names its tube', async () => {
    void client.use('mail');
    void client.tube('mail').put('1');
    void client.tube('other').stats();
    void client.tube('other').pause(1);
    expect(await sentNext(socket)).to.equal(`use mail\r\n${put('1')}stats-tube other\r\npause-tube other 1\r\n`);
    expect((await connectFake()).client.tube('default').put('x')).to.be.instanceOf(Promise);
  });

  it('does not change the tube of the client', async () => {
    void client.use('mail');
    const other = client.tube('other');
    for (const [call, sent] of [
      [() => client.put('x'), put('x')],
      [() => client.kick(1), 'kick 1\r\n'],
      [() => client.peekReady(), 'peek-ready\r\n'],
      [() => client.peekDelayed(), 'peek-delayed\r\n'],
      [() => client.peekBuried(), 'peek-buried\r\n'],
      [() => client.listTubeUsed(), 'list-tube-used\r\n'],
    ] as const) {
      await nextTurn();
      expect(await sentNext(socket, () => void other.put('y'))).to.equal(`use other\r\n${put('y')}`);
      expect(await sentNext(socket, call)).to.equal(`use mail\r\n${sent}`);
    }
    expect(await sentNext(socket, () => void client.reserve())).to.equal('reserve\r\n');
  });

  it('sends use again after a refusal, and the client keeps its previous tube', async () => {
    const used = client.use('first');
    socket.reply('USING first\r\n');
    await used;
    const refused = [rejection(client.use('second'), OutOfMemoryError), rejection(client.put('1'), OutOfMemoryError)];
    expect(await sentNext(socket)).to.equal(`use second\r\n${put('1')}`);
    socket.reply('OUT_OF_MEMORY\r\nOUT_OF_MEMORY\r\n');
    await Promise.all(refused);
    expect(await sentNext(socket, () => void client.put('2'))).to.equal(`use first\r\n${put('2')}`);
    expect(await sentNext(socket, () => void client.listTubeUsed())).to.equal('list-tube-used\r\n');
  });

  it('sends use again after the server has refused it before a command', async () => {
    const mail = client.tube('mail');
    const first = mail.put('1');
    socket.reply('OUT_OF_MEMORY\r\nINSERTED 1\r\n');
    expect(await first).to.equal('1');
    await nextTurn();
    expect(await sentNext(socket, () => void mail.put('2'))).to.equal(`use mail\r\n${put('2')}`);
  });

  it('is the one that was requested last, however earlier requests end', async () => {
    const calls = [rejection(client.use('mail'), OutOfMemoryError), client.use('mail')] as const;
    socket.reply('OUT_OF_MEMORY\r\nUSING mail\r\n');
    await Promise.all(calls);
    const sent = await sentNext(socket, () => void client.put('1'));
    expect(sent.replace('use mail\r\n', '')).to.equal(put('1'));
  });

  it('refuses an invalid name before anything is sent', async () => {
    for (const name of ['', '-a', 'a b', 'a\r\nquit', 'x'.repeat(201), undefined as unknown as string]) {
      expect(thrown(() => client.tube(name), InvalidArgumentError).message).to.match(
        /^use: a tube name must be 1 to 200/,
      );
    }
    expect(await sentNext(socket)).to.equal('');
  });

  it('refuses invalid arguments, and bodies above max-job-size once that is known', async () => {
    const stats = client.stats();
    socket.reply(ok('max-job-size: 10\n'));
    await stats;
    const mail = client.tube('mail');
    await rejection(mail.put('x'.repeat(11)), JobTooBigError);
    const calls = [mail.put('x', { delay: -1 }), mail.kick(-1), mail.pause(1.5)];
    await Promise.all(calls.map((call) => rejection(call, InvalidArgumentError)));
    expect(await sentNext(socket)).to.equal('');
    expect(await sentNext(socket, () => void mail.put('x'))).to.equal(`use mail\r\n${put('x')}`);
  });
});
