import { expect } from 'chai';
import { MAX_U64_TEXT } from '../../src/protocol/limits.js';
import { ReplyParser } from '../../src/protocol/parser.js';
import type { Reply, ReplyForm } from '../../src/protocol/replies.js';
import { cut, encode, latin1, parse, show, slices } from '../support/replies.js';

const LONGEST_TUBE = `${'t'.repeat(199)}-`;

/** Every form, as the server writes it. */
const FORMS: Record<ReplyForm, [sent: string, value: string, body?: string]> = {
  'INSERTED <id>': ['INSERTED 7\r\n', '7'],
  'BURIED <id>': ['BURIED 8\r\n', '8'],
  BURIED: ['BURIED\r\n', ''],
  EXPECTED_CRLF: ['EXPECTED_CRLF\r\n', ''],
  JOB_TOO_BIG: ['JOB_TOO_BIG\r\n', ''],
  DRAINING: ['DRAINING\r\n', ''],
  'USING <tube>': ['USING mail\r\n', 'mail'],
  'RESERVED <id> <bytes>': ['RESERVED 9 5\r\nhello\r\n', '9', 'hello'],
  DEADLINE_SOON: ['DEADLINE_SOON\r\n', ''],
  TIMED_OUT: ['TIMED_OUT\r\n', ''],
  DELETED: ['DELETED\r\n', ''],
  RELEASED: ['RELEASED\r\n', ''],
  TOUCHED: ['TOUCHED\r\n', ''],
  'WATCHING <count>': ['WATCHING 2\r\n', '2'],
  NOT_IGNORED: ['NOT_IGNORED\r\n', ''],
  'FOUND <id> <bytes>': ['FOUND 0 3\r\na\0b\r\n', '0', 'a\0b'],
  'KICKED <count>': ['KICKED 0\r\n', '0'],
  KICKED: ['KICKED\r\n', ''],
  'OK <bytes>': ['OK 4\r\n---\n\r\n', '', '---\n'],
  PAUSED: ['PAUSED\r\n', ''],
  NOT_FOUND: ['NOT_FOUND\r\n', ''],
  OUT_OF_MEMORY: ['OUT_OF_MEMORY\r\n', ''],
  INTERNAL_ERROR: ['INTERNAL_ERROR\r\n', ''],
  BAD_FORMAT: ['BAD_FORMAT\r\n', ''],
  UNKNOWN_COMMAND: ['UNKNOWN_COMMAND\r\n', ''],
};

const AWKWARD: [what: string, reply: Reply][] = [
  ['the largest id', { form: 'INSERTED <id>', value: MAX_U64_TEXT, body: undefined }],
  ['an id beyond what a number holds', { form: 'INSERTED <id>', value: '9007199254740993', body: undefined }],
  ['the longest tube name', { form: 'USING <tube>', value: LONGEST_TUBE, body: undefined }],
  ['a tube named in digits', { form: 'USING <tube>', value: '007', body: undefined }],
  ['an empty body', { form: 'RESERVED <id> <bytes>', value: '1', body: Buffer.alloc(0) }],
  ['a body of CR LF', { form: 'RESERVED <id> <bytes>', value: '1', body: latin1('\r\n') }],
  ['a body that ends in CR', { form: 'RESERVED <id> <bytes>', value: '1', body: latin1('x\r') }],
  ['a body that looks like replies', { form: 'FOUND <id> <bytes>', value: '1', body: latin1('DELETED\r\nOK 3\r\n') }],
  [
    'a body of every byte',
    { form: 'OK <bytes>', value: '', body: Buffer.from(Array.from({ length: 256 }, (_, i) => i)) },
  ],
  ['a job that is still being uploaded', { form: 'FOUND <id> <bytes>', value: '3', body: undefined }],
];

/** All forms in one stream. */
const EXPECTED = AWKWARD.map(([, reply]) => show(reply));
const STREAM = Buffer.concat(
  AWKWARD.map(([, reply]) =>
    reply.form === 'FOUND <id> <bytes>' && !reply.body ? latin1('FOUND 3 5\r\nhe\0\0\0\0\0') : encode(reply),
  ),
);

describe('ReplyParser', () => {
  for (const [form, [sent, value, body]] of Object.entries(FORMS)) {
    it(`reads ${form}`, () => {
      const { replies, fault } = parse([latin1(sent)]);
      expect(fault).to.equal(undefined);
      expect(replies).to.deep.equal([{ form, value, body: body === undefined ? undefined : latin1(body) }]);
    });
  }

  for (const [what, reply] of AWKWARD.slice(0, -1)) {
    it(`reads ${what}`, () => expect(parse([encode(reply)]).replies).to.deep.equal([reply]));
  }

  it('hands out many replies of one chunk in order', () => {
    expect(parse([STREAM]).replies.map(show)).to.deep.equal(EXPECTED);
  });

  it('reads the same replies byte by byte', () => {
    expect(parse(slices(STREAM, 1)).replies.map(show)).to.deep.equal(EXPECTED);
  });

  it('reads the same replies cut in two at any place', () => {
    for (let place = 0; place <= STREAM.length; place++) {
      expect(parse(cut(STREAM, [place])).replies.map(show), `cut at ${place}`).to.deep.equal(EXPECTED);
    }
  });

  it('reads the same replies in chunks of any size', () => {
    for (let size = 2; size < 300; size++) {
      expect(parse(slices(STREAM, size)).replies.map(show), `chunks of ${size}`).to.deep.equal(EXPECTED);
    }
  });

  it('hands out a reply as soon as its last byte has come, and not before', () => {
    const replies: string[] = [];
    const parser = new ReplyParser((reply) => replies.push(show(reply)));
    for (const part of ['DELE', 'TED\r', '']) parser.push(latin1(part));
    expect(replies).to.deep.equal([]);
    parser.push(latin1('\n'));
    expect(replies).to.deep.equal(['DELETED  -']);
    for (const part of ['RESERVED 1 2\r\n', 'ab', '\r']) parser.push(latin1(part));
    expect(replies).to.have.length(1);
    parser.push(latin1('\n'));
    expect(replies[1]).to.equal('RESERVED <id> <bytes> 1 "ab"');
  });

  describe('for a job that is still being uploaded', () => {
    const REST = 'DELETED\r\nFOUND 4 2\r\nok\r\n';
    const EITHER = ['FOUND <id> <bytes> 3 -', 'DELETED  -', 'FOUND <id> <bytes> 4 "ok"'];

    for (const [what, data] of [
      ['neither CR nor LF', 'he\0\0\0\0\0'],
      ['no CR', 'hello\0\n'],
      ['no LF', 'hello\r\0'],
      ['LF CR', 'hello\n\r'],
    ] as const) {
      it(`gives a FOUND without a body where ${what} stands behind it, and goes on behind that`, () => {
        const stream = latin1(`FOUND 3 5\r\n${data}${REST}`);
        for (let place = 0; place <= stream.length; place++) {
          expect(parse(cut(stream, [place])).replies.map(show), `cut at ${place}`).to.deep.equal(EITHER);
        }
      });
    }
  });
});
