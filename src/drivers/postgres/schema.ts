import { EngineError } from '../../queue/errors.js';
import { type PgClient, TYPES } from './client.js';

/** A name as SQL takes it. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * What makes the tables of each version those of the next; never changed once released. `schema` is quoted.
 *
 * `lease_until` is in no index, and `due` only in those of rows that nobody holds: so a claim and a renewal change no index, and
 * PostgreSQL need not write one (a HOT update, for which each page keeps room). There is no reference to `queues`: each message
 * would lock its row. An ended lease needs no statement; the next claim takes the row.
 */
export function migrations(schema: string): readonly string[] {
  return [
    `
  CREATE TABLE ${schema}.queues (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    paused_until timestamptz NOT NULL DEFAULT '-infinity',
    waiting_until timestamptz NOT NULL DEFAULT '-infinity'
  );
  CREATE TABLE ${schema}.messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    token bigint NOT NULL DEFAULT 0,
    due timestamptz NOT NULL,
    created timestamptz NOT NULL DEFAULT clock_timestamp(),
    priority bigint NOT NULL,
    ttr bigint NOT NULL,
    queue integer NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    state smallint NOT NULL,
    failure text,
    body bytea NOT NULL
  ) WITH (
    fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 0.5, autovacuum_vacuum_cost_delay = 0,
    toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 5000
  );
  CREATE INDEX messages_live ON ${schema}.messages (queue, priority, id) WHERE state = 2;
  CREATE INDEX messages_delayed ON ${schema}.messages (queue, due, id) WHERE state = 3;
  CREATE INDEX messages_buried ON ${schema}.messages (queue, due, id) WHERE state = 5;
  `,
  ];
}

/** Makes or migrates the tables, if need be. Others may be doing the same. @throws EngineError, and what `pg` throws */
export async function migrate(client: PgClient, name: string): Promise<void> {
  const schema = quoteName(name);
  const steps = migrations(schema);
  if ((await versionOf(client, schema, name, steps.length)) === steps.length) return;
  const run = (text: string, values?: readonly unknown[]): Promise<unknown> => client.query({ text, values });
  await run('BEGIN');
  try {
    await run('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`haricot ${name}`]);
    let version = await versionOf(client, schema, name, steps.length);
    if (version === undefined) {
      await run(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
      await run(`CREATE TABLE ${schema}.version (version integer NOT NULL)`);
      await run(`INSERT INTO ${schema}.version VALUES (0)`);
      version = 0;
    }
    for (const step of steps.slice(version)) await run(step);
    await run(`UPDATE ${schema}.version SET version = $1`, [steps.length]);
    await run('COMMIT');
  } catch (error) {
    // Where the connection is lost, the server does so itself.
    await run('ROLLBACK').catch(() => {});
    throw error;
  }
}

/** Undefined where there are no tables. */
async function versionOf(client: PgClient, schema: string, name: string, newest: number): Promise<number | undefined> {
  // Not `to_regclass`: that may remember from before we had the lock that there was none.
  const { rows: found } = await client.query({
    text: `SELECT EXISTS (SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
      WHERE nspname = $1 AND relname = 'version') AS found`,
    values: [name],
    types: TYPES,
  });
  if (found[0]?.['found'] !== true) return undefined;
  const { rows } = await client.query({ text: `SELECT version FROM ${schema}.version` });
  const version = Number(rows[0]?.['version'] ?? 0);
  if (version <= newest) return version;
  throw new EngineError(
    `cannot use schema ${name}: it was made by a newer haricot (version ${version} of the schema, this one knows ${newest}); upgrade haricot and start this process again`,
  );
}
