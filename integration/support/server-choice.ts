/** What the choice of a server depends on. Asked only when the answer matters: asking an engine takes time. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether a container engine answers. */
  engineAnswers(): Promise<boolean>;
  /** The path of the `beanstalkd` program, if there is one on the PATH. */
  onPath(): string | undefined;
  /** Whether apt-get can install it here. */
  canApt(): boolean;
}

export type ServerChoice =
  | { readonly source: 'url'; readonly url: string }
  | { readonly source: 'container' }
  | { readonly source: 'binary'; readonly path: string }
  | { readonly source: 'unpack'; readonly version: string }
  | { readonly source: 'install' };

/**
 * Decides where a beanstalkd comes from: a running server that was named, a container, the program on the PATH, the
 * program after installing it. A test that needs `control` over its server (kill, restart, flags) cannot be given
 * somebody's running one. `HARICOT_TEST_SERVER` forces `container` or `binary`, `HARICOT_TEST_BEANSTALKD` one program, by its
 * path or by its version; a forced choice never falls back. `HARICOT_TEST_INSTALL=no` rules out that anything is installed.
 */
export async function chooseServer(surroundings: Surroundings, control: boolean): Promise<ServerChoice> {
  // Set but empty is how a shell or a CI system says unset.
  const { HARICOT_TEST_SERVER: forced = '', HARICOT_BEANSTALKD_URL: url = '' } = surroundings.env;
  const { HARICOT_TEST_BEANSTALKD: program = '', HARICOT_TEST_INSTALL: install = '' } = surroundings.env;
  if (forced !== '' && forced !== 'container' && forced !== 'binary') {
    throw new Error(`HARICOT_TEST_SERVER is "container" or "binary", not ${JSON.stringify(forced)}.`);
  }
  if (install !== '' && install !== 'yes' && install !== 'no') {
    throw new Error(`HARICOT_TEST_INSTALL must be "yes" or "no", got ${JSON.stringify(install)}.`);
  }
  if (program !== '') {
    if (forced === 'container') {
      throw new Error('HARICOT_TEST_BEANSTALKD names a program, which HARICOT_TEST_SERVER=container rules out.');
    }
    return /^\d+(\.\d+)+$/.test(program) ? { source: 'unpack', version: program } : { source: 'binary', path: program };
  }
  if (forced === '' && url !== '' && !control) return { source: 'url', url };

  if (forced !== 'binary' && (await surroundings.engineAnswers())) return { source: 'container' };
  if (forced === 'container') {
    throw new Error(
      'HARICOT_TEST_SERVER=container, but no container engine answers: start Docker or point DOCKER_HOST at an engine.',
    );
  }

  const path = surroundings.onPath();
  if (path !== undefined) return { source: 'binary', path };
  if (install !== 'no' && surroundings.canApt()) return { source: 'install' };
  const installing =
    install === 'no'
      ? 'without HARICOT_TEST_INSTALL=no, as root on Debian or Ubuntu'
      : 'as root on Debian or Ubuntu, where apt-get installs it';
  if (forced === 'binary') {
    throw new Error(
      'HARICOT_TEST_SERVER=binary, but there is no beanstalkd on the PATH: put one there, name one in' +
        ` HARICOT_TEST_BEANSTALKD, or run ${installing}.`,
    );
  }
  const ways = `start a container engine such as Docker, put beanstalkd on the PATH, or run ${installing}.`;
  throw new Error(
    url === ''
      ? `No beanstalkd for the integration tests: set HARICOT_BEANSTALKD_URL to a running server, ${ways}`
      : `This test needs a beanstalkd of its own, not the one in HARICOT_BEANSTALKD_URL: ${ways}`,
  );
}
