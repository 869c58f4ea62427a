import { expect } from 'chai';
import { loadPg, parseBytes, TYPES } from '../../../src/drivers/postgres/client.js';
import { EngineError } from '../../../src/queue/errors.js';

describe('The package pg', () => {
  it('is asked for where it is missing, with the line that installs it', async () => {
    const error = await loadPg(() => Promise.reject(new Error('Cannot find package'))).catch(
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(EngineError);
    expect((error as Error).message).to.equal(
      'cannot open a PostgreSQL database: the package pg cannot be loaded; npm install pg',
    );
  });

  it('gives bytes in either of the formats of a server, in memory of their own', () => {
    const bytes = Buffer.from([0, 1, 0x5c, 0x41, 0x80, 0xff]);
    for (const text of ['\\x00015c4180ff', '\\000\\001\\\\A\\200\\377']) {
      const parsed = parseBytes(text);
      expect(parsed).to.deep.equal(bytes);
      expect(parsed.buffer.byteLength).to.equal(bytes.length);
    }
    expect(parseBytes('\\x')).to.have.length(0);
    expect(parseBytes('')).to.have.length(0);
  });

  it('gives numbers and truth values as such, and large numbers as they stand', () => {
    const read = (oid: number, text: string): unknown => TYPES.getTypeParser(oid)(text);
    expect([
      read(23, '7'),
      read(21, '2'),
      read(16, 't'),
      read(16, 'f'),
      read(20, '9223372036854775807'),
      read(25, 'x'),
    ]).to.deep.equal([7, 2, true, false, '9223372036854775807', 'x']);
  });
});
