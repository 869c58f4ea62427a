import { expect } from 'chai';
import sinon from 'sinon';
import { Intake } from '../../src/client/intake.js';
import { useScriptedServer } from '../support/scripted-server.js';

const SLAB = 64 * 1024;

/** Reads `text` as the socket would. @returns the memory it came in */
function read(intake: Intake, text: string): Uint8Array {
  const { buffer, callback } = intake.onread;
  const memory = (buffer as () => Uint8Array)();
  memory.set(Buffer.from(text));
  expect(callback(text.length, memory)).to.equal(true);
  return memory;
}

describe('Intake', () => {
  it('hands on what was read, and no more', () => {
    const intake = new Intake();
    const taken: string[] = [];
    intake.takeIn = (bytes) => {
      taken.push(bytes.toString());
      return false;
    };
    read(intake, 'INSERTED 1\r\n');
    read(intake, 'DELETED\r\n');
    expect(taken).to.deep.equal(['INSERTED 1\r\n', 'DELETED\r\n']);
  });

  it('reads into the same memory while nobody keeps views of it', () => {
    const intake = new Intake();
    const first = read(intake, 'INSERTED 1\r\n');
    expect(first).to.have.length(SLAB);
    for (let i = 0; i < 10; i++) expect(read(intake, 'INSERTED 1\r\n')).to.equal(first);
  });

  it('never overwrites what somebody keeps', () => {
    const intake = new Intake();
    const kept: Buffer[] = [];
    intake.takeIn = (bytes) => {
      kept.push(bytes);
      return true;
    };
    const texts = Array.from({ length: 200 }, (_, index) => `${index} `.repeat(500));
    for (const text of texts) read(intake, text);
    expect(kept.map(String)).to.deep.equal(texts);
    // Small ones share memory: a slab for each would be a hundred times as much.
    expect(new Set(kept.map(({ buffer }) => buffer)).size).to.be.within(2, 15);
  });

  it('leaves room for a read that is worth it', () => {
    const intake = new Intake();
    intake.takeIn = () => true;
    for (let i = 0; i < 100; i++) expect(read(intake, 'x'.repeat(5000)).length).to.be.within(16 * 1024, SLAB);
  });

  it('reads what belongs to a known place right into it, as long as a slab would not hold it all', () => {
    const intake = new Intake();
    const whole = Buffer.alloc(3 * SLAB);
    let at = 0;
    intake.placeOfNext = () => whole.subarray(at);
    intake.takeIn = (bytes) => {
      expect(bytes.buffer === whole.buffer, 'read elsewhere').to.equal(at <= 2 * SLAB);
      at += bytes.length;
      return false;
    };
    // As a kernel gives it: what there is.
    for (const size of [SLAB, 1000, SLAB - 1000, 500, 700]) {
      const before = at;
      read(intake, `${before}`.padEnd(size));
      expect(at).to.equal(before + size);
    }
    expect(whole.toString('latin1', 0, 7)).to.equal('0      ');
    expect(whole.toString('latin1', SLAB, SLAB + 7)).to.equal('65536  ');
    expect(whole.toString('latin1', SLAB + 1000, SLAB + 1007)).to.equal('66536  ');
  });

  it('goes back to the memory it had before the place', () => {
    const intake = new Intake();
    const first = read(intake, 'RESERVED 1 100000\r\n');
    intake.placeOfNext = () => Buffer.alloc(SLAB);
    expect(read(intake, 'body')).to.not.equal(first);
    intake.placeOfNext = () => undefined;
    expect(read(intake, 'DELETED\r\n')).to.equal(first);
  });
});

describe('A connection', () => {
  const server = useScriptedServer();

  it('has a large body read into its own memory, and copies only its first and its last piece', async () => {
    const body = Buffer.from(Uint8Array.from({ length: 40 * SLAB + 5 }, (_, index) => index % 251));
    const { client, peer } = await server.connect();
    const reserving = client.reserve();
    await peer.takes('reserve\r\n');
    const copy = sinon.spy(Buffer.prototype, 'copy');
    peer.sends(Buffer.concat([Buffer.from(`RESERVED 1 ${body.length}\r\n`), body, Buffer.from('\r\n')]));
    const job = await reserving;
    sinon.restore();
    expect(job?.body.equals(body)).to.equal(true);
    expect(copy.returnValues.reduce((sum, bytes) => sum + bytes, 0)).to.be.at.most(2 * SLAB);
  });
});
