import { expect } from 'chai';
import { openBeanstalkd } from '../../../src/drivers/beanstalkd/driver.js';
import type { Driver, PutItem, PutOptions } from '../../../src/queue/driver.js';
import { EngineError } from '../../../src/queue/errors.js';
import { rejection } from '../../support/failures.js';
import type { Peer } from '../../support/scripted-server.js';
import { useWireServer } from '../../support/wire-server.js';

const OPTIONS: PutOptions = { priority: 5, delayMs: 0, ttrMs: 60_000 };
const item = (body: string | Buffer, queue = 'mail'): PutItem => ({ queue, body: Buffer.from(body), options: OPTIONS });
const ITEMS: PutItem[] = ['a', 'b', 'c'].map((body) => item(body));

describe('The beanstalkd driver that publishes', () => {
  const server = useWireServer();
  let driver: Driver;

  beforeEach(() => {
    driver = openBeanstalkd(server().url, { prefix: '' });
  });

  afterEach(() => {
    // Not awaited: these servers do not answer quit.
    void driver.close();
  });

  /** Three messages are sent, and the tube is in use. */
  async function sent(): Promise<{ error: Promise<EngineError>; peer: Peer }> {
    const error = rejection(driver.put(ITEMS), EngineError);
    const peer = await server().peer();
    await peer.takes('use mail\r\nput 5 0 60 1\r\na\r\nput 5 0 60 1\r\nb\r\nput 5 0 60 1\r\nc\r\n');
    peer.sends('USING mail\r\n');
    return { error, peer };
  }

  it('stores messages of several queues in one write, in order', async () => {
    const put = driver.put([item('a'), item('b', 'sms'), item('c', 'sms'), item('d')]);
    const peer = await server().peer();
    await peer.takes('use mail\r\n');
    expect(peer.unread).to.equal(
      'put 5 0 60 1\r\na\r\nuse sms\r\nput 5 0 60 1\r\nb\r\nput 5 0 60 1\r\nc\r\nuse mail\r\nput 5 0 60 1\r\nd\r\n',
    );
    peer.sends('USING mail\r\nINSERTED 1\r\nUSING sms\r\nINSERTED 2\r\nINSERTED 3\r\nUSING mail\r\nINSERTED 4\r\n');
    const stored = ['1', '2', '3', '4'].map((jobId) => ({ jobId, isNew: true }));
    expect(await put).to.deep.equal({ atomic: false, stored });
  });

  it('says which of several messages are stored when the server refuses one', async () => {
    const { error, peer } = await sent();
    peer.sends('INSERTED 1\r\nJOB_TOO_BIG\r\nINSERTED 3\r\n');
    expect(await error).to.deep.include({ outcome: 'partial', retryable: false, storedIds: ['1', undefined, '3'] });
    expect((await error).message).to.match(/^cannot store all 3 messages: 2 are stored; cannot put: JOB_TOO_BIG/);
    expect((await error).cause).to.include({ code: 'JOB_TOO_BIG' });
  });

  it('says that nothing is stored when the server refuses all', async () => {
    const { error, peer } = await sent();
    peer.sends('OUT_OF_MEMORY\r\nOUT_OF_MEMORY\r\nOUT_OF_MEMORY\r\n');
    expect(await error).to.include({ outcome: 'nothing', retryable: true });
    expect((await error).storedIds).to.equal(undefined);
  });

  it('tells places of which nobody knows from those that are not stored', async () => {
    const { error, peer } = await sent();
    peer.sends('INSERTED 1\r\nOUT_OF_MEMORY\r\n');
    peer.ends();
    const { outcome, storedIds, unknownAt, message } = await error;
    expect({ outcome, storedIds, unknownAt }).to.deep.equal({
      outcome: 'unknown',
      storedIds: ['1', undefined, undefined],
      unknownAt: [2],
    });
    expect(message).to.match(/^cannot store all 3 messages: 1 is stored, of 1 nobody can tell; /);
  });

  it('says that a message is stored which the server had to bury', async () => {
    const error = rejection(driver.put([item('a')]), EngineError);
    const peer = await server().peer();
    await peer.takes('use mail\r\nput 5 0 60 1\r\na\r\n');
    peer.sends('USING mail\r\nBURIED 7\r\n');
    expect(await error).to.deep.include({ outcome: 'partial', retryable: false, storedIds: ['7'] });
  });

  for (const [reply, code, outcome, retryable] of [
    ['JOB_TOO_BIG\r\n', 'JOB_TOO_BIG', 'nothing', false],
    ['DRAINING\r\n', 'DRAINING', 'nothing', true],
    ['OUT_OF_MEMORY\r\n', 'OUT_OF_MEMORY', 'nothing', true],
    ['INTERNAL_ERROR\r\n', 'INTERNAL_ERROR', 'unknown', true],
    ['NONSENSE\r\n', 'PROTOCOL', 'unknown', false],
  ] as const) {
    it(`rejects with an EngineError that says what is known of the message: ${code}`, async () => {
      const error = rejection(driver.put([item('a')]), EngineError);
      const peer = await server().peer();
      await peer.takes('use mail\r\nput 5 0 60 1\r\na\r\n');
      peer.sends(`USING mail\r\n${reply}`);
      expect(await error).to.include({ outcome, retryable });
      expect((await error).cause).to.include({ code });
    });
  }

  for (const [log, size, reason] of [
    [0, 65_536, "the server's max-job-size is 65535"],
    [1, 65_534, "the server's max-job-size is 65535, and its log keeps 2 bytes less"],
  ] as const) {
    it(`asks for max-job-size before it sends what may be above it, with ${log} files of a log`, async () => {
      const large = rejection(driver.put([item(Buffer.alloc(size))]), EngineError);
      const peer = await server().peer();
      await peer.takes('stats\r\n');
      const text = `---\nmax-job-size: 65535\nbinlog-current-index: ${log}\n`;
      peer.sends(`OK ${text.length}\r\n${text}\r\n`);
      expect((await large).message).to.equal(
        `cannot store a message of ${size} bytes: ${reason}; start it with a larger -z`,
      );
      expect(peer.unread).to.equal('');
    });
  }
});
