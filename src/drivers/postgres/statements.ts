// Every statement of the engine. `statement_timestamp()` stands where an index is to be searched: `clock_timestamp()` may change
// within a statement, so that PostgreSQL would read every row. `now()` stands still in a transaction of the user.
import { quoteName } from './schema.js';

// The states of a message, as the schema knows them. A live one is held as long as its lease lasts.
export const LIVE = 2;
export const DELAYED = 3;
export const BURIED = 5;

/** How many messages become ready at once whose delay is over. */
const PROMOTED_AT_ONCE = 2000;

/** How many messages one statement removes or makes ready. */
export const STEP_ROWS = 5000;

const NOW = 'statement_timestamp()';
const HELD = `state = ${LIVE} AND lease_until > ${NOW}`;
const UNHELD = `state = ${LIVE} AND lease_until <= ${NOW}`;
const OVERDUE = `state = ${DELAYED} AND due <= ${NOW}`;
const WAITING = `state = ${DELAYED} AND due > ${NOW}`;

const PLACES = { delayed: 'due', reserved: 'lease_until', buried: 'due' } as const;
const CONDITIONS = {
  ready: `(${UNHELD} OR ${OVERDUE})`,
  delayed: WAITING,
  reserved: HELD,
  buried: `state = ${BURIED}`,
} as const;

/** What a round does. */
export interface RoundParts {
  readonly ack: boolean;
  readonly touch: boolean;
  readonly change: boolean;
  readonly claim: boolean;
}

/** What a row of a round tells. */
export const KIND = { acked: 1, touched: 2, changed: 3, promoted: 4, claimed: 5 } as const;

/** A text, and the name under which the server keeps its plan. */
export interface Statement {
  readonly text: string;
  readonly name: string;
}

export class Statements {
  readonly #messages: string;
  readonly #queues: string;
  readonly #rounds = new Map<string, Statement>();
  readonly put: Statement;
  readonly nextDue: Statement;
  /** Which of the queues have something to take, in their order. */
  readonly candidates: Statement;

  constructor(schema: string) {
    this.#messages = `${quoteName(schema)}.messages`;
    this.#queues = `${quoteName(schema)}.queues`;
    this.put = {
      name: 'haricot_put',
      // Ids are given in the order of the rows.
      text: `INSERT INTO ${this.#messages} (queue, state, priority, ttr, due, body)
        SELECT queue, CASE WHEN delay > 0 THEN ${DELAYED} ELSE ${LIVE} END, priority, ttr,
          clock_timestamp() + delay * interval '1 ms', body
        FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])
          WITH ORDINALITY AS row (queue, priority, ttr, delay, body, nth) ORDER BY nth RETURNING id`,
    };
    this.nextDue = {
      name: 'haricot_next_due',
      text: `SELECT (1000 * extract(epoch FROM min(until - ${NOW})))::text AS ms FROM (
        SELECT CASE WHEN q.paused_until > ${NOW} THEN q.paused_until ELSE least(
          (SELECT min(due) FROM ${this.#messages} WHERE queue = q.id AND state = ${DELAYED}),
          (SELECT min(lease_until) FROM ${this.#messages} WHERE queue = q.id AND ${HELD})) END AS until
        FROM ${this.#queues} q WHERE q.id = ANY ($1::int[])) AS next`,
    };
    this.candidates = {
      name: 'haricot_candidates',
      text: `SELECT asked.id FROM unnest($1::int[]) WITH ORDINALITY AS asked (id, nth) JOIN ${this.#queues} q ON q.id = asked.id
        WHERE q.paused_until <= ${NOW} AND (
          EXISTS (SELECT 1 FROM ${this.#messages} WHERE queue = asked.id AND ${UNHELD})
          OR EXISTS (SELECT 1 FROM ${this.#messages} WHERE queue = asked.id AND ${OVERDUE}))
        ORDER BY nth`,
    };
  }

  /**
   * Settlements and a claim in one statement, so in one commit. Its parameters are those of the parts, in order:
   * ack and touch each ids and tokens; change ids, tokens, states, priorities, delays, uncounted, failures;
   * claim the queue, the limit and the token.
   */
  round(parts: RoundParts): Statement {
    const name = `haricot_round${(['ack', 'touch', 'change', 'claim'] as const).map((part) => (parts[part] ? `_${part}` : '')).join('')}`;
    const known = this.#rounds.get(name);
    if (known) return known;
    let count = 0;
    const next = (): string => `$${++count}`;
    const ctes: string[] = [];
    const results: string[] = [];
    const ids = (kind: number, from: string): string =>
      `SELECT ${kind} AS kind, id, NULL::bigint AS priority, NULL::bigint AS ttr, NULL::int AS attempts, NULL::bytea AS body FROM ${from}`;
    if (parts.ack) {
      ctes.push(`acked AS (DELETE FROM ${this.#messages} m
        USING unnest(${next()}::bigint[], ${next()}::bigint[]) AS a (id, token)
        WHERE m.id = a.id AND m.token = a.token RETURNING m.id)`);
      results.push(ids(KIND.acked, 'acked'));
    }
    if (parts.touch) {
      ctes.push(`touched AS (UPDATE ${this.#messages} m SET lease_until = clock_timestamp() + m.ttr * interval '1 ms'
        FROM unnest(${next()}::bigint[], ${next()}::bigint[]) AS a (id, token)
        WHERE m.id = a.id AND m.token = a.token AND m.state = ${LIVE} RETURNING m.id)`);
      results.push(ids(KIND.touched, 'touched'));
    }
    if (parts.change) {
      // What is released at once keeps its `due`, so that no index changes. What is buried together keeps its order.
      ctes.push(`changed AS (UPDATE ${this.#messages} m SET state = a.state, priority = coalesce(a.priority, m.priority),
          attempts = m.attempts - a.uncounted, token = 0, lease_until = '-infinity',
          due = CASE WHEN a.state = ${LIVE} THEN m.due
            ELSE clock_timestamp() + a.delay * interval '1 ms' + a.nth * interval '1 us' END,
          failure = CASE WHEN a.state = ${BURIED} THEN a.failure ELSE coalesce(a.failure, m.failure) END
        FROM unnest(${next()}::bigint[], ${next()}::bigint[], ${next()}::smallint[], ${next()}::bigint[],
          ${next()}::bigint[], ${next()}::int[], ${next()}::text[])
          WITH ORDINALITY AS a (id, token, state, priority, delay, uncounted, failure, nth)
        WHERE m.id = a.id AND m.token = a.token RETURNING m.id)`);
      results.push(ids(KIND.changed, 'changed'));
    }
    if (parts.claim) {
      const [queue, limit, token] = [next(), next(), next()];
      const isPaused = `EXISTS (SELECT 1 FROM ${this.#queues} WHERE id = ${queue}::int AND paused_until > ${NOW})`;
      // A statement does not see what it has promoted: as long as a message is overdue, it takes none, because that one may be
      // the next. It is then repeated.
      ctes.push(
        `promoted AS (UPDATE ${this.#messages} SET state = ${LIVE} WHERE id = ANY (ARRAY(
          SELECT id FROM ${this.#messages} WHERE queue = ${queue}::int AND ${OVERDUE}
          ORDER BY due, id LIMIT ${PROMOTED_AT_ONCE} FOR UPDATE SKIP LOCKED)) RETURNING 1)`,
        `claimed AS (UPDATE ${this.#messages} m SET lease_until = clock_timestamp() + m.ttr * interval '1 ms',
          token = ${token}::bigint, attempts = m.attempts + 1
          FROM (SELECT id FROM ${this.#messages} WHERE queue = ${queue}::int AND ${UNHELD} AND NOT ${isPaused}
            AND NOT EXISTS (SELECT 1 FROM ${this.#messages} WHERE queue = ${queue}::int AND ${OVERDUE})
            ORDER BY priority, id LIMIT ${limit}::int FOR UPDATE SKIP LOCKED) AS next
          WHERE m.id = next.id RETURNING m.id, m.priority, m.ttr, m.attempts, m.body)`,
      );
      results.push(
        `${ids(KIND.promoted, '(SELECT count(*) AS id FROM promoted) AS counted')} WHERE id > 0`,
        `SELECT ${KIND.claimed}, id, priority, ttr, attempts, body FROM claimed`,
      );
    }
    const statement = { name, text: `WITH ${ctes.join(', ')} ${results.join(' UNION ALL ')}` };
    this.#rounds.set(name, statement);
    return statement;
  }

  /** The statements that take part in a transaction of the user have no name: a pooler may stand between. */
  get ack(): string {
    return `DELETE FROM ${this.#messages} WHERE id = $1 AND token = $2 RETURNING id`;
  }

  /** Tells those who have said that they wait. */
  get notify(): string {
    return `SELECT pg_notify($1, id::text) FROM ${this.#queues} WHERE id = ANY ($2::int[]) AND waiting_until > clock_timestamp()`;
  }

  get listen(): string {
    return `UPDATE ${this.#queues} SET waiting_until = clock_timestamp() + $2 * interval '1 ms' WHERE id = ANY ($1::int[])`;
  }

  get token(): string {
    return `SELECT token FROM ${this.#messages} WHERE id = $1`;
  }

  get addQueues(): string {
    return `INSERT INTO ${this.#queues} (name) SELECT name FROM unnest($1::text[]) AS name ORDER BY name ON CONFLICT DO NOTHING`;
  }

  get queueIds(): string {
    return `SELECT id, name FROM ${this.#queues} WHERE name = ANY ($1::text[])`;
  }

  get queueNames(): string {
    const has = (state: number): string =>
      `EXISTS (SELECT 1 FROM ${this.#messages} WHERE queue = q.id AND state = ${state})`;
    return `SELECT name FROM ${this.#queues} q WHERE starts_with(name, $1)
      AND (paused_until > ${NOW} OR ${has(LIVE)} OR ${has(DELAYED)} OR ${has(BURIED)}) ORDER BY name`;
  }

  get pause(): string {
    return `UPDATE ${this.#queues} SET paused_until =
      CASE WHEN $2::bigint > 0 THEN clock_timestamp() + $2::bigint * interval '1 ms' ELSE '-infinity' END WHERE id = $1`;
  }

  /** Of the names that are queues: what their messages are, and since when one is ready. */
  get stats(): string {
    const of = (columns: string, state: number, as: string): string =>
      `LATERAL (SELECT ${columns} FROM ${this.#messages} WHERE queue = q.id AND state = ${state}) AS ${as}`;
    return `SELECT q.name, live.ready + delayed.due AS ready, delayed.delayed, live.reserved, buried.buried,
        CASE WHEN q.paused_until > ${NOW} THEN ceil(1000 * extract(epoch FROM q.paused_until))::bigint END AS "pausedUntil",
        (1000 * extract(epoch FROM ${NOW} - least(live.since, delayed.since)))::bigint AS "oldestReadyMs"
      FROM ${this.#queues} q,
      ${of(`count(*) FILTER (WHERE lease_until <= ${NOW}) AS ready, count(*) FILTER (WHERE lease_until > ${NOW}) AS reserved, min(due) FILTER (WHERE lease_until <= ${NOW}) AS since`, LIVE, 'live')},
      ${of(`count(*) FILTER (WHERE due <= ${NOW}) AS due, count(*) FILTER (WHERE due > ${NOW}) AS delayed, min(due) FILTER (WHERE due <= ${NOW}) AS since`, DELAYED, 'delayed')},
      ${of('count(*) AS buried', BURIED, 'buried')}
      WHERE q.name = ANY ($1::text[])`;
  }

  /** What is shown of a message; `place` is what a page goes on behind. */
  #columns(place: string): string {
    return `id, priority, ttr, attempts, failure, body, (1000 * extract(epoch FROM created))::bigint AS "createdMs",
      CASE WHEN state = ${BURIED} THEN 'buried' WHEN ${WAITING} THEN 'delayed' WHEN ${HELD} THEN 'reserved' ELSE 'ready' END AS state,
      (1000 * extract(epoch FROM CASE WHEN ${WAITING} THEN due WHEN ${HELD} THEN lease_until END))::bigint AS "dueMs",
      ${place} AS place`;
  }

  get find(): string {
    return `SELECT ${this.#columns('NULL')} FROM ${this.#messages} WHERE id = $2 AND queue = $1`;
  }

  /** A page behind ($2, $3): the priority and id of a ready message, the time in µs and id of others. */
  list(state: 'ready' | 'delayed' | 'reserved' | 'buried'): string {
    if (state === 'ready') {
      const part = (condition: string): string =>
        `(SELECT * FROM ${this.#messages} WHERE queue = $1 AND ${condition} AND (priority, id) > ($2::bigint, $3::bigint)
          ORDER BY priority, id LIMIT $4)`;
      return `SELECT ${this.#columns('priority')} FROM (${part(UNHELD)} UNION ALL ${part(OVERDUE)}) AS ready
        ORDER BY priority, id LIMIT $4`;
    }
    const time = PLACES[state];
    return `SELECT ${this.#columns(`(1000000 * extract(epoch FROM ${time}))::bigint`)} FROM ${this.#messages}
      WHERE queue = $1 AND ${CONDITIONS[state]}
        AND (${time}, id) > (timestamptz 'epoch' + $2::bigint * interval '1 us', $3::bigint)
      ORDER BY ${time}, id LIMIT $4`;
  }

  /** How many messages of the queue can be retried or promoted. */
  count(state: 'buried' | 'delayed'): string {
    return `SELECT count(*) AS count FROM ${this.#messages} WHERE queue = $1 AND ${CONDITIONS[state]}`;
  }

  /** Makes messages ready: those with the ids $2, or the first $2. */
  makeReady(state: 'buried' | 'delayed', by: 'ids' | 'limit', withBody = false): string {
    const anew = state === 'buried' ? `, attempts = 0, failure = NULL, token = 0, lease_until = '-infinity'` : '';
    const ids =
      by === 'ids'
        ? '$2::bigint[]'
        : `ARRAY(SELECT id FROM ${this.#messages} WHERE queue = $1 AND ${CONDITIONS[state]} ORDER BY due, id LIMIT $2
          FOR UPDATE SKIP LOCKED)`;
    return `UPDATE ${this.#messages} SET state = ${LIVE}, due = clock_timestamp()${anew}${withBody ? ', body = $3' : ''}
      WHERE queue = $1 AND ${CONDITIONS[state]} AND id = ANY (${ids})`;
  }

  get delete(): string {
    return `DELETE FROM ${this.#messages} WHERE queue = $1 AND id = ANY ($2::bigint[]) RETURNING id`;
  }

  get highestId(): string {
    return `SELECT coalesce(max(id), 0) AS id FROM ${this.#messages}`;
  }

  /** Removes some messages up to the id $2. */
  flush(state: 'ready' | 'delayed' | 'buried'): string {
    return `DELETE FROM ${this.#messages} WHERE id = ANY (ARRAY(
      SELECT id FROM ${this.#messages} WHERE queue = $1 AND ${CONDITIONS[state]} AND id <= $2 LIMIT ${STEP_ROWS}
      FOR UPDATE SKIP LOCKED))`;
  }

  /** Those that nobody holds; a delay goes on. */
  get move(): string {
    return `WITH gone AS (DELETE FROM ${this.#messages} WHERE queue = $1 AND id = ANY ($3::bigint[]) AND NOT (${HELD}) RETURNING *)
      INSERT INTO ${this.#messages} (queue, state, priority, ttr, due, created, body)
      SELECT $2::int, CASE WHEN ${WAITING} THEN ${DELAYED} ELSE ${LIVE} END, priority, ttr,
        CASE WHEN ${WAITING} THEN due ELSE clock_timestamp() END, created, body
      FROM gone ORDER BY array_position($3::bigint[], id)`;
  }
}
