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
  /** Ready jobs with a priority below 1024. */
  readonly currentJobsUrgent: number;
  /** Ready jobs. */
  readonly currentJobsReady: number;
  /** Reserved jobs. */
  readonly currentJobsReserved: number;
  /** Delayed jobs. */
  readonly currentJobsDelayed: number;
  /** Buried jobs. */
  readonly currentJobsBuried: number;
  /** How many `put` commands were received. */
  readonly cmdPut: number;
  /** How many `peek` commands were received. */
  readonly cmdPeek: number;
  /** How many `peek-ready` commands were received. */
  readonly cmdPeekReady: number;
  /** How many `peek-delayed` commands were received. */
  readonly cmdPeekDelayed: number;
  /** How many `peek-buried` commands were received. */
  readonly cmdPeekBuried: number;
  /** How many `reserve` commands were received. */
  readonly cmdReserve: number;
  /** How many `reserve-with-timeout` commands were received. */
  readonly cmdReserveWithTimeout: number;
  /** How many `delete` commands were received. */
  readonly cmdDelete: number;
  /** How many `release` commands were received. */
  readonly cmdRelease: number;
  /** How many `use` commands were received. */
  readonly cmdUse: number;
  /** How many `watch` commands were received. */
  readonly cmdWatch: number;
  /** How many `ignore` commands were received. */
  readonly cmdIgnore: number;
  /** How many `bury` commands were received. */
  readonly cmdBury: number;
  /** How many `kick` commands were received. */
  readonly cmdKick: number;
  /** How many `touch` commands were received. */
  readonly cmdTouch: number;
  /** How many `stats` commands were received. */
  readonly cmdStats: number;
  /** How many `stats-job` commands were received. */
  readonly cmdStatsJob: number;
  /** How many `stats-tube` commands were received. */
  readonly cmdStatsTube: number;
  /** How many `list-tubes` commands were received. */
  readonly cmdListTubes: number;
  /** How many `list-tube-used` commands were received. */
  readonly cmdListTubeUsed: number;
  /** How many `list-tubes-watched` commands were received. */
  readonly cmdListTubesWatched: number;
  /** How many `pause-tube` commands were received. */
  readonly cmdPauseTube: number;
  /** How many times a TTR has passed. */
  readonly jobTimeouts: number;
  /** How many jobs were created. */
  readonly totalJobs: number;
  /** The largest body that the server accepts, in bytes. */
  readonly maxJobSize: number;
  /** Tubes that exist. */
  readonly currentTubes: number;
  /** Open connections. */
  readonly currentConnections: number;
  /** Open connections that have sent a `put`. */
  readonly currentProducers: number;
  /** Open connections that have sent a reserve. */
  readonly currentWorkers: number;
  /** Open connections whose reserve waits. */
  readonly currentWaiting: number;
  /** How many connections were opened. */
  readonly totalConnections: number;
  /** The process id of the server. */
  readonly pid: number;
  /** A string, because the version `1.10` is not the number 1.1. */
  readonly version: string;
  /** CPU time in user mode. */
  readonly rusageUtime: number;
  /** CPU time in system mode. */
  readonly rusageStime: number;
  /** Time since the server started. */
  readonly uptime: number;
  /** The number of the oldest binlog file; 0 without a binlog. */
  readonly binlogOldestIndex: number;
  /** The number of the binlog file that is being written; 0 without a binlog. */
  readonly binlogCurrentIndex: number;
  /** How many binlog records were rewritten to free old files. */
  readonly binlogRecordsMigrated: number;
  /** How many binlog records were written. */
  readonly binlogRecordsWritten: number;
  /** The largest size of a binlog file, in bytes. */
  readonly binlogMaxSize: number;
  /** Whether the server accepts no more jobs (SIGUSR1). From 1.12. */
  readonly draining?: boolean;
  /** 16 hexadecimal digits, new at each start of the server. */
  readonly id: string;
  /** The host name of the server. */
  readonly hostname: string;
  /** From 1.12. */
  readonly os?: string;
  /** From 1.12. */
  readonly platform?: string;
}

/** The statistics of a tube (`stats-tube`). Times are in seconds. */
export interface TubeStats extends OtherStats {
  /** The name of the tube. */
  readonly name: string;
  /** Ready jobs with a priority below 1024. */
  readonly currentJobsUrgent: number;
  /** Ready jobs. */
  readonly currentJobsReady: number;
  /** Reserved jobs. */
  readonly currentJobsReserved: number;
  /** Delayed jobs. */
  readonly currentJobsDelayed: number;
  /** Buried jobs. */
  readonly currentJobsBuried: number;
  /** How many jobs were created in the tube. */
  readonly totalJobs: number;
  /** Open connections that use the tube. */
  readonly currentUsing: number;
  /** Open connections that watch the tube. */
  readonly currentWatching: number;
  /** Open connections whose reserve waits and that watch the tube. */
  readonly currentWaiting: number;
  /** How many jobs of the tube were deleted. */
  readonly cmdDelete: number;
  /** How many `pause-tube` commands the tube has received. */
  readonly cmdPauseTube: number;
  /** The duration of the current pause. */
  readonly pause: number;
  /** The remaining time of the pause. */
  readonly pauseTimeLeft: number;
}

/** The statistics of a job (`stats-job`). Times are in seconds. */
export interface JobStats extends OtherStats {
  /** The job id, a u64 as a decimal string. */
  readonly id: string;
  /** The tube of the job. */
  readonly tube: string;
  /** `ready`, `reserved`, `delayed` or `buried`; `invalid` while another connection is uploading the job. */
  readonly state: string;
  /** The priority. */
  readonly pri: number;
  /** Time since the job was put. */
  readonly age: number;
  /** The delay with which the job was put or released. */
  readonly delay: number;
  /** The time to run. */
  readonly ttr: number;
  /** The remaining time of the delay or the TTR. Negative when the server has missed the end of a TTR. */
  readonly timeLeft: number;
  /** The number of the oldest binlog file that contains the job; 0 without a binlog. */
  readonly file: number;
  /** How many times the job was reserved. */
  readonly reserves: number;
  /** How many times its TTR has passed. */
  readonly timeouts: number;
  /** How many times the job was released. */
  readonly releases: number;
  /** How many times the job was buried. */
  readonly buries: number;
  /** How many times the job was kicked. */
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
