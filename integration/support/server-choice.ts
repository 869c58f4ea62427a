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
  | { readonly source: 'install' };

/**
 * Decides where a beanstalkd comes from: a running server that was named, a container, the program on the PATH, the
 * program after installing it. A test that needs `control` over its server (kill, restart, flags) cannot be given
 * somebody's running one. `HARICOT_TEST_SERVER` forces `container` or `binary`; a forced choice never falls back.
 */
export async function chooseServer(surroundings: Surroundings, control: boolean): Promise<ServerChoice> {
  // Set but empty is how a shell or a CI system says unset.
  const { HARICOT_TEST_SERVER: forced = '', HARICOT_BEANSTALKD_URL: url = '' } = surroundings.env;
  if (forced !== '' && forced !== 'container' && forced !== 'binary') {
    throw new Error(`HARICOT_TEST_SERVER is "container" or "binary", not ${JSON.stringify(forced)}.`);
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
  if (surroundings.canApt()) return { source: 'install' };
  if (forced === 'binary') {
    throw new Error(
      'HARICOT_TEST_SERVER=binary, but there is no beanstalkd on the PATH and apt-get cannot install it here' +
        ' (that needs root on Debian or Ubuntu).',
    );
  }
  const ways =
    'start a container engine such as Docker, put beanstalkd on the PATH, or run as root on Debian or Ubuntu,' +
    ' where apt-get installs it.';
  throw new Error(
    url === ''
      ? `No beanstalkd for the integration tests: set HARICOT_BEANSTALKD_URL to a running server, ${ways}`
      : `This test needs a beanstalkd of its own, not the one in HARICOT_BEANSTALKD_URL: ${ways}`,
  );
}
