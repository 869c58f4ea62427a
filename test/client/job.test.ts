import { expect } from 'chai';
import { Job, StoredJob } from '../../src/client/job.js';
import { NotFoundError } from '../../src/protocol/errors.js';
import { rejection } from '../support/failures.js';
import { type Peer, useScriptedServer } from '../support/scripted-server.js';

describe('StoredJob', () => {
  it('reads its body as UTF-8 text and as JSON', () => {
    const job = new StoredJob('7', Buffer.from('{"name":"Zoë"}'));
    expect(job.id).to.equal('7');
    expect(job.text()).to.equal('{"name":"Zoë"}');
    expect(job.json()).to.deep.equal({ name: 'Zoë' });
  });

  it('throws a SyntaxError where the body is not JSON', () => {
    expect(() => new StoredJob('7', Buffer.from('{')).json()).to.throw(SyntaxError);
  });
});

describe('Job', () => {
  const server = useScriptedServer();
  let peer: Peer;
  let job: Job;

  beforeEach(async () => {
    const connected = await server.connect();
    peer = connected.peer;
    const reserved = connected.client.reserve();
    await peer.takes('reserve\r\n');
    peer.sends('RESERVED 18446744073709551615 2\r\nhi\r\n');
    job = (await reserved) ?? expect.fail('no job');
  });

  const ID = '18446744073709551615';

  for (const [what, act, sent, reply] of [
    ['is deleted', (held: Job) => held.delete(), `delete ${ID}`, 'DELETED'],
    ['is released', (held: Job) => held.release(), `release ${ID} 1024 0`, 'RELEASED'],
    [
      'is released with a priority and a delay',
      (held: Job) => held.release({ priority: 5, delay: 10 }),
      `release ${ID} 5 10`,
      'RELEASED',
    ],
    ['is buried', (held: Job) => held.bury(), `bury ${ID} 1024`, 'BURIED'],
    ['is buried with a priority', (held: Job) => held.bury({ priority: 0 }), `bury ${ID} 0`, 'BURIED'],
    ['is touched', (held: Job) => held.touch(), `touch ${ID}`, 'TOUCHED'],
  ] as const) {
    it(`${what} down the connection that reserved it`, async () => {
      const done = act(job);
      await peer.takes(`${sent}\r\n`);
      peer.sends(`${reply}\r\n`);
      expect(await done).to.equal(undefined);
    });

    it(`that ${what} when it is no longer held rejects with NOT_FOUND`, async () => {
      const error = rejection(act(job), NotFoundError);
      await peer.takes(`${sent}\r\n`);
      peer.sends('NOT_FOUND\r\n');
      expect(await error).to.include({ jobId: ID, command: sent.split(' ')[0] });
    });
  }

  it('tells its stats, or null when it is gone', async () => {
    const stats = job.stats();
    const none = job.stats();
    await peer.takes(`stats-job ${ID}\r\nstats-job ${ID}\r\n`);
    peer.sends(`OK 9\r\nstate: x\n\r\nNOT_FOUND\r\n`);
    expect(await stats).to.deep.equal({ state: 'x' });
    expect(await none).to.equal(null);
  });

  it('is a StoredJob with its id as text', () => {
    expect(job).to.be.instanceOf(Job).and.instanceOf(StoredJob);
    expect(job.id).to.equal(ID);
    expect(job.text()).to.equal('hi');
  });
});
