import { format } from 'node:util';
import { expect } from 'chai';
import createDebug from 'debug';
import sinon from 'sinon';
import { Client } from '../../src/client/client.js';
import { ConnectionLostError } from '../../src/client/errors.js';
import { ProtocolError } from '../../src/protocol/errors.js';
import { rejection } from '../support/failures.js';
import { connectFake, FakeSocket } from '../support/fake-socket.js';

const SECRET = 'S3CRET';

describe('the debug output of haricot:connection', () => {
  let lines: string[];
  let enabledBefore: string;

  beforeEach(() => {
    lines = [];
    enabledBefore = createDebug.disable();
    createDebug.enable('haricot:connection');
    sinon.replace(createDebug, 'log', (...args: unknown[]) => void lines.push(format(...args)));
  });

  afterEach(() => {
    sinon.restore();
    createDebug.disable();
    createDebug.enable(enabledBefore);
  });

  it('tells each command and each reply, but never a body', async () => {
    const { client, socket } = await connectFake();
    const calls = [
      client.put(`{"password":"${SECRET}"}`),
      client.put(Buffer.from(SECRET)),
      client.reserve(),
      client.peek(3),
      client.stats(),
      client.peek(4).catch(() => {}),
    ];
    socket.reply(
      `INSERTED 1\r\nINSERTED 2\r\nRESERVED 2 6\r\n${SECRET}\r\nFOUND 3 6\r\n${SECRET}\r\n` +
        `OK 15\r\nhostname: ${SECRET.slice(1)}\r\nFOUND 4 6\r\n${SECRET}\0\0`,
    );
    await Promise.all(calls);
    client.destroy();
    const output = lines.join('\n');
    for (const part of ['connected', '> put 1024 0 60 21', '> reserve', '< RESERVED <id> <bytes> 2 6', '< FOUND']) {
      expect(output).to.contain(part);
    }
    expect(output).to.not.contain(SECRET).and.to.not.contain(SECRET.slice(1));
    expect(output).to.not.contain(Buffer.from(SECRET).toString('hex'));
  });

  it('has no part of a body either when the stream is out of step', async () => {
    for (const reply of [`RESERVED 1 0\r\n${SECRET}\r\n`, `${SECRET}\r\n`, `USING ${SECRET}!\r\n`]) {
      const { client, socket } = await connectFake();
      const faulty = rejection(client.reserve(), ProtocolError);
      socket.reply(reply);
      await faulty;
    }
    expect(lines.join('\n')).to.contain('the server broke the protocol').and.to.not.contain(SECRET);
  });

  it('tells the end of a connection and how many calls it cost', async () => {
    const { client, socket } = await connectFake();
    const lost = [client.use('a'), client.use('b')].map((call) => rejection(call, Error));
    socket.destroy(new Error('ECONNRESET'));
    await Promise.all(lost);
    expect(lines.at(-1)).to.match(/beanstalkd:\/\/127\.0\.0\.1:11300 closed: ECONNRESET \(.*\), 2 pending/);
    expect(lines).to.have.length(6);
  });

  it('tells why there was no connection', async () => {
    const socket = new FakeSocket();
    const failed = rejection(Client.connect({ openSocket: () => socket.asSocket }), ConnectionLostError);
    socket.destroy(new Error('ECONNREFUSED'));
    await failed;
    expect(lines.at(-1)).to.contain('cannot connect to beanstalkd://127.0.0.1:11300: ECONNREFUSED');
  });

  it('tells an orderly end as such', async () => {
    const { client, socket } = await connectFake();
    const quit = client.quit();
    socket.hangUp();
    await quit;
    expect(lines.at(-2)).to.contain('quit, 0 replies pending');
    expect(lines.at(-1)).to.contain('beanstalkd://127.0.0.1:11300 closed').and.to.not.contain('closed:');
  });
});
