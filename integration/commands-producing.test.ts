/*
 * Rows of the command table and their replies; the words stand in the test titles.
 *
 * put   INSERTED, JOB_TOO_BIG, EXPECTED_CRLF, DRAINING here; OUT_OF_MEMORY in commands-binlog; BAD_FORMAT and
 *       UNKNOWN_COMMAND in commands-malformed. BURIED <id> (the server cannot grow its queue, or fails at writing to a
 *       binlog that has room) cannot be provoked from outside: test/ covers it with a scripted server.
 * use   USING here; BAD_FORMAT in commands-malformed.
 */
import { expect } from 'chai';
import { DrainingError, JobTooBigError } from '../src/client/index.js';
import { onOwnServer, onSharedServer } from './support/fixture.js';
import { rejects } from './support/rejects.js';
import { until } from './support/until.js';

const MAX_U32 = 4_294_967_295;

describe('put', () => {
  describe('on a server that takes jobs', () => {
    const fixture = onSharedServer();

    it('answers INSERTED with the id under which body, priority, delay and TTR are stored', async () => {
      const tube = fixture.tube();
      const client = await fixture.connectTo(tube);
      const id = await client.put('hello', { priority: 7, delay: 300, ttr: 90 });
      expect(id).to.match(/^[1-9][0-9]*$/);
      expect(await client.statsJob(id)).to.include({ id, tube, state: 'delayed', pri: 7, delay: 300, ttr: 90 });
      expect((await client.peek(id))?.text()).to.equal('hello');
    });

    it('stores priority 1024, delay 0 and TTR 60 unless told otherwise', async () => {
      const client = await fixture.connectTo(fixture.tube());
      const id = await client.put('');
      expect(await client.statsJob(id)).to.include({ state: 'ready', pri: 1024, delay: 0, ttr: 60 });
    });

    it('stores every body to the byte: empty, binary, UTF-8, or looking like commands and replies', async () => {
      const client = await fixture.connectTo(fixture.tube());
      const bodies = [
        Buffer.alloc(0),
        Buffer.from([0, 13, 10, 255, 0, 13, 10, 122]),
        Buffer.from('Bohne ✓ 豆'),
        Buffer.from('\r\n'),
        Buffer.from('quit\r\nput 0 0 60 1\r\na\r\n'),
        Buffer.from('NOT_FOUND\r\nRESERVED 1 1\r\n'),
        Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
      ];
      const ids = await Promise.all(bodies.map((body) => client.put(body)));
      const stored = await Promise.all(ids.map((id) => client.peek(id)));
      expect(stored.map((job) => job?.body)).to.deep.equal(bodies);
      const text = await client.put('Bohne ✓ 豆');
      expect((await client.peek(text))?.text()).to.equal('Bohne ✓ 豆');
    });

    it('takes the largest priority, delay and TTR there are', async () => {
      const client = await fixture.connectTo(fixture.tube());
      const id = await client.put('', { priority: MAX_U32, delay: MAX_U32, ttr: MAX_U32 });
      const stats = await client.statsJob(id);
      expect(stats).to.include({ pri: MAX_U32, delay: MAX_U32, ttr: MAX_U32 });
      expect(stats?.timeLeft).to.be.within(MAX_U32 - 10, MAX_U32);
    });

    it('stores a TTR of 0 as 1', async () => {
      const client = await fixture.connectTo(fixture.tube());
      const id = await client.put('', { ttr: 0 });
      expect(await client.statsJob(id)).to.include({ ttr: 1 });
    });

    it('makes a delayed job ready when its delay has passed, and not before', async () => {
      const client = await fixture.connectTo(fixture.tube());
      const start = performance.now();
      const id = await client.put('', { delay: 1 });
      expect(await client.peekReady()).to.equal(null);
      expect((await client.reserve({ timeout: 60 }))?.id).to.equal(id);
      expect(performance.now() - start).to.be.at.least(990);
    });

    it('is refused with EXPECTED_CRLF where something else follows the body, which uses up an id', async () => {
      const tube = fixture.tube();
      const raw = await fixture.connectRaw();
      await raw.exchanges(`use ${tube}\r\n`, `USING ${tube}\r\n`);
      raw.send('put 0 0 60 1\r\na\r\nput 0 0 60 5\r\nhelloXXput 0 0 60 1\r\nb\r\n');
      const [, first, last] = await raw.matches(/^INSERTED (\d+)\r\nEXPECTED_CRLF\r\nINSERTED (\d+)\r\n/);
      // Other connections may have put in between.
      expect(BigInt(last ?? '') - BigInt(first ?? '') >= 2n).to.equal(true);
    });
  });

  describe('on a server with a small max-job-size', () => {
    const fixture = onOwnServer({ flags: ['-z', '10'] });

    it('is refused with JOB_TOO_BIG one byte above max-job-size, and the stream stays in step', async () => {
      const client = await fixture.connect();
      const [largest, tooBig, used, next] = await Promise.all([
        client.put('0123456789'),
        rejects(client.put('0123456789a'), JobTooBigError),
        client.listTubeUsed(),
        client.put('next'),
      ]);
      expect(largest).to.equal('1');
      expect(tooBig).to.include({ code: 'JOB_TOO_BIG', command: 'put' });
      expect(used).to.equal('default');
      expect(next, 'JOB_TOO_BIG uses up no id').to.equal('2');
      expect(client.isOpen).to.equal(true);
    });

    it('answers JOB_TOO_BIG only when the whole body has come, whatever follows it', async () => {
      const [raw, witness] = [await fixture.connectRaw(), await fixture.connect()];
      raw.send('put 0 0 60 11\r\n012345');
      await witness.stats();
      expect(raw.unread).to.equal('');
      await raw.exchanges('6789aXYlist-tube-used\r\n', 'JOB_TOO_BIG\r\nUSING default\r\n');
    });

    it('sends no body that is too big once stats has told max-job-size', async () => {
      const client = await fixture.connect();
      const before = await client.stats();
      expect(before.maxJobSize).to.equal(10);
      const error = await rejects(client.put('0123456789a'), JobTooBigError);
      expect(error).to.include({ code: 'JOB_TOO_BIG', command: 'put' });
      expect(error.message).to.contain('at most 10 bytes').and.contain('got 11');
      const after = await client.stats();
      expect(after.cmdPut).to.equal(before.cmdPut);
      expect(await client.put('0123456789')).to.equal('1');
    });
  });

  describe('on a draining server', () => {
    const fixture = onOwnServer();

    it('is refused with DRAINING, while everything else goes on', async () => {
      const client = await fixture.connect();
      await client.put('before');
      await fixture.server.drain();
      await until('the server drains', async () => (await client.stats()).draining === true);
      const [error, used] = await Promise.all([rejects(client.put('after'), DrainingError), client.use('other')]);
      expect(error).to.include({ code: 'DRAINING', command: 'put' });
      expect(used).to.equal('other');
      const job = await (await fixture.connect()).reserve({ timeout: 0 });
      expect(job?.text()).to.equal('before');
      await job?.delete();
    });

    it('is refused with DRAINING where the body was still on its way', async () => {
      const [raw, client] = [await fixture.connectRaw(), await fixture.connect()];
      raw.send('put 0 0 60 5\r\nhe');
      await fixture.server.drain();
      await until('the server drains', async () => (await client.stats()).draining === true);
      await raw.exchanges('llo\r\n', 'DRAINING\r\n');
      await raw.exchanges('put 0 0 60 2\r\nhiXX', 'EXPECTED_CRLF\r\n');
    });

    it('takes jobs again after a restart', async () => {
      await fixture.server.drain();
      await fixture.server.restart();
      expect(await (await fixture.connect()).put('')).to.equal('1');
    });
  });
});

describe('use', () => {
  const fixture = onSharedServer();

  it('answers USING with the tube that puts go to from then on, and creates it', async () => {
    const tube = fixture.tube();
    const client = await fixture.connect();
    expect(await client.statsTube(tube)).to.equal(null);
    expect(await client.use(tube)).to.equal(tube);
    expect(await client.listTubes()).to.include(tube);
    const id = await client.put('');
    expect(await client.statsJob(id)).to.include({ tube });
    expect(await client.listTubesWatched()).to.deep.equal(['default']);
  });

  it('takes every character a tube name may have, up to 200 of them', async () => {
    const client = await fixture.connect();
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/;.$_()-';
    for (const name of [alphabet, alphabet.repeat(3).slice(0, 200), '+', '/', ';', '.', '$', '_', '(', ')', '0']) {
      expect(await client.use(name)).to.equal(name);
    }
  });

  it('lets a tube go when no job is in it and nobody uses or watches it', async () => {
    const tube = fixture.tube();
    const client = await fixture.connect();
    await client.use(tube);
    expect(await client.statsTube(tube)).to.include({ name: tube });
    await client.use('default');
    expect(await client.statsTube(tube)).to.equal(null);
  });
});
