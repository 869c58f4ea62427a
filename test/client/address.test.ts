import { expect } from 'chai';
import { formatAddress, isPort, parseAddress } from '../../src/client/address.js';
import { InvalidArgumentError } from '../../src/protocol/errors.js';
import { thrown } from '../support/failures.js';

describe('parseAddress', () => {
  for (const [text, host, port] of [
    ['beanstalkd://127.0.0.1:11300', '127.0.0.1', 11300],
    ['beanstalkd://queue.example.com', 'queue.example.com', 11300],
    ['beanstalkd://queue:1/', 'queue', 1],
    ['BEANSTALKD://queue:65535', 'queue', 65535],
    ['queue', 'queue', 11300],
    ['queue:2', 'queue', 2],
    ['my_queue-1:00080', 'my_queue-1', 80],
    ['[::1]', '::1', 11300],
    ['[::1]:4', '::1', 4],
    ['beanstalkd://[2001:db8::7]:5', '2001:db8::7', 5],
    ['beanstalkd://[fe80::1%eth0]', 'fe80::1%eth0', 11300],
  ] as const) {
    it(`reads ${text}`, () => expect(parseAddress(text)).to.deep.equal({ host, port }));
  }

  for (const [text, why] of [
    ['', 'it does not have the form of an address'],
    ['http://queue:11300', 'the scheme is "http"'],
    ['beanstalkds://queue', 'the scheme is "beanstalkds"'],
    ['beanstalkd://', 'it does not have the form of an address'],
    ['beanstalkd://queue/path', 'it does not have the form of an address'],
    ['beanstalkd://queue?x=1', 'it does not have the form of an address'],
    ['beanstalkd://user@queue', 'it does not have the form of an address'],
    ['::1', 'it does not have the form of an address'],
    ['queue 1', 'it does not have the form of an address'],
    ['queue\n', 'it does not have the form of an address'],
    ['[::1', 'it does not have the form of an address'],
    ['[queue]', '"queue" is not an IPv6 address'],
    ['[127.0.0.1]', '"127.0.0.1" is not an IPv6 address'],
    ['queue:', 'the port is "", not a number from 1 to 65535'],
    ['queue:0', 'the port is "0", not a number from 1 to 65535'],
    ['queue:65536', 'the port is "65536", not a number from 1 to 65535'],
    ['queue:1e3', 'the port is "1e3", not a number from 1 to 65535'],
    ['queue:-1', 'the port is "-1", not a number from 1 to 65535'],
    ['queue:1:2', 'the port is "1:2", not a number from 1 to 65535'],
    ['queue: 1', 'the port is " 1", not a number from 1 to 65535'],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}, naming what is wrong and what is right`, () => {
      expect(thrown(() => parseAddress(text), InvalidArgumentError).message).to.equal(
        `${JSON.stringify(text)} is no address of a beanstalkd: ${why}; ` +
          'write beanstalkd://host[:port] or host[:port], an IPv6 address in brackets',
      );
    });
  }
});

describe('formatAddress', () => {
  it('writes an address so that it can be read again', () => {
    for (const address of [
      { host: 'queue', port: 1 },
      { host: '127.0.0.1', port: 11300 },
      { host: '::1', port: 65535 },
    ]) {
      expect(parseAddress(formatAddress(address))).to.deep.equal(address);
    }
    expect(formatAddress({ host: '::1', port: 4 })).to.equal('beanstalkd://[::1]:4');
  });
});

describe('isPort', () => {
  it('is true of 1 to 65535', () => {
    for (const port of [1, 11300, 65535]) expect(isPort(port)).to.equal(true);
    for (const port of [0, -1, 65536, 1.5, Number.NaN]) expect(isPort(port)).to.equal(false);
  });
});
