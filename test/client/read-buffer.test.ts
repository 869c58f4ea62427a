import { expect } from 'chai';
import sinon from 'sinon';
import { ReadBuffer } from '../../src/client/read-buffer.js';
import { thrown } from '../support/failures.js';
import { useScriptedServer } from '../support/scripted-server.js';

const SIZE = 64 * 1024;

/** Reads `text` as the socket would. @returns the memory that it was read into */
function read(readBuffer: ReadBuffer, text: string): Uint8Array {
  const { buffer, callback } = readBuffer.onread;
  const memory = (buffer as () => Uint8Array)();
  memory.set(Buffer.from(text));
  expect(callback(text.length, memory)).to.equal(true);
  return memory;
}

describe('ReadBuffer', () => {
  it('hands on what was read, and no more', () => {
    const readBuffer = new ReadBuffer();
    const received: string[] = [];
    readBuffer.onData = (bytes) => received.push(bytes.toString());
    read(readBuffer, 'INSERTED 1\r\n');
    read(readBuffer, 'DELETED\r\n');
    expect(received).to.deep.equal(['INSERTED 1\r\n', 'DELETED\r\n']);
  });

  it('reads into the same memory again and again', () => {
    const readBuffer = new ReadBuffer();
    const first = read(readBuffer, 'INSERTED 1\r\n');
    expect(first).to.have.length(SIZE);
    for (let i = 0; i < 10; i++) expect(read(readBuffer, 'INSERTED 1\r\n')).to.equal(first);
  });

  it('reads what belongs to a target straight into it, as long as the buffer would not hold it all', () => {
    const readBuffer = new ReadBuffer();
    const whole = Buffer.alloc(3 * SIZE);
    let at = 0;
    readBuffer.nextTarget = () => whole.subarray(at);
    readBuffer.onData = (bytes) => {
      expect(bytes.buffer === whole.buffer, 'read elsewhere').to.equal(at <= 2 * SIZE);
      at += bytes.length;
    };
    // Like a kernel, delivers the bytes that there are.
    for (const size of [SIZE, 1000, SIZE - 1000, 500, 700]) {
      const before = at;
      read(readBuffer, `${before}`.padEnd(size));
      expect(at).to.equal(before + size);
    }
    expect(whole.toString('latin1', 0, 7)).to.equal('0      ');
    expect(whole.toString('latin1', SIZE, SIZE + 7)).to.equal('65536  ');
    expect(whole.toString('latin1', SIZE + 1000, SIZE + 1007)).to.equal('66536  ');
  });

  it('goes back to its own memory behind the target', () => {
    const readBuffer = new ReadBuffer();
    const first = read(readBuffer, 'RESERVED 1 100000\r\n');
    readBuffer.nextTarget = () => Buffer.alloc(SIZE);
    expect(read(readBuffer, 'body')).to.not.equal(first);
    readBuffer.nextTarget = () => undefined;
    expect(read(readBuffer, 'DELETED\r\n')).to.equal(first);
  });

  it('goes on reading, in the right memory, after an error of whoever is handed the bytes, which is uncaught', () => {
    const readBuffer = new ReadBuffer();
    const error = new Error('of a listener');
    readBuffer.nextTarget = () => Buffer.alloc(SIZE);
    readBuffer.onData = () => {
      readBuffer.nextTarget = () => undefined;
      throw error;
    };
    const nextTick = sinon.stub(process, 'nextTick');
    const target = read(readBuffer, 'body');
    expect(read(readBuffer, 'DELETED\r\n')).to.not.equal(target);
    nextTick.restore();
    const uncaught = nextTick.args.map(([callback]) => thrown(callback as () => void, Error));
    expect(uncaught).to.deep.equal([error, error]);
  });
});

describe('A connection', () => {
  const server = useScriptedServer();

  it('has a large body read into its own memory, and copies only its first and its last piece', async () => {
    const body = Buffer.from(Uint8Array.from({ length: 40 * SIZE + 5 }, (_, index) => index % 251));
    const { client, peer } = await server.connect();
    const reserving = client.reserve();
    await peer.takes('reserve\r\n');
    const copy = sinon.spy(Buffer.prototype, 'copy');
    peer.sends(Buffer.concat([Buffer.from(`RESERVED 1 ${body.length}\r\n`), body, Buffer.from('\r\n')]));
    const job = await reserving;
    sinon.restore();
    expect(job?.body.equals(body)).to.equal(true);
    expect(copy.returnValues.reduce((sum, bytes) => sum + bytes, 0)).to.be.at.most(2 * SIZE);
  });
});
