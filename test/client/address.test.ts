import { expect } from 'chai';
import { addressOf, formatAddress, parseAddress, serverNameOf } from '../../src/client/address.js';
import { InvalidArgumentError } from '../../src/protocol/errors.js';
import { preview } from '../../src/shared/text.js';
import { thrown } from '../support/failures.js';
import { expectLinear, HOSTILE } from '../support/linear.js';

const FORMS =
  'beanstalkd://host[:port], beanstalkds://host[:port], beanstalkd+unix:///path or host[:port], an IPv6 address in brackets';

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

  for (const [text, host, port] of [
    ['beanstalkds://queue.example.com', 'queue.example.com', 11300],
    ['BeanstalkdS://queue:443/', 'queue', 443],
    ['beanstalkds://[::1]:4', '::1', 4],
  ] as const) {
    it(`asks for TLS at ${text}`, () => {
      expect(parseAddress(text)).to.deep.equal({ host, port, tls: {} });
      const tls = { servername: 'queue', ca: 'CERTIFICATE' };
      expect(parseAddress(text, tls)).to.deep.equal({ host, port, tls });
    });
  }

  for (const [text, path] of [
    ['beanstalkd+unix:///run/beanstalkd.sock', '/run/beanstalkd.sock'],
    ['BEANSTALKD+UNIX:///a b?c#d@e', '/a b?c#d@e'],
    [`beanstalkd+unix:///${'x'.repeat(106)}`, `/${'x'.repeat(106)}`],
  ] as const) {
    it(`finds the Unix socket of ${text}`, () => expect(parseAddress(text)).to.deep.equal({ path }));
  }

  for (const [text, why] of [
    ['', 'it does not have the form of an address'],
    ['http://queue:11300', 'the scheme is "http"'],
    ['beanstalkdss://queue', 'the scheme is "beanstalkdss"'],
    ['tls://queue', 'the scheme is "tls"'],
    ['beanstalkd://', 'it does not have the form of an address'],
    ['beanstalkds://', 'it does not have the form of an address'],
    ['beanstalkd://queue/path', 'it does not have the form of an address'],
    ['beanstalkd://queue?x=1', 'it does not have the form of an address'],
    ['beanstalkd+unix:/run/b.sock', 'it does not have the form of an address'],
    ['beanstalkd+unix://', 'the path of a Unix socket must begin with "/"'],
    ['beanstalkd+unix://run/b.sock', 'the path of a Unix socket must begin with "/"'],
    [`beanstalkd+unix:///${'x'.repeat(107)}`, 'the path must have at most 107 bytes, got 108'],
    [`beanstalkd+unix:///${'é'.repeat(54)}`, 'the path must have at most 107 bytes, got 109'],
    ['::1', 'it does not have the form of an address'],
    ['queue 1', 'it does not have the form of an address'],
    ['queue\n', 'it does not have the form of an address'],
    ['127.0.0.1\0', '"127.0.0.1\\u0000" is not a host'],
    ['beanstalkd://127.0.0.1\0:11300', '"127.0.0.1\\u0000" is not a host'],
    ['a\u202eb', '"a\\u202eb" is not a host'],
    ['a%00b', '"a%00b" is not a host'],
    ['a\\b', '"a\\b" is not a host'],
    ['beanstalkd+unix:///run/b\0.sock', 'the path of a Unix socket must contain no NUL'],
    ['[::1', 'it does not have the form of an address'],
    ['[queue]', '"queue" is not an IPv6 address'],
    ['[127.0.0.1]', '"127.0.0.1" is not an IPv6 address'],
    ['queue:', 'the port must be a number from 1 to 65535, got ""'],
    ['queue:0', 'the port must be a number from 1 to 65535, got "0"'],
    ['queue:65536', 'the port must be a number from 1 to 65535, got "65536"'],
    ['queue:1e3', 'the port must be a number from 1 to 65535, got "1e3"'],
    ['queue:-1', 'the port must be a number from 1 to 65535, got "-1"'],
    ['queue:1:2', 'the port must be a number from 1 to 65535, got "1:2"'],
    ['queue: 1', 'the port must be a number from 1 to 65535, got " 1"'],
    ['beanstalkds://queue:0', 'the port must be a number from 1 to 65535, got "0"'],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}, naming what is wrong and what is right`, () => {
      expect(thrown(() => parseAddress(text), InvalidArgumentError).message).to.equal(
        `an address must be ${FORMS}, got ${preview(text, 120)}: ${why}`,
      );
    });
  }

  for (const [text, shown] of [
    ['beanstalkd://user@queue', '"beanstalkd://***@queue"'],
    ['beanstalkds://user:secret@queue:1', '"beanstalkds://user:***@queue:1"'],
    ['beanstalkd://user:sec@ret@queue', '"beanstalkd://user:***@queue"'],
    ['beanstalkd://user:sec/ret@queue', '"beanstalkd://user:***@queue"'],
    ['beanstalkd://sec/ret@queue', '"beanstalkd://***@queue"'],
    ['beanstalkd://:sec?r#t@queue', '"beanstalkd://:***@queue"'],
    ['beanstalkd://user:secret@queue?password=secret&x=1', '"beanstalkd://user:***@queue?password=***&x=1"'],
    ['user:secret@queue', '"user:***@queue"'],
    ['user:sec//ret@queue', '"user:***@queue"'],
    ['secret@queue', '"***@queue"'],
  ] as const) {
    it(`refuses ${text} and does not repeat what may be a password`, () => {
      expect(thrown(() => parseAddress(text), InvalidArgumentError).message).to.equal(
        `an address must be ${FORMS}, got ${shown}: beanstalkd has no users and no passwords`,
      );
    });
  }

  it('masks what may be a password in a socket path and in a host, too', () => {
    const path = thrown(() => parseAddress('beanstalkd+unix://user:secret@/run/b.sock'), InvalidArgumentError);
    const host = thrown(() => addressOf({ host: 'user:secret@queue' }), InvalidArgumentError);
    expect(path.message).to.contain('got "beanstalkd+unix://user:***@/run/b.sock"');
    expect(host.message).to.contain('got "user:***@queue"');
  });

  it('refuses options for TLS where the scheme has none', () => {
    for (const [text, why] of [
      ['queue', 'there are options for TLS, but the scheme is not beanstalkds'],
      ['beanstalkd://queue', 'there are options for TLS, but the scheme is not beanstalkds'],
      ['beanstalkd+unix:///run/b.sock', 'a Unix socket has no TLS'],
    ] as const) {
      expect(thrown(() => parseAddress(text, {}), InvalidArgumentError).message).to.equal(
        `an address must be ${FORMS}, got "${text}": ${why}`,
      );
    }
  });
});

describe('addressOf', () => {
  it('is 127.0.0.1:11300 where nothing else is said', () => {
    expect(addressOf({})).to.deep.equal({ host: '127.0.0.1', port: 11300 });
    expect(addressOf({ port: 5 })).to.deep.equal({ host: '127.0.0.1', port: 5 });
    expect(addressOf({ host: '::1' })).to.deep.equal({ host: '::1', port: 11300 });
  });

  it('asks for TLS where there are options for it', () => {
    expect(addressOf({ host: 'queue', tls: {} })).to.deep.equal({ host: 'queue', port: 11300, tls: {} });
    const tls = { ca: 'CERTIFICATE' };
    expect(addressOf({ url: 'beanstalkds://queue', tls })).to.deep.equal({ host: 'queue', port: 11300, tls });
  });

  it('refuses a URL together with its parts', () => {
    for (const parts of [{ host: 'b' }, { port: 1 }]) {
      expect(thrown(() => addressOf({ url: 'a', ...parts }), InvalidArgumentError).message).to.equal(
        'an address must be given as url, or as host and port, not as both',
      );
    }
  });

  it('takes for a port what is an integer from 1 to 65535', () => {
    for (const port of [1, 11300, 65535]) expect(addressOf({ port })).to.have.property('port', port);
    for (const port of [0, -1, 65536, 1.5, Number.NaN, '80' as unknown as number]) {
      expect(thrown(() => addressOf({ port }), InvalidArgumentError).message).to.equal(
        `port must be an integer from 1 to 65535, got ${typeof port === 'string' ? `"${port}"` : port}`,
      );
    }
  });
});

describe('an address of 100,000 characters', () => {
  it('is refused in linear time, and shown cut', () => {
    for (const make of HOSTILE) {
      expectLinear(make, (text) => {
        for (const url of [text, `beanstalkd://${text}`, `beanstalkd+unix:///${text}`, `${text}@h`, `h:${text}`]) {
          expect(thrown(() => parseAddress(url), InvalidArgumentError).message.length).to.be.below(500);
        }
        expect(thrown(() => addressOf({ host: text }), InvalidArgumentError).message.length).to.be.below(500);
      });
    }
  });
});

describe('formatAddress', () => {
  it('writes an address so that it can be read again', () => {
    for (const address of [
      { host: 'queue', port: 1 },
      { host: '127.0.0.1', port: 11300 },
      { host: '::1', port: 65535 },
      { host: '::1', port: 65535, tls: {} },
      { path: '/run/beanstalkd.sock' },
    ]) {
      expect(parseAddress(formatAddress(address))).to.deep.equal(address);
    }
    expect(formatAddress({ host: '::1', port: 4 })).to.equal('beanstalkd://[::1]:4');
    expect(formatAddress({ host: 'queue', port: 4, tls: {} })).to.equal('beanstalkds://queue:4');
    expect(formatAddress({ path: '/run/b.sock' })).to.equal('beanstalkd+unix:///run/b.sock');
  });
});

describe('serverNameOf', () => {
  it('is the host, unless that is an address or another name is given', () => {
    expect(serverNameOf({ host: 'queue', tls: {} })).to.equal('queue');
    expect(serverNameOf({ host: 'queue', tls: { servername: 'other' } })).to.equal('other');
    for (const host of ['127.0.0.1', '::1']) {
      expect(serverNameOf({ host, tls: {} })).to.equal(undefined);
      expect(serverNameOf({ host, tls: { servername: 'other' } })).to.equal('other');
    }
  });
});
