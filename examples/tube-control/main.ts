// beanstalkd itself, without the framework: tubes, priorities, pauses, burial, statistics, and a pool of connections.
//
//   node --import tsx examples/tube-control/main.ts beanstalkd://127.0.0.1:11300
import { Client, Pool } from 'haricot/client';

const [, , url] = process.argv;
if (url === undefined) {
  console.error('usage: node --import tsx examples/tube-control/main.ts beanstalkd://host:port');
  process.exit(2);
}

const TUBE = `reports-${process.pid}`;
const client = await Client.connect(url);
await client.watch(TUBE);
await client.ignore('default');
// Its commands go to this tube, whatever tube the client uses besides.
const reports = client.tube(TUBE);

// Lower numbers first, then the older: 1024 is what everybody takes who does not care.
await Promise.all([
  reports.put('monthly', { priority: 1024 }),
  reports.put('urgent', { priority: 1 }),
  reports.put('weekly', { priority: 1024, ttr: 300 }),
  reports.put('tomorrow', { delay: 86_400 }),
]);
console.log(`next is ${(await reports.peekReady())?.text()}, later ${(await reports.peekDelayed())?.text()}`);

// A paused tube takes jobs and hands out none.
await reports.pause(3600);
console.log(`paused: reserve answers ${await client.reserve({ timeout: 0 })}`);
await reports.resume();

const urgent = await client.reserve({ timeout: 5 });
console.log(`resumed: reserve answers ${urgent?.text()}`);
await urgent?.delete();

// Done, put back, put aside: a reserved job ends in one of three ways, or comes back when its TTR is over.
const monthly = await client.reserve({ timeout: 5 });
await monthly?.touch();
await monthly?.release({ delay: 3600 });
const weekly = await client.reserve({ timeout: 5 });
await weekly?.bury();
const stats = await reports.stats();
console.log(
  `ready ${stats?.currentJobsReady}, delayed ${stats?.currentJobsDelayed}, buried ${stats?.currentJobsBuried}`,
);

// Kicks wake buried jobs; delayed ones only where none is buried. A job of which one knows the id can be kicked alone.
console.log(`buried: ${(await reports.peekBuried())?.text()}, kicked: ${await reports.kick(10)}`);
if (monthly) await client.kickJob(monthly.id);
const { reserves, releases } = (monthly && (await client.statsJob(monthly.id))) ?? {};
console.log(`${monthly?.text()} was reserved ${reserves} time and released ${releases} time`);

// Several connections: a reserve that waits holds up everything called after it on its own. `use` lends one and takes it back.
const pool = new Pool(url, { max: 4 });
const put = (n: number) => pool.use((lent) => lent.tube(TUBE).put(`page ${n}`));
const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => put(n)));
console.log(`${ids.length} jobs put through ${pool.size} connections`);
await pool.drain();

let deleted = 0;
for (const look of [() => reports.peekReady(), () => reports.peekDelayed()]) {
  for (let job = await look(); job; job = await look(), deleted++) await client.delete(job.id);
}
console.log(`${deleted} jobs deleted`);
await client.quit();
