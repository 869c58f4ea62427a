import { expect } from 'chai';
import { parseUrl } from '../../../src/drivers/postgres/url.js';
import { InvalidOptionError } from '../../../src/queue/errors.js';
import { thrown } from '../../support/failures.js';
import { expectLinear, HOSTILE } from '../../support/linear.js';

describe('The URL of a PostgreSQL database', () => {
  it('has a schema, a size of the pool, and whether statements are prepared', () => {
    expect(parseUrl('postgres://me:secret@db:5432/shop')).to.deep.equal({
      hosts: ['postgres://me:secret@db:5432/shop'],
      hasHost: true,
      schema: 'haricot',
      poolSize: 4,
      isPrepared: true,
    });
    expect(parseUrl('postgresql://db/shop?schema=queues&poolSize=20&prepare=false')).to.deep.include({
      hosts: ['postgres://db/shop'],
      schema: 'queues',
      poolSize: 20,
      isPrepared: false,
    });
  });

  it('may name several hosts, each with the user, and what is for pg', () => {
    const { hosts } = parseUrl('postgres://me:pass@a:1,b,[::1]:3/shop?sslmode=require&target_session_attrs=read-write');
    expect(hosts).to.deep.equal([
      'postgres://me:pass@a:1/shop?sslmode=require',
      'postgres://me:pass@b/shop?sslmode=require',
      'postgres://me:pass@[::1]:3/shop?sslmode=require',
    ]);
  });

  it('is read in linear time, however hostile', () => {
    for (const hostile of HOSTILE) {
      for (const end of ['', '#']) {
        expectLinear(
          (length) => `postgres://${hostile(length)}${end}`,
          (url) => {
            try {
              parseUrl(url);
            } catch (error) {
              expect(error).to.be.instanceOf(InvalidOptionError);
            }
          },
        );
      }
    }
  });

  it('is refused with options and values that there are not, without the password', () => {
    for (const [url, why] of [
      ['postgres://me:secret@db/shop?shema=x', /an option of a postgres: URL must be "schema",.* got "shema"/],
      ['postgres://db?schema=', /schema must be 1 to 63 bytes and not begin with "pg_", got ""/],
      ['postgres://db?schema=pg_x', /got "pg_x"/],
      ['postgres://db?poolSize=0', /poolSize must be a whole number from 1 to 1000, got "0"/],
      ['postgres://db?prepare=no', /prepare must be "true" or "false", got "no"/],
      ['postgres://db?target_session_attrs=any', /target_session_attrs must be read-write or primary, got "any"/],
      [
        'postgres://me:secret@db/shop#x',
        /a URL of PostgreSQL must be postgres:.*, got "postgres:\/\/me:\*\*\*@db\/shop#x"/,
      ],
    ] as const) {
      const { message } = thrown(() => parseUrl(url), InvalidOptionError);
      expect(message)
        .to.match(why)
        .and.not.match(/secret/);
    }
  });
});
