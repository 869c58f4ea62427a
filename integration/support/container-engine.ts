/**
 * Names the container engine that Testcontainers finds, or answers undefined when none answers in time. Asked here
 * and by `.ci/container-engine`, because an installed `docker` command says nothing about a running engine.
 */
export async function describeEngine(timeoutMs: number): Promise<string | undefined> {
  // Loaded late: it costs half a second, which a run against a named server need not pay.
  const { getContainerRuntimeClient } = await import('testcontainers');
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs);
  });
  // Absent engines refuse at once; the timeout is for an address that swallows the question.
  const answer = getContainerRuntimeClient().then(
    ({ info }) => `${info.containerRuntime.operatingSystem} container engine ${info.containerRuntime.serverVersion}`,
    () => undefined,
  );
  try {
    return await Promise.race([answer, silence]);
  } finally {
    clearTimeout(timer);
  }
}
