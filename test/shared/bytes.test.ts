import { expect } from 'chai';
import { copyBytes } from '../../src/shared/bytes.js';

describe('copyBytes', () => {
  for (const size of [0, 1, 64, 65, 4096, 100_000]) {
    it(`copies ${size} bytes into their own ArrayBuffer, which can be transferred`, () => {
      const bytes = new Uint8Array(size).fill(7);
      const [copy, other] = [copyBytes(bytes), copyBytes(bytes)];
      expect(copy).to.be.instanceOf(Buffer);
      expect([copy.byteOffset, copy.buffer.byteLength]).to.deep.equal([0, size]);
      structuredClone(copy, { transfer: [copy.buffer as ArrayBuffer] });
      for (const kept of [other, bytes]) expect(Buffer.compare(kept, new Uint8Array(size).fill(7))).to.equal(0);
    });
  }
});
