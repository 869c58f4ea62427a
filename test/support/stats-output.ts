// What servers send for `stats`, `stats-tube` and `stats-job`: 1.12 as captured, 1.10 and 1.13 by their differences.

export const STATS_1_12 = `---
current-jobs-urgent: 1
current-jobs-ready: 2
current-jobs-reserved: 3
current-jobs-delayed: 4
current-jobs-buried: 5
cmd-put: 6
cmd-peek: 7
cmd-peek-ready: 8
cmd-peek-delayed: 9
cmd-peek-buried: 10
cmd-reserve: 11
cmd-reserve-with-timeout: 12
cmd-delete: 13
cmd-release: 14
cmd-use: 15
cmd-watch: 16
cmd-ignore: 17
cmd-bury: 18
cmd-kick: 19
cmd-touch: 20
cmd-stats: 21
cmd-stats-job: 22
cmd-stats-tube: 23
cmd-list-tubes: 24
cmd-list-tube-used: 25
cmd-list-tubes-watched: 26
cmd-pause-tube: 27
job-timeouts: 28
total-jobs: 29
max-job-size: 65535
current-tubes: 31
current-connections: 32
current-producers: 33
current-workers: 34
current-waiting: 35
total-connections: 36
pid: 30762
version: "1.12"
rusage-utime: 0.001875
rusage-stime: 0.000000
uptime: 39
binlog-oldest-index: 40
binlog-current-index: 41
binlog-records-migrated: 42
binlog-records-written: 43
binlog-max-size: 10485760
draining: false
id: 9c179300c6d74967
hostname: vm
os: #1 SMP PREEMPT_DYNAMIC @0
platform: x86_64
`;

export const STATS_1_10 = STATS_1_12.replace('"1.12"', '1.10')
  .replace('draining: false\n', '')
  .replace(/os: .*\nplatform: .*\n/, '');

export const STATS_1_13 = STATS_1_12.replace('"1.12"', '"1.13"').replace(
  /^(hostname|os|platform): (.*)$/gm,
  '$1: "$2"',
);

export const TUBE_1_12 = `---
name: mail
current-jobs-urgent: 1
current-jobs-ready: 2
current-jobs-reserved: 3
current-jobs-delayed: 4
current-jobs-buried: 5
total-jobs: 6
current-using: 7
current-watching: 8
current-waiting: 9
cmd-delete: 10
cmd-pause-tube: 11
pause: 12
pause-time-left: 13
`;

export const JOB_1_12 = `---
id: 18446744073709551615
tube: mail
state: reserved
pri: 4294967295
age: 1
delay: 2
ttr: 60
time-left: -3
file: 4
reserves: 5
timeouts: 6
releases: 7
buries: 8
kicks: 9
`;

/** The tube, in a reply to `stats-tube`, `stats-job` or a list, by the name it is given. */
export function withName(output: string, name: string): string {
  return output.replace(/^(name|tube): .*$/m, `$1: ${name}`);
}
