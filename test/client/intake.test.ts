import { expect } from 'chai';
import { Intake } from '../../src/client/intake.js';

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
});
