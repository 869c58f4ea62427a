import { expect } from 'chai';
import { chooseServer, type Surroundings } from '../../integration/support/server-choice.js';

const nothing: Surroundings = {
  env: {},
  engineAnswers: async () => false,
  onPath: () => undefined,
  canApt: () => false,
};
const engine = { engineAnswers: async () => true };
const onPath = { onPath: () => '/usr/bin/beanstalkd' };
const canApt = { canApt: () => true };
const everything: Surroundings = { ...nothing, ...engine, ...onPath, ...canApt };
const url = { HARICOT_BEANSTALKD_URL: 'beanstalkd://10.0.0.1' };

async function refusal(surroundings: Surroundings, control = false): Promise<string> {
  return chooseServer(surroundings, control).then(
    (choice) => `chose ${choice.source}`,
    (error: Error) => error.message,
  );
}

describe('the choice of a test server', () => {
  it('takes the server named in HARICOT_BEANSTALKD_URL first, and asks for nothing else', async () => {
    const unasked = async () => {
      throw new Error('asked');
    };
    expect(await chooseServer({ ...everything, env: url, engineAnswers: unasked }, false)).to.deep.equal({
      source: 'url',
      url: 'beanstalkd://10.0.0.1',
    });
  });

  it('takes an engine before a program, and a program before installing one', async () => {
    expect(await chooseServer(everything, false)).to.deep.equal({ source: 'container' });
    expect(await chooseServer({ ...nothing, ...onPath, ...canApt }, false)).to.deep.equal({
      source: 'binary',
      path: '/usr/bin/beanstalkd',
    });
    expect(await chooseServer({ ...nothing, ...canApt }, false)).to.deep.equal({ source: 'install' });
  });

  it('passes the named server over for a test that needs control', async () => {
    expect(await chooseServer({ ...everything, env: url }, true)).to.deep.equal({ source: 'container' });
  });

  it('takes empty variables for unset ones', async () => {
    const env = { HARICOT_BEANSTALKD_URL: '', HARICOT_TEST_SERVER: '' };
    expect(await chooseServer({ ...everything, env }, false)).to.deep.equal({ source: 'container' });
  });

  it('obeys HARICOT_TEST_SERVER, also against a named server', async () => {
    const binary = { ...url, HARICOT_TEST_SERVER: 'binary' };
    expect(await chooseServer({ ...everything, env: binary }, false)).to.have.property('source', 'binary');
    expect(await chooseServer({ ...nothing, ...engine, ...canApt, env: binary }, false)).to.deep.equal({
      source: 'install',
    });
    const container = { ...url, HARICOT_TEST_SERVER: 'container' };
    expect(await chooseServer({ ...everything, env: container }, false)).to.deep.equal({ source: 'container' });
  });

  it('never falls back from a forced choice', async () => {
    const container = { HARICOT_TEST_SERVER: 'container' };
    expect(await refusal({ ...nothing, ...onPath, ...canApt, env: container })).to.equal(
      'HARICOT_TEST_SERVER=container, but no container engine answers: start Docker or point DOCKER_HOST at an engine.',
    );
    const binary = { HARICOT_TEST_SERVER: 'binary' };
    expect(await refusal({ ...nothing, ...engine, env: binary })).to.equal(
      'HARICOT_TEST_SERVER=binary, but there is no beanstalkd on the PATH: put one there, name one in' +
        ' HARICOT_TEST_BEANSTALKD, or run as root on Debian or Ubuntu, where apt-get installs it.',
    );
  });

  it('takes the program that HARICOT_TEST_BEANSTALKD names before all else, by its path or by its version', async () => {
    for (const [named, choice] of [
      ['/opt/beanstalkd', { source: 'binary', path: '/opt/beanstalkd' }],
      ['./beanstalkd-1.13', { source: 'binary', path: './beanstalkd-1.13' }],
      ['1.13', { source: 'unpack', version: '1.13' }],
    ] as const) {
      const env = { ...url, HARICOT_TEST_BEANSTALKD: named };
      expect(await chooseServer({ ...everything, env }, false)).to.deep.equal(choice);
    }
    const env = { HARICOT_TEST_BEANSTALKD: '1.13', HARICOT_TEST_SERVER: 'container' };
    expect(await refusal({ ...everything, env })).to.equal(
      'HARICOT_TEST_BEANSTALKD names a program, which HARICOT_TEST_SERVER=container rules out.',
    );
  });

  it('installs nothing where HARICOT_TEST_INSTALL is "no"', async () => {
    const env = { HARICOT_TEST_INSTALL: 'no' };
    const ways = 'put beanstalkd on the PATH, or run without HARICOT_TEST_INSTALL=no, as root on Debian or Ubuntu.';
    expect(await refusal({ ...nothing, ...canApt, env })).to.contain(ways);
    expect(await refusal({ ...nothing, ...canApt, env: { ...env, HARICOT_TEST_SERVER: 'binary' } })).to.contain('=no');
    expect(await refusal({ ...everything, env })).to.equal('chose container');
    expect(await refusal({ ...everything, env: { HARICOT_TEST_INSTALL: 'never' } })).to.equal(
      'HARICOT_TEST_INSTALL must be "yes" or "no", got "never".',
    );
  });

  it('refuses a choice it does not know', async () => {
    expect(await refusal({ ...everything, env: { HARICOT_TEST_SERVER: 'docker' } })).to.equal(
      'HARICOT_TEST_SERVER is "container" or "binary", not "docker".',
    );
  });

  it('names the four ways in one sentence when there is none', async () => {
    expect(await refusal(nothing)).to.equal(
      'No beanstalkd for the integration tests: set HARICOT_BEANSTALKD_URL to a running server,' +
        ' start a container engine such as Docker, put beanstalkd on the PATH,' +
        ' or run as root on Debian or Ubuntu, where apt-get installs it.',
    );
  });

  it('says that a named server is not enough for a test that needs control', async () => {
    expect(await refusal({ ...nothing, env: url }, true)).to.equal(
      'This test needs a beanstalkd of its own, not the one in HARICOT_BEANSTALKD_URL:' +
        ' start a container engine such as Docker, put beanstalkd on the PATH,' +
        ' or run as root on Debian or Ubuntu, where apt-get installs it.',
    );
  });
});
