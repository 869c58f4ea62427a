/** The value of a statistic. */
export type StatsValue = string | number | boolean;

/** Keys that this client does not know, under their camelCase names. */
interface OtherStats {
  readonly [key: string]: StatsValue | undefined;
}

/**
 * The statistics of the server (`stats`). Times are in seconds. Keys that the server version does not send are absent.
 */
export interface ServerStats extends OtherStats {
  readonly currentJobsUrgent: number;
  readonly currentJobsReady: number;
  readonly currentJobsReserved: number;
  readonly currentJobsDelayed: number;
  readonly currentJobsBuried: number;
  readonly cmdPut: number;
  readonly cmdPeek: number;
  readonly cmdPeekReady: number;
  readonly cmdPeekDelayed: number;
  readonly cmdPeekBuried: number;
  readonly cmdReserve: number;
  readonly cmdReserveWithTimeout: number;
  readonly cmdDelete: number;
  readonly cmdRelease: number;
  readonly cmdUse: number;
  readonly cmdWatch: number;
  readonly cmdIgnore: number;
  readonly cmdBury: number;
  readonly cmdKick: number;
  readonly cmdTouch: number;
  readonly cmdStats: number;
  readonly cmdStatsJob: number;
  readonly cmdStatsTube: number;
  readonly cmdListTubes: number;
  readonly cmdListTubeUsed: number;
  readonly cmdListTubesWatched: number;
  readonly cmdPauseTube: number;
  readonly jobTimeouts: number;
  readonly totalJobs: number;
  /** The largest body that the server accepts, in bytes. */
  readonly maxJobSize: number;
  readonly currentTubes: number;
  readonly currentConnections: number;
  readonly currentProducers: number;
  readonly currentWorkers: number;
  readonly currentWaiting: number;
  readonly totalConnections: number;
  readonly pid: number;
  /** A string, because the version `1.10` is not the number 1.1. */
  readonly version: string;
  readonly rusageUtime: number;
  readonly rusageStime: number;
  readonly uptime: number;
  readonly binlogOldestIndex: number;
  readonly binlogCurrentIndex: number;
  readonly binlogRecordsMigrated: number;
  readonly binlogRecordsWritten: number;
  readonly binlogMaxSize: number;
  /** Whether the server accepts no more jobs (SIGUSR1). From 1.12. */
  readonly draining?: boolean;
  /** 16 hexadecimal digits, new at each start of the server. */
  readonly id: string;
  readonly hostname: string;
  /** From 1.12. */
  readonly os?: string;
  /** From 1.12. */
  readonly platform?: string;
}

/** The statistics of a tube (`stats-tube`). Times are in seconds. */
export interface TubeStats extends OtherStats {
  readonly name: string;
  readonly currentJobsUrgent: number;
  readonly currentJobsReady: number;
  readonly currentJobsReserved: number;
  readonly currentJobsDelayed: number;
  readonly currentJobsBuried: number;
  readonly totalJobs: number;
  readonly currentUsing: number;
  readonly currentWatching: number;
  readonly currentWaiting: number;
  readonly cmdDelete: number;
  readonly cmdPauseTube: number;
  readonly pause: number;
  readonly pauseTimeLeft: number;
}

/** The statistics of a job (`stats-job`). Times are in seconds. */
export interface JobStats extends OtherStats {
  /** The job id, a u64 as a decimal string. */
  readonly id: string;
  readonly tube: string;
  /** `ready`, `reserved`, `delayed` or `buried`; `invalid` while another connection is uploading the job. */
  readonly state: string;
  readonly pri: number;
  readonly age: number;
  readonly delay: number;
  readonly ttr: number;
  /** The remaining time of the delay or the TTR. Negative when the server has missed the end of a TTR. */
  readonly timeLeft: number;
  /** The number of the oldest binlog file that contains the job; 0 without a binlog. */
  readonly file: number;
  readonly reserves: number;
  readonly timeouts: number;
  readonly releases: number;
  readonly buries: number;
  readonly kicks: number;
}

/** Keys whose values are always strings: a host, a tube or an id may consist of digits. */
const TEXT_KEYS = new Set(['version', 'id', 'hostname', 'os', 'platform', 'name', 'tube', 'state']);

/** Keys that servers 1.10 to 1.13 send as numbers. */
const NUMBER_KEYS =
  /^((cmd|current|binlog|rusage|total)-.+|job-timeouts|max-job-size|pid|uptime|pause(-time-left)?|pri|age|delay|ttr|time-left|file|reserves|timeouts|releases|buries|kicks)$/;

interface Key {
  readonly name: string;
  /** Whether an assignment creates the property. It does not for `__proto__`. */
  readonly isPlain: boolean;
  readonly decode: (text: string) => StatsValue;
}

const keys = new Map<string, Key>();

/** A limit for the cache. Servers send 79 different keys; a peer that sends arbitrary keys must not fill the memory. */
const MAX_KNOWN_KEYS = 256;

/**
 * @internal
 * Decodes the data of `stats`, `stats-tube` or `stats-job` to camelCase keys. The data is read line by line and not as
 * YAML, because servers do not quote their values: in YAML, `os: #1 SMP …` is a comment, the tube `null` is no value
 * and `1e3` is a number. The value of an unknown key is a number if that number prints as the same string, and a
 * boolean if it is `true` or `false`. Takes linear time.
 */
export function decodeStats<T extends OtherStats>(data: Buffer): T {
  const text = data.toString('utf8');
  const stats: Record<string, StatsValue> = {};
  // Avoids arrays of lines and entries, because a worker decodes statistics for each message (protocol-notes,
  // performance).
  let colon = -1;
  for (let at = 0, end = 0; at < text.length; at = end + 1) {
    end = text.indexOf('\n', at);
    if (end === -1) end = text.length;
    // Searched once for consecutive lines without a colon.
    if (colon < at) colon = text.indexOf(':', at);
    if (colon === -1) break;
    if (colon === at || colon > end) continue;
    const key = keyOf(text.slice(at, colon));
    const value = key.decode(unquoted(text.slice(colon + 1, end).trimStart()));
    if (key.isPlain) stats[key.name] = value;
    else Object.defineProperty(stats, key.name, { value, enumerable: true, configurable: true, writable: true });
  }
  return stats as T;
}

/**
 * @internal Decodes the data of `list-tubes` or `list-tubes-watched`: the names in the server's order, which has no
 * meaning.
 */
export function decodeList(data: Buffer): string[] {
  const names: string[] = [];
  for (const line of data.toString('utf8').split('\n')) {
    if (line.startsWith('- ')) names.push(unquoted(line.slice(2)));
  }
  return names;
}

function keyOf(text: string): Key {
  const known = keys.get(text);
  if (known) return known;
  const name = camelCase(text);
  const key = { name, isPlain: name !== '__proto__', decode: decoderOf(text) };
  if (keys.size < MAX_KNOWN_KEYS) keys.set(text, key);
  return key;
}

function camelCase(key: string): string {
  // Also matches dashes that no letter follows, so that no position is examined twice.
  return key.replace(/-+([a-z0-9]?)/g, (dashes, letter: string) => (letter === '' ? dashes : letter.toUpperCase()));
}

function decoderOf(key: string): Key['decode'] {
  if (TEXT_KEYS.has(key)) return (text) => text;
  if (key === 'draining') return (text) => text === 'true';
  if (NUMBER_KEYS.test(key)) return numberOrText;
  return guessed;
}

function guessed(text: string): StatsValue {
  if (text === 'true' || text === 'false') return text === 'true';
  return String(Number(text)) === text ? numberOrText(text) : text;
}

function numberOrText(text: string): string | number {
  const number = Number(text);
  return text !== '' && Number.isFinite(number) ? number : text;
}

function unquoted(text: string): string {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
}
