#!/usr/bin/env bash
# Clients of PGlite's socket server all get the same session: settings, temporary tables and
# prepared statements of one client exist for the next, so that a driver's named statement fails
# with 42P05 for the second client.
#
# Versions: @electric-sql/pglite 0.5.14, @electric-sql/pglite-socket 0.2.17 (which asks for exactly this pglite), pg 8.23.1, Node 20.
# Seen:     2026-11-29, Linux x86-64.
#
# What happens: the server takes many connections (`maxConnections`) and passes them on, one request
# after the other, to the one backend that PGlite has. A connection that ends resets nothing. A
# client that has never prepared a statement gets the error that it already exists, and it works
# with the settings of an earlier client.
#
# Output seen:
#   first client: statement 2, work_mem 7MB, temporary table made
#   second client: same statement: 42P05 prepared statement "plus_one" already exists
#   second client: unnamed statement 2, work_mem 7MB, rows of the first client's temporary table 1
#
# Why it matters: pools and drivers that prepare statements automatically (asyncpg, JDBC, sqlx) have this error on their
# second connection, and a test suite that passes on PGlite with one client can fail with two. Unnamed statements and
# settings per transaction (SET LOCAL) avoid it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund --ignore-scripts --save-exact \
    @electric-sql/pglite@0.5.14 @electric-sql/pglite-socket@0.2.17 pg@8.23.1

cat > observe.mjs <<'NODE'
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import pg from 'pg';

const db = await PGlite.create();
const server = new PGLiteSocketServer({ db, host: '127.0.0.1', port: 0, maxConnections: 4 });
await server.start();

const connect = async () => {
  const client = new pg.Client({ host: '127.0.0.1', port: server.port, user: 'postgres', database: 'postgres' });
  await client.connect();
  return client;
};
const plusOne = { text: 'SELECT $1::int + 1 AS sum', values: [1] };
const workMem = async (client) => (await client.query('SHOW work_mem')).rows[0].work_mem;

const first = await connect();
const sum = (await first.query({ name: 'plus_one', ...plusOne })).rows[0].sum;
await first.query("SET work_mem = '7MB'");
await first.query('CREATE TEMPORARY TABLE notes AS SELECT 1 AS note');
console.log(`first client: statement ${sum}, work_mem ${await workMem(first)}, temporary table made`);
await first.end();

const second = await connect();
try {
  const again = (await second.query({ name: 'plus_one', ...plusOne })).rows[0].sum;
  console.log(`second client: same statement: ${again}`);
} catch (error) {
  console.log(`second client: same statement: ${error.code} ${error.message}`);
}
const unnamed = (await second.query(plusOne)).rows[0].sum;
const notes = (await second.query('SELECT count(*)::int AS rows FROM notes')).rows[0].rows;
console.log(
  `second client: unnamed statement ${unnamed}, work_mem ${await workMem(second)}, rows of the first client's temporary table ${notes}`,
);
await second.end();
await server.stop();
await db.close();
NODE
node observe.mjs > seen.txt || true
cat > expected.txt <<'TEXT'
first client: statement 2, work_mem 7MB, temporary table made
second client: same statement: 42P05 prepared statement "plus_one" already exists
second client: unnamed statement 2, work_mem 7MB, rows of the first client's temporary table 1
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: two clients of the socket server share less, or more, than described here" >&2
    exit 1
fi
