import { expect } from 'chai';
import sinon from 'sinon';
import { ProtocolError } from '../../src/protocol/errors.js';
import { ReplyParser } from '../../src/protocol/parser.js';
import type { Reply } from '../../src/protocol/replies.js';
import { thrown } from '../support/failures.js';
import { cut, latin1, parse, show, slices, upTo } from '../support/replies.js';

const LINE = 208;

/** What the server sends, and the part of it that the error must name. */
const REFUSED: [what: string, sent: string, offending: string, message: RegExp][] = [
  ['an unknown word', 'HELLO\r\n', 'HELLO', /unknown reply: "HELLO"$/],
  ['a word that is only begun', 'DELETE\r\n', 'DELETE', /unknown reply/],
  ['a word that goes on', 'DELETEDX\r\n', 'DELETEDX', /unknown reply/],
  ['a word in lower case', 'deleted\r\n', 'deleted', /unknown reply/],
  ['a word behind a space', ' DELETED\r\n', ' DELETED', /unknown reply/],
  ['a word beyond ASCII', 'D\xc9LETED\r\n', 'D\xc9LETED', /unknown reply: "D\\xc9LETED"$/],
  ['an empty line', '\r\n', '', /unknown reply: ""$/],
  ['an argument that is missing', 'INSERTED\r\n', 'INSERTED', /without its argument/],
  ['an argument that is empty', 'INSERTED \r\n', 'INSERTED ', /malformed id/],
  ['a tube that is empty', 'USING \r\n', 'USING ', /malformed tube/],
  ['an argument too many', 'DELETED 1\r\n', 'DELETED 1', /argument too many/],
  ['a space at the end', 'DELETED \r\n', 'DELETED ', /argument too many/],
  ['a second argument where one belongs', 'INSERTED 1 2\r\n', 'INSERTED 1 2', /malformed id/],
  ['a third argument where two belong', 'RESERVED 1 2 3\r\n', 'RESERVED 1 2 3', /malformed size/],
  ['a size that is missing', 'RESERVED 1\r\n', 'RESERVED 1', /malformed size/],
  ['a size that is empty', 'RESERVED 1 \r\n', 'RESERVED 1 ', /malformed size/],
  ['two spaces', 'RESERVED  1 2\r\n', 'RESERVED  1 2', /malformed id/],
  ['a letter where a digit belongs', 'INSERTED 1a\r\n', 'INSERTED 1a', /malformed id/],
  ['a byte just below the digits', 'KICKED 1/\r\n', 'KICKED 1/', /malformed count/],
  ['a byte just above the digits', 'WATCHING 1:\r\n', 'WATCHING 1:', /malformed count/],
  ['a letter in a size', 'OK 1x\r\n', 'OK 1x', /malformed size/],
  ['a sign', 'INSERTED -1\r\n', 'INSERTED -1', /malformed id/],
  ['a fraction', 'OK 1.5\r\n', 'OK 1.5', /malformed size/],
  ['a leading zero', 'INSERTED 01\r\n', 'INSERTED 01', /malformed id/],
  ['a size with a leading zero', 'OK 00\r\n', 'OK 00', /malformed size/],
  ['a number just above u64', 'INSERTED 18446744073709551616\r\n', 'INSERTED 18446744073709551616', /malformed id/],
  ['a number far above u64', `KICKED ${'9'.repeat(40)}\r\n`, `KICKED ${'9'.repeat(40)}`, /malformed count/],
  ['a size above u64', 'OK 18446744073709551616\r\n', 'OK 18446744073709551616', /malformed size/],
  ['a tube no server would name', 'USING -a\r\n', 'USING -a', /malformed tube/],
  ['a tube beyond ASCII', 'USING \xe9\r\n', 'USING \xe9', /malformed tube/],
  ['a tube that is too long', `USING ${'t'.repeat(201)}\r\n`, `USING ${'t'.repeat(201)}\r`, /longer than any/],
  ['a lone LF', 'DELETED\n', 'DELETED', /does not end in CR LF/],
  ['an LF and nothing else', '\n', '', /does not end in CR LF/],
  ['a lone CR in a line', 'DELETED\rDELETED\r\n', 'DELETED\rDELETED', /unknown reply/],
  ['two CRs', 'DELETED\r\r\n', 'DELETED\r', /unknown reply/],
  ['a NUL', 'DELETED\0\r\n', 'DELETED\0', /unknown reply/],
  ['a reserved body without CR LF', 'RESERVED 1 2\r\nabXY', 'X', /body without CR LF/],
  ['a reserved body with CR only', 'RESERVED 1 2\r\nab\rY', 'Y', /body without CR LF/],
  ['data without CR LF', 'OK 2\r\nab\n\n', '\n', /body without CR LF/],
  ['a body that is longer than announced', 'RESERVED 1 0\r\nab\r\n', 'a', /body without CR LF/],
  ['a body above u32', 'OK 4294967296\r\n', 'OK 4294967296', /larger than any job/],
  ['a body of all u64', 'OK 18446744073709551615\r\n', 'OK 18446744073709551615', /larger than any job/],
  ['a line without end', 'x'.repeat(LINE), 'x'.repeat(LINE), /longer than any reply line/],
  ['a line that ends too late', `${'x'.repeat(LINE - 1)}\r\n`, `${'x'.repeat(LINE - 1)}\r`, /longer than any reply/],
];

describe('ReplyParser', () => {
  for (const [what, sent, offending, message] of REFUSED) {
    it(`refuses ${what}, naming the bytes`, () => {
      const bytes = latin1(sent);
      for (const chunks of [[bytes], slices(bytes, 1), slices(bytes, 3)]) {
        const { replies, fault } = parse(chunks);
        expect(replies).to.deep.equal([]);
        expect(fault?.message)
          .to.match(message)
          .and.to.match(/^the server sent /);
        expect(fault?.code).to.equal('PROTOCOL');
        expect(Buffer.from(fault?.bytes ?? []).toString('latin1')).to.equal(offending);
      }
    });
  }

  it('reads a body at the ceiling, skips one above it however it is split, and goes on behind it', () => {
    const stream = latin1(`OK 1024\r\n${'x'.repeat(1024)}\r\nRESERVED 7 1025\r\n${'y'.repeat(1025)}\r\nDELETED\r\n`);
    for (const chunks of [[stream], slices(stream, 1), slices(stream, 1000)]) {
      const { replies, fault } = parse(chunks, upTo(1024));
      expect(fault).to.equal(undefined);
      expect(replies[0]?.body).to.have.length(1024);
      expect(replies[1]).to.deep.equal({
        form: 'RESERVED <id> <bytes>',
        value: '7',
        body: undefined,
        skippedBytes: 1025,
      });
      expect(replies[2]?.form).to.equal('DELETED');
    }
  });

  it('skips a body for which there is no memory', () => {
    const replies: Reply[] = [];
    const parser = new ReplyParser((reply) => replies.push(reply));
    const stub = sinon.stub(Buffer, 'allocUnsafeSlow').throws(new RangeError('Array buffer allocation failed'));
    try {
      parser.push(latin1('FOUND 7 3\r\nabc\r\nDELETED\r\n'));
      expect(replies.map(show)).to.deep.equal(['FOUND <id> <bytes> 7 - (3)', 'DELETED  -']);
    } finally {
      stub.restore();
    }
  });

  it('refuses what its policy throws, at the end of the line, and says the same ever after', () => {
    const refusal = new ProtocolError('not asked for');
    const parser = new ReplyParser(
      () => expect.fail('a reply'),
      (form, size) => {
        expect([form, size]).to.deep.equal(['OK <bytes>', 600_000_000]);
        throw refusal;
      },
    );
    for (const sent of ['OK 600000000\r', '\n', 'x']) {
      if (sent === 'OK 600000000\r') parser.push(latin1(sent));
      else expect(thrown(() => parser.push(latin1(sent)), ProtocolError)).to.equal(refusal);
    }
  });

  it('refuses a line that never ends at its 208th byte', () => {
    const parser = new ReplyParser(() => {});
    for (let sent = 1; sent < LINE; sent++) parser.push(latin1('x'));
    expect(thrown(() => parser.push(latin1('x')), ProtocolError).bytes).to.have.length(LINE);
  });

  it('hands out the replies before the fault, and none behind it', () => {
    const stream = latin1('INSERTED 1\r\nRESERVED 2 2\r\nab\r\nHELLO\r\nDELETED\r\n');
    for (let place = 0; place <= stream.length; place++) {
      const { replies, fault } = parse(cut(stream, [place]));
      expect(replies.map(({ value }) => value)).to.deep.equal(['1', '2']);
      expect(fault).to.be.instanceOf(ProtocolError);
    }
  });

  it('throws the same fault at every later push', () => {
    const parser = new ReplyParser((reply) => expect.fail(`gave ${reply.form}`));
    const fault = thrown(() => parser.push(latin1('HELLO\r\n')), ProtocolError);
    expect(thrown(() => parser.push(latin1('DELETED\r\n')), ProtocolError)).to.equal(fault);
    expect(thrown(() => parser.push(latin1('')), ProtocolError)).to.equal(fault);
  });

  it('keeps a copy of the offending bytes, not a view of the chunk', () => {
    const chunk = latin1('HELLO\r\n');
    const fault = thrown(() => new ReplyParser(() => {}).push(chunk), ProtocolError);
    chunk.fill('x');
    expect(Buffer.from(fault.bytes).toString()).to.equal('HELLO');
  });
});
