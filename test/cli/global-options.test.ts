import { expect } from 'chai';
import { DEFAULT_URL, urlOf } from '../../src/cli/global-options.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { thrown } from '../support/failures.js';
import { setVariable, useEnvironment } from './harness.js';

describe('The URL of a command', () => {
  useEnvironment({ HARICOT_URL: undefined });

  it('is the one that --url names, or else HARICOT_URL, or else an SQLite file in the working directory', () => {
    expect(urlOf({})).to.equal(DEFAULT_URL).and.to.equal('sqlite:./haricot.db');
    setVariable('HARICOT_URL', 'beanstalkd://a');
    expect(urlOf({})).to.equal('beanstalkd://a');
    expect(urlOf({ url: 'beanstalkd://b' })).to.equal('beanstalkd://b');
  });

  it('is the default where HARICOT_URL is empty', () => {
    setVariable('HARICOT_URL', '');
    expect(urlOf({})).to.equal(DEFAULT_URL);
  });

  it('cannot be empty where it is given', () => {
    setVariable('HARICOT_URL', 'beanstalkd://a');
    expect(thrown(() => urlOf({ url: '' }), InvalidOptionError).message).to.match(
      /^--url must name an engine, .*, got nothing$/,
    );
  });
});
