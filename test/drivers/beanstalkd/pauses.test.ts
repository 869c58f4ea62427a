import { expect } from 'chai';
import { openBeanstalkd } from '../../../src/drivers/beanstalkd/driver.js';
import type { Driver } from '../../../src/queue/driver.js';
import { useWireServer } from '../../support/wire-server.js';

describe('The beanstalkd driver that pauses a queue', () => {
  const server = useWireServer();
  let driver: Driver;

  beforeEach(() => {
    driver = openBeanstalkd(server().url, { prefix: 'p-' });
  });

  afterEach(() => {
    void driver.close();
  });

  it('watches the tube as long as the pause lasts: without a user an empty one would vanish, and its pause with it', async () => {
    const paused = driver.pause('mail', 60_000);
    const peer = await server().peer();
    await peer.takes('watch p-mail\r\npause-tube p-mail 60\r\n');
    peer.sends('WATCHING 2\r\nPAUSED\r\n');
    await paused;
    const resumed = driver.pause('mail', 0);
    await peer.takes('pause-tube p-mail 0\r\n');
    peer.sends('PAUSED\r\n');
    await resumed;
    await peer.takes('ignore p-mail\r\n');
  });

  it('has nothing to resume where there is no such tube', async () => {
    const resumed = driver.pause('mail', 0);
    const peer = await server().peer();
    await peer.takes('pause-tube p-mail 0\r\n');
    peer.sends('NOT_FOUND\r\n');
    await resumed;
    expect(peer.unread).to.equal('');
  });

  it('pauses a tube again that vanished with the connection', async () => {
    const paused = driver.pause('mail', 60_000);
    const first = await server().peer();
    await first.takes('watch p-mail\r\npause-tube p-mail 60\r\n');
    first.sends('WATCHING 2\r\nPAUSED\r\n');
    await paused;
    first.ends();
    const second = await server().silentPeer();
    await second.takes('watch p-mail\r\n');
    second.sends('WATCHING 2\r\n');
    await second.takes('use default\r\n');
    second.sends('USING default\r\n');
    await second.takes('stats-tube p-mail\r\n');
    const text = '---\nname: p-mail\ncmd-pause-tube: 0\n';
    second.sends(`OK ${text.length}\r\n${text}\r\n`);
    await second.takes('pause-tube p-mail 60\r\n');
  });
});
