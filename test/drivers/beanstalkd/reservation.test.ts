import { expect } from 'chai';
import { Client } from '../../../src/client/client.js';
import { BeanstalkdReservation, type Delivery } from '../../../src/drivers/beanstalkd/reservation.js';
import { LeaseLostError } from '../../../src/queue/errors.js';
import { rejection } from '../../support/failures.js';
import type { Peer } from '../../support/scripted-server.js';
import { useWireServer } from '../../support/wire-server.js';

const DELIVERY: Delivery = { queue: 'mail', priority: 55, attempt: 2, kicks: 1, ttrMs: 60_000 };

describe('BeanstalkdReservation', () => {
  const server = useWireServer();
  let client: Client;
  let peer: Peer;
  let reservation: BeanstalkdReservation;
  let settled: number;

  beforeEach(async () => {
    client = await Client.connect(server().url, { reconnect: false });
    peer = await server().peer();
    const reserving = client.reserve();
    await peer.takes('reserve\r\n');
    peer.sends('RESERVED 7 2\r\nhi\r\n');
    const job = await reserving;
    if (job === null) throw new Error('there is a job');
    settled = 0;
    reservation = new BeanstalkdReservation(job, client, DELIVERY, () => settled++);
  });

  afterEach(() => client.destroy());

  it('says what was delivered', () => {
    expect(reservation).to.include({ id: '7', queue: 'mail', attempt: 2, kicks: 1, ttrMs: 60_000 });
    expect(reservation.body.toString()).to.equal('hi');
    expect(reservation.lost.aborted).to.equal(false);
  });

  it('is settled by its command, and its connection is free as soon as that is on its way', async () => {
    const acked = reservation.ack();
    expect(settled).to.equal(1);
    await peer.takes('delete 7\r\n');
    peer.sends('DELETED\r\n');
    await acked;
  });

  it('keeps the priority of the message, unless another is given', async () => {
    const released = reservation.release({ delayMs: 1500 });
    await peer.takes('release 7 55 2\r\n');
    peer.sends('RELEASED\r\n');
    await released;
  });

  it('gives the message the priority that is given', async () => {
    void reservation.release({ priority: 0 }).catch(() => {});
    await peer.takes('release 7 0 0\r\n');
  });

  it('buries with the priority of the message; the reason has no place here', async () => {
    const buried = reservation.bury({ reason: 'broken' });
    await peer.takes('bury 7 55\r\n');
    peer.sends('BURIED\r\n');
    await buried;
  });

  it('can be settled once', async () => {
    const acked = reservation.ack();
    for (const again of [reservation.ack(), reservation.release(), reservation.bury(), reservation.touch()]) {
      expect((await rejection(again, LeaseLostError)).message).to.equal(
        'message 7 of queue "mail" is no longer held: it was acknowledged',
      );
    }
    await peer.takes('delete 7\r\n');
    peer.sends('DELETED\r\n');
    await acked;
    expect(peer.unread).to.equal('');
    expect(settled).to.equal(1);
    expect(reservation.lost.aborted).to.equal(false);
  });

  it('starts its lease anew', async () => {
    const touched = reservation.touch();
    await peer.takes('touch 7\r\n');
    peer.sends('TOUCHED\r\n');
    await touched;
    expect(settled).to.equal(0);
  });

  for (const method of ['ack', 'release', 'bury', 'touch'] as const) {
    it(`is lost when the server does not find its job: ${method}`, async () => {
      const error = rejection(reservation[method](), LeaseLostError);
      peer.sends('NOT_FOUND\r\n');
      expect((await error).message).to.equal('message 7 of queue "mail" is no longer held: its lease had ended');
      expect((await error).cause).to.include({ code: 'NOT_FOUND' });
      expect(reservation.lost.aborted).to.equal(true);
      expect(reservation.lost.reason).to.be.instanceOf(LeaseLostError);
      await rejection(reservation.touch(), LeaseLostError);
    });
  }

  it('is lost with its connection', async () => {
    const lost = new Promise((resolve) => reservation.lost.addEventListener('abort', resolve));
    peer.ends();
    await lost;
    expect(reservation.lost.reason).to.include({ code: 'LEASE_LOST' });
    expect((await rejection(reservation.ack(), LeaseLostError)).message).to.match(/its connection closed$/);
    expect(settled).to.equal(0);
  });

  it('is not lost when its connection goes after it was settled', async () => {
    const acked = reservation.ack();
    peer.sends('DELETED\r\n');
    await acked;
    expect(client.listenerCount('close')).to.equal(0);
    client.destroy();
    expect(reservation.lost.aborted).to.equal(false);
  });

  it('passes on what else the server says', async () => {
    const buried = rejection(reservation.bury(), Error);
    peer.sends('INTERNAL_ERROR\r\n');
    expect(await buried).to.include({ code: 'INTERNAL_ERROR', jobId: '7' });
    expect(reservation.lost.aborted).to.equal(false);
  });
});
