import { expect } from 'chai';
import { Client } from '../../../src/client/client.js';
import { Budgets } from '../../../src/drivers/beanstalkd/budget.js';
import { Lane } from '../../../src/drivers/beanstalkd/lane.js';
import { Tubes } from '../../../src/drivers/beanstalkd/tubes.js';
import { Turns } from '../../../src/drivers/beanstalkd/turns.js';
import { rejection } from '../../support/failures.js';
import { useWireServer } from '../../support/wire-server.js';
import { deferred } from '../../support/worker-harness.js';

describe('Lane', () => {
  const server = useWireServer();
  let told: string[];
  let ended: Promise<void>;

  function lane(connect: () => Promise<Client> = () => Client.connect(server().url, { reconnect: false })): Lane {
    const end = deferred();
    told = [];
    ended = end.promise;
    return new Lane({
      connect,
      tubes: new Tubes(''),
      turns: new Turns(['default'], 'fair'),
      trackAttempts: false,
      budgets: new Budgets(),
      onFree: () => told.push('free'),
      onEnd: () => {
        told.push('end');
        end.resolve();
      },
    });
  }

  it('tells that it is free when nothing came, and when the job that came is settled', async () => {
    const each = lane();
    const first = each.reserve(0, undefined);
    const peer = await server().peer();
    peer.sends('TIMED_OUT\r\n');
    expect(await first).to.equal(null);
    expect(told).to.deep.equal(['free']);
    const second = each.reserve(0, undefined);
    peer.sends('RESERVED 7 2\r\nhi\r\n');
    const reservation = await second;
    expect(told).to.deep.equal(['free']);
    const acked = reservation?.ack();
    expect(told).to.deep.equal(['free', 'free']);
    peer.sends('DELETED\r\n');
    await acked;
    each.destroy();
  });

  it('tells its end when its connection is lost', async () => {
    const each = lane();
    const reserving = rejection(each.reserve(undefined, undefined), Error);
    const peer = await server().peer();
    await peer.takes('reserve-with-timeout 30\r\n');
    expect(each.isOpen).to.equal(true);
    peer.ends();
    await Promise.all([reserving, ended]);
    expect(each.isOpen).to.equal(false);
  });

  it('tells its end when it cannot connect', async () => {
    const error = new Error('no server');
    expect(await rejection(lane(() => Promise.reject(error)).reserve(undefined, undefined), Error)).to.equal(error);
    expect(told).to.deep.equal(['end']);
  });

  it('reserves nothing on a connection that comes when it was given up already', async () => {
    const gate = deferred();
    const controller = new AbortController();
    const each = lane(async () => {
      const client = await Client.connect(server().url, { reconnect: false });
      await gate.promise;
      return client;
    });
    const reserving = rejection(each.reserve(undefined, controller.signal), Error);
    const peer = await server().peer();
    controller.abort();
    await reserving;
    gate.resolve();
    await peer.takesEnd();
    expect(each.isOpen).to.equal(false);
  });
});
