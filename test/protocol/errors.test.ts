import { expect } from 'chai';
import * as client from '../../src/client/index.js';
import { printable, type ServerErrorCode, serverError } from '../../src/protocol/errors.js';
import { latin1 } from '../support/replies.js';

const { BeanstalkdError, ConnectionLostError, ProtocolError } = client;

const CONTEXT = { command: 'release', jobId: '7', cause: new Error('why') };

/** One error of each code. The type ensures that the list is complete. */
const ERRORS: Record<client.ErrorCode, client.BeanstalkdError> = {
  NOT_FOUND: new client.NotFoundError('m', CONTEXT),
  DEADLINE_SOON: new client.DeadlineSoonError('m', CONTEXT),
  DRAINING: new client.DrainingError('m', CONTEXT),
  JOB_TOO_BIG: new client.JobTooBigError('m', CONTEXT),
  OUT_OF_MEMORY: new client.OutOfMemoryError('m', CONTEXT),
  INTERNAL_ERROR: new client.InternalError('m', CONTEXT),
  BAD_FORMAT: new client.BadFormatError('m', CONTEXT),
  UNKNOWN_COMMAND: new client.UnknownCommandError('m', CONTEXT),
  EXPECTED_CRLF: new client.ExpectedCrlfError('m', CONTEXT),
  NOT_IGNORED: new client.NotIgnoredError('m', CONTEXT),
  BURIED: new client.BuriedError('m', CONTEXT),
  PENDING_LIMIT: new client.PendingLimitError('m', CONTEXT),
  CONNECTION_LOST: new ConnectionLostError('m', true, CONTEXT),
  CONNECT_TIMEOUT: new client.ConnectTimeoutError('m', CONTEXT),
  REPLY_TIMEOUT: new client.ReplyTimeoutError('m', CONTEXT),
  PROTOCOL: new ProtocolError('m', latin1('x'), CONTEXT),
  CLOSED: new client.ClosedError('m', CONTEXT),
  INVALID_ARGUMENT: new client.InvalidArgumentError('m', CONTEXT),
};

const OF_THE_SERVER: ServerErrorCode[] = [
  'NOT_FOUND',
  'DEADLINE_SOON',
  'DRAINING',
  'JOB_TOO_BIG',
  'OUT_OF_MEMORY',
  'INTERNAL_ERROR',
  'BAD_FORMAT',
  'UNKNOWN_COMMAND',
  'EXPECTED_CRLF',
  'NOT_IGNORED',
  'BURIED',
];

describe('the errors', () => {
  for (const [code, error] of Object.entries(ERRORS)) {
    it(`have a class for ${code}, which tells what it happened to`, () => {
      expect(error.code).to.equal(code);
      expect(error).to.be.instanceOf(BeanstalkdError).and.instanceOf(Error);
      expect(error.name)
        .to.equal(error.constructor.name)
        .and.to.match(/Error$/);
      expect(error.command).to.equal('release');
      expect(error.jobId).to.equal('7');
      expect(error.cause).to.equal(CONTEXT.cause);
      expect(error.message).to.equal(code === 'INVALID_ARGUMENT' ? 'release 7: m' : 'cannot release 7: m');
    });
  }

  it('have a class of its own for each code', () => {
    const classes = Object.values(ERRORS).map((error) => error.constructor);
    expect(new Set(classes).size).to.equal(classes.length);
  });

  for (const code of OF_THE_SERVER) {
    it(`explain the server's ${code}`, () => {
      const error = serverError(code, { command: 'bury', jobId: '3' });
      expect(error.constructor).to.equal(ERRORS[code].constructor);
      expect(error.code).to.equal(code);
      expect(error.message).to.match(new RegExp(`^cannot bury 3: ${code} \\([a-zA-Z' -]+\\)$`));
      expect(error).to.not.have.property('cause');
    });
  }

  it('say nothing of a command or job where there is none', () => {
    const error = new client.ClosedError('the client is closed');
    expect(error.message).to.equal('the client is closed');
    expect(error).to.include({ command: undefined, jobId: undefined });
    expect(new client.DrainingError('m', { command: 'put' }).message).to.equal('cannot put: m');
  });

  it('carry no more than the first 256 of the offending bytes', () => {
    const bytes = Buffer.from(Array.from({ length: 300 }, (_, i) => i & 255));
    expect(Buffer.from(new ProtocolError('m', bytes).bytes).equals(bytes.subarray(0, 256))).to.equal(true);
    expect(new ProtocolError('m').bytes).to.have.length(0);
  });
});

describe('printable', () => {
  it('shows ASCII as it is and escapes the rest', () => {
    expect(printable(latin1('az AZ ~!'))).to.equal('"az AZ ~!"');
    expect(printable(latin1('a\r\n"\\\0\x1f\x7f\xff'))).to.equal('"a\\r\\n\\"\\\\\\x00\\x1f\\x7f\\xff"');
  });

  it('shows the first 64 bytes and tells how many there are', () => {
    expect(printable(latin1('x'.repeat(64)))).to.equal(`"${'x'.repeat(64)}"`);
    expect(printable(latin1('x'.repeat(65)))).to.equal(`"${'x'.repeat(64)}"… (65 bytes)`);
  });
});
